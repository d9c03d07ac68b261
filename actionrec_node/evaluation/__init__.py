# SPDX-License-Identifier: Apache-2.0
"""Scores of action models on clips, and of the fall alarm on videos."""
