# SPDX-License-Identifier: Apache-2.0
"""Resizes video frames to the square input of a network, by the way it was trained with."""

from __future__ import annotations

import cv2
import numpy as np

# Side of the square that is seen / shorter side of the frame; None: the whole frame.
RESIZE_FRACTIONS: dict[str, float | None] = {"stretch": None, "center": 1.0, "center_7_8": 7 / 8}


def resize_frame(rgb: np.ndarray, size: int, resize: str = "stretch") -> np.ndarray:
    """(H, W, 3) uint8 to (size, size, 3) by one of ``RESIZE_FRACTIONS``.

    "stretch": the whole frame, whatever its aspect ratio. The others: the square in its middle
    whose side is that fraction of the frame's shorter side; 7/8 is the 224 pixels that I3D sees of
    frames whose shorter side is 256.
    """
    fraction = RESIZE_FRACTIONS[resize]
    if fraction is not None:
        height, width = rgb.shape[:2]
        side = max(1, round(min(height, width) * fraction))
        top, left = (height - side) // 2, (width - side) // 2
        rgb = rgb[top : top + side, left : left + side]

    interpolation = cv2.INTER_AREA if min(rgb.shape[:2]) >= size else cv2.INTER_LINEAR
    return cv2.resize(rgb, (size, size), interpolation=interpolation)
