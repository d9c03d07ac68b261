# SPDX-License-Identifier: Apache-2.0
"""Metrics as functions of arrays: segmentation, instances, pose, tracking and actions."""
