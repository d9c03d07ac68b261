# SPDX-License-Identifier: Apache-2.0
"""Scores of segmentation and pose models on annotated frames; ``python -m pose6d_node.evaluate`` is
the command.
"""
