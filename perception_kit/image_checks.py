# SPDX-License-Identifier: Apache-2.0
"""Checks of the images that the algorithms are given."""

from __future__ import annotations

import numpy as np


def check_color(rgb: np.ndarray) -> None:
    """Raise ValueError unless ``rgb`` is an (H, W, 3) uint8 image with pixels."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise ValueError(
            f"expected an (H, W, 3) uint8 colour image, got shape {rgb.shape} and type {rgb.dtype}"
        )


def check_depth(depth: np.ndarray, rgb: np.ndarray) -> None:
    """Raise ValueError unless ``depth`` can be metres and has the size of the colour image.

    Cameras send millimetres as integers, which would be a thousand times too far away.
    """
    if not np.issubdtype(depth.dtype, np.floating):
        raise ValueError(
            f"depth is {depth.dtype}, expected float32 in metres: divide depth in millimetres by"
            " 1000"
        )
    if depth.shape != rgb.shape[:2]:
        raise ValueError(
            f"depth is {depth.shape} and colour {rgb.shape[:2]}: give depth that is aligned to the"
            " colour image"
        )
