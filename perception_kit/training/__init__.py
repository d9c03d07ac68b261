# SPDX-License-Identifier: Apache-2.0
"""The training loop, its clock and what training commands share."""
