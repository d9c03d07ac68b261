# SPDX-License-Identifier: Apache-2.0
"""Small pictures of what was seen, its color by name, and pictures that a user gives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from perception_kit.budgets import BudgetError
from perception_kit.picture_files import read_pixels

THUMBNAIL_SIDE, JPEG_QUALITY = 160, 80
# A thumbnail shows this much around a box, as a fraction of its sides.
MARGIN = 0.25
# Of the pixels of an object, so many must have its color.
MIN_COLORED = 0.3
# HSV as OpenCV has it: hue in half degrees, saturation and value 0 to 255.
_BLACK_VALUE, _GRAY_SATURATION, _WHITE_VALUE = 50, 60, 190
_HUES = (
    (8, "red"), (20, "orange"), (34, "yellow"), (85, "green"), (130, "blue"), (150, "purple"),
    (172, "pink"), (181, "red"),
)  # fmt: skip
_BROWN_VALUE = 150


class PictureError(ValueError):
    """A picture cannot be used; the message names it."""


def read_picture(path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a picture file. Raises PictureError for what is none."""
    path = Path(path)
    if not path.is_file():
        reason = "is no file" if path.exists() else "does not exist"
        raise PictureError(f"the picture '{path}' {reason}: give a JPEG, PNG, BMP or WebP file")
    try:
        pixels = read_pixels(path)
    except BudgetError:  # a header that names a picture of terabytes
        pixels = None
    except OSError as error:
        raise PictureError(f"the picture '{path}' cannot be read: {error}") from error
    if pixels is None:
        raise PictureError(
            f"'{path}' is not a picture that can be read: give a whole JPEG, PNG, BMP or WebP file"
        )
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def thumbnail_jpeg(rgb: np.ndarray, box: np.ndarray | None) -> bytes:
    """JPEG of an (H, W, 3) uint8 image, or of a box (4,) in pixels and its surroundings."""
    if box is not None:
        height, width = rgb.shape[:2]
        margin = MARGIN * max(box[2] - box[0], box[3] - box[1])
        left, top = (max(0, int(value - margin)) for value in box[:2])
        right, bottom = int(min(width, box[2] + margin)), int(min(height, box[3] + margin))
        if right - left > 1 and bottom - top > 1:
            rgb = rgb[top:bottom, left:right]
    factor = min(1.0, THUMBNAIL_SIDE / max(rgb.shape[:2]))
    size = max(1, round(rgb.shape[1] * factor)), max(1, round(rgb.shape[0] * factor))
    small = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)
    written, data = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return data.tobytes() if written else b""


def color_name(pixels: np.ndarray) -> str:
    """The name in ``COLORS`` of most of (N, 3) uint8 RGB pixels; empty where they have many."""
    if len(pixels) == 0:
        return ""
    hsv = cv2.cvtColor(np.ascontiguousarray(pixels[None]), cv2.COLOR_RGB2HSV)[0].astype(int)
    hue, saturation, value = hsv.T
    names = np.array([name for _, name in _HUES], dtype=object)
    found = names[np.searchsorted([limit for limit, _ in _HUES], hue, side="right")]
    found[(found == "orange") & (value < _BROWN_VALUE)] = "brown"
    found[saturation < _GRAY_SATURATION] = "gray"
    found[(saturation < _GRAY_SATURATION) & (value >= _WHITE_VALUE)] = "white"
    found[value < _BLACK_VALUE] = "black"

    called, counts = np.unique(found.astype(str), return_counts=True)
    most = int(counts.argmax())
    return str(called[most]) if counts[most] >= MIN_COLORED * len(pixels) else ""
