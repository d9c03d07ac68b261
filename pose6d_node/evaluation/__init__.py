# SPDX-License-Identifier: Apache-2.0
"""Scores of segmentation and pose models on annotated frames, for ``pose6d_node.evaluate``."""
