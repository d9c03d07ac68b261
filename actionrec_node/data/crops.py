# SPDX-License-Identifier: Apache-2.0
"""Boxes of people in an image, and the region of it that a person's clip shows.

Boxes and regions of clips are x_min, y_min, x_max, y_max as fractions of the image's width and
height, so that they survive a change of its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionrec_node.networks.resizing import resize_frame

CONTEXT = 1.5  # side of the square that a person's clip shows / larger side of the boxes


@dataclass(frozen=True)
class PersonBox:
    """A person in an image: id of the track, ``box`` (4,) x_min, y_min, x_max, y_max in pixels."""

    track_id: int
    box: np.ndarray

    def is_within(self, width: int, height: int) -> bool:
        """Whether the box shows a part of an image of this size in pixels.

        A box that is not finite or has no area does not.
        """
        low = np.clip(self.box[:2], 0, (width, height))
        high = np.clip(self.box[2:], 0, (width, height))
        return bool(np.isfinite(self.box).all() and (low < high).all())


def clip_region(
    boxes: Sequence[np.ndarray] | np.ndarray, aspect: float, context: float
) -> np.ndarray:
    """(4,) region of a clip: a square around all ``boxes`` (4,) of the clip.

    Its side in pixels is ``context`` times the larger side of what the boxes cover. It is the same
    for all frames, so that a person who moves moves in the clip: a crop that follows a falling
    person hides the fall. At a border of the image it is moved
    inside; where the square is larger than the image, the image's side is what is left of it.
    ``aspect`` is the image's width divided by its height.
    """
    low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]

    # The square's side, in units of the image's height, as fractions of the image's sides.
    shape = np.array([aspect, 1.0])
    side = np.minimum(context * ((high - low) * shape).max() / shape, 1.0)

    low = np.clip((low + high - side) / 2, 0.0, 1.0 - side)
    return np.concatenate([low, low + side])


def crop(rgb: np.ndarray, region: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3): the ``region`` (4,) of an image (H, W, 3) uint8, stretched to the size.

    It has at least one pixel of the image.
    """
    height, width = rgb.shape[:2]
    first = np.floor(region[:2] * (width, height))
    left, top = np.minimum(first, (width - 1, height - 1)).astype(int)
    right, bottom = np.ceil(region[2:] * (width, height)).astype(int)
    return resize_frame(rgb[top : max(bottom, top + 1), left : max(right, left + 1)], size)


def crop_clip(
    frames: Sequence[np.ndarray] | np.ndarray,
    boxes: Sequence[np.ndarray] | np.ndarray | None,
    size: int,
    resize: str,
    context: float = CONTEXT,
) -> np.ndarray:
    """(K, size, size, 3) uint8 that the network sees of K images (H, W, 3): one region of them all.

    Without ``boxes`` it is the whole image, brought to the size by ``resize`` of ``resize_frame``;
    else the ``clip_region`` of the boxes (4,), one for each image in which the person is seen.
    Training, evaluation and the live node all see clips through this function.
    """
    if boxes is None:
        return np.stack([resize_frame(rgb, size, resize) for rgb in frames])

    height, width = frames[-1].shape[:2]
    region = clip_region(boxes, width / height, context)
    return np.stack([crop(rgb, region, size) for rgb in frames])
