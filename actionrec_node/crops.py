# SPDX-License-Identifier: Apache-2.0
"""Where people are in an image, and the part of it that a person's clip shows.

Boxes and regions of clips are x_min, y_min, x_max, y_max as shares of the image's width and height, so that they survive a change of
its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from actionrec_node.video import resize_frame

WHOLE = np.array([0.0, 0.0, 1.0, 1.0])


@dataclass(frozen=True)
class PersonBox:
    """A person in an image: id of the track, ``box`` (4,) x_min, y_min, x_max, y_max in pixels."""

    track_id: int
    box: np.ndarray


def clip_region(boxes: Sequence[np.ndarray], aspect: float, context: float) -> np.ndarray:
    """(4,) region of a clip: a square in pixels around all ``boxes`` (4,) of the clip, ``context`` times their larger side.

    It is the same for all frames, so that a person who moves moves in the clip: a crop that follows a falling person hides the fall.
    At a border of the image it is moved inside; where the square is larger than the image, the image's side is what is left of it.
    ``aspect`` is the image's width divided by its height.
    """
    low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
    shape = np.array([aspect, 1.0])  # of the image, in units of its height
    side = np.minimum(context * ((high - low) * shape).max() / shape, 1.0)
    low = np.clip((low + high - side) / 2, 0.0, 1.0 - side)
    return np.concatenate([low, low + side])


def crop(rgb: np.ndarray, region: np.ndarray, size: int, resize: str) -> np.ndarray:
    """(size, size, 3): the ``region`` (4,) of an image (H, W, 3) uint8, at least one pixel of it, resized as ``resize_frame`` does."""
    height, width = rgb.shape[:2]
    left, top = np.minimum(np.floor(region[:2] * (width, height)), (width - 1, height - 1)).astype(int)
    right, bottom = np.ceil(region[2:] * (width, height)).astype(int)
    return resize_frame(rgb[top : max(bottom, top + 1), left : max(right, left + 1)], size, resize)


def shrink(rgb: np.ndarray, max_side: int) -> np.ndarray:
    """The image (H, W, 3) uint8, or a smaller one of the same aspect whose longer side is ``max_side`` pixels."""
    factor = max_side / max(rgb.shape[:2])
    return cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else rgb
