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
CLIPS_AT_ONCE = 16  # that a network gets in one batch
# What is kept around a person's box, and where it fades out, as fractions of the box's sides.
_MARGIN, _FEATHER = 0.06, 0.12
_GRAY = 114.0  # what surroundings fade into


@dataclass(frozen=True)
class PersonBox:
    """A person in an image: id of the track, ``box`` (4,) x_min, y_min, x_max, y_max in pixels.

    ``score`` of the detection that it is a person, 0 to 1.
    """

    track_id: int
    box: np.ndarray
    score: float = 1.0

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


def box_weights(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """(K, height, width) float32: 1 in and near each of ``boxes`` (K, 4), falling to 0 around it.

    The boxes are fractions of the image's sides.
    """

    def along(low: np.ndarray, high: np.ndarray, pixels: int) -> np.ndarray:
        """(K, pixels) of one axis."""
        centers = (np.arange(pixels) + 0.5) / pixels
        side = np.maximum(high - low, 1e-6)[:, None]
        depth = np.minimum(centers - low[:, None], high[:, None] - centers) / side
        return np.clip((depth + _MARGIN + _FEATHER) / _FEATHER, 0.0, 1.0)

    rows = along(boxes[:, 1], boxes[:, 3], height)
    columns = along(boxes[:, 0], boxes[:, 2], width)
    return (rows[:, :, None] * columns[:, None, :]).astype(np.float32)


def crop_clip(
    frames: Sequence[np.ndarray] | np.ndarray,
    boxes: np.ndarray | None,
    size: int,
    resize: str,
    context: float = CONTEXT,
    surroundings: float = 1.0,
) -> np.ndarray:
    """(K, size, size, 3) uint8 that the network sees of K images (H, W, 3): one region of them all.

    Without ``boxes`` it is the whole image, brought to the size by ``resize`` of ``resize_frame``;
    else the ``clip_region`` of the boxes (K, 4) of the person. What is outside of an image's box
    keeps the fraction ``surroundings`` of its contrast: a room tells little about what somebody
    does in it, and the box stands out as they move.
    Training, evaluation and the live node all see clips through this function.
    """
    if boxes is None:
        return np.stack([resize_frame(rgb, size, resize) for rgb in frames])

    height, width = frames[-1].shape[:2]
    region = clip_region(boxes, width / height, context)
    clip = np.stack([crop(rgb, region, size) for rgb in frames])
    if surroundings == 1.0:
        return clip

    inside = (boxes - np.tile(region[:2], 2)) / np.tile(region[2:] - region[:2], 2)
    weights = surroundings + (1.0 - surroundings) * box_weights(inside, size, size)[..., None]
    return np.round(_GRAY + weights * (clip - np.float32(_GRAY))).astype(np.uint8)
