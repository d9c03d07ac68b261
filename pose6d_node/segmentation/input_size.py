# SPDX-License-Identifier: Apache-2.0
"""Images brought to the network's input size without changing their shape.

Training and the robot do it alike.
"""

from __future__ import annotations

import cv2
import numpy as np


def fitted_size(width: int, height: int, limits: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of an image made as large as fits into ``limits`` (width, height).

    Its aspect is kept; each side has at least one pixel.
    """
    scale = min(limits[0] / width, limits[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def resize_color(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image (H, W, 3) uint8 at ``size`` (width, height), averaged where it becomes smaller."""
    shrinks = size[0] < rgb.shape[1]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def unused_input(width: int, height: int, limits: tuple[int, int]) -> str | None:
    """A note on images that leave more than a tenth of the input empty; None for others."""
    used = fitted_size(width, height, limits)
    fraction = used[0] * used[1] / (limits[0] * limits[1])
    if fraction > 0.9:
        return None
    return (
        f"images of {width}x{height} fill {fraction:.0%} of --input-size {limits[0]} {limits[1]}:"
        f" {used[0]} {used[1]} shows the same and is faster"
    )
