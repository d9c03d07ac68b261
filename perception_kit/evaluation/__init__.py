# SPDX-License-Identifier: Apache-2.0
"""Matches ground truth with results and computes the metrics of a recording."""
