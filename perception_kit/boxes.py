# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on axis-aligned image boxes given as x_min, y_min, x_max, y_max in pixels."""

from __future__ import annotations

import numpy as np


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...) intersection over union of (..., 4) boxes, broadcast against each other.

    For every pair of (N, 4) and (M, 4) boxes, ``box_iou(first[:, None], second)`` is (N, M). A box
    without area overlaps nothing.
    """
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    intersection = np.maximum(width, 0.0) * np.maximum(height, 0.0)

    union = box_area(first) + box_area(second) - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=intersection > 0)


def box_area(boxes: np.ndarray) -> np.ndarray:
    """(...) areas of (..., 4) boxes in square pixels, 0 for an inverted box."""
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return np.maximum(width, 0.0) * np.maximum(height, 0.0)
