# SPDX-License-Identifier: Apache-2.0
"""People moved to other places: the background of a clip becomes a photograph.

Few rooms have been filmed, each with few actions, so that a network learns the actions by the
rooms. The augmentation is ActorCutMix (Zou, Choi, Wang, Huang, "Learning Representational
Invariances for Data-Efficient Action Recognition", CVIU 2023), with photographs in which nobody is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from actionrec_node.data.annotations import DataError
from actionrec_node.data.crops import box_weights
from perception_kit.budgets import BudgetError
from perception_kit.picture_files import read_pixels

FRACTION = 0.5
"""Of the clips in which the person's box is always known, this fraction moves."""
_MIN_SIDE = 0.4
"""Smallest part of a photograph that is seen, as a fraction of its sides."""


class Backgrounds:
    """Photographs to put behind people. Raises DataError where one cannot be read."""

    def __init__(self, photos: Sequence[Path]) -> None:
        self._photos = list(photos)

    def move(self, frames: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(K, H, W, 3) uint8: the frames with a part of a photograph outside of the ``boxes``.

        ``boxes`` (K, 4) are x_min, y_min, x_max, y_max as fractions of the image's sides.
        """
        height, width = frames.shape[1:3]
        background = self._sample(width, height, rng).astype(np.float32)
        weights = box_weights(boxes, width, height)[..., None]
        return np.round(background + weights * (frames - background)).astype(np.uint8)

    def _sample(self, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
        """(height, width, 3): a random rectangle of a random photograph, or its mirror image."""
        path = self._photos[rng.integers(len(self._photos))]
        try:
            photo, reason = read_pixels(path, cv2.IMREAD_REDUCED_COLOR_2), "is not a whole image"
        except (BudgetError, OSError) as error:
            photo, reason = None, str(error)
        if photo is None:
            raise DataError(f"'{path}': {reason} (of --backgrounds)")

        sides = np.array(photo.shape[:2])
        size = np.maximum(1, np.round(sides * rng.uniform(_MIN_SIDE, 1.0))).astype(int)
        top, left = rng.integers(0, sides - size + 1)
        part = photo[top : top + size[0], left : left + size[1], ::-1]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        return cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_AREA)
