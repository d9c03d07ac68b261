# SPDX-License-Identifier: Apache-2.0
"""Appearance descriptors of anything: ImageNet features of a crop, projected to few values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import torch

from perception_kit.networks.efficientnet_lite import (
    PUBLISHED_MEAN,
    PUBLISHED_STD,
    efficientnet_lite0,
    imagenet_state,
)
from video_search.schema import DESCRIPTOR_SIZE

SPACE = "efficientnet_lite0-2"
"""Of these descriptors; another number where they are made in another way."""
_INPUT_SIDE = 128
# Levels whose averages are joined: the third knows textures and colors, the last one things.
_LAYERS = ("layer3", "layer4")
_BATCH = 16


class Describer:
    """(D,) float32 descriptors of norm 1; those of alike things have a cosine near 1."""

    def __init__(self) -> None:
        self._network = efficientnet_lite0().eval()
        mean, std = torch.full((3,), PUBLISHED_MEAN), torch.full((3,), PUBLISHED_STD)
        self._network.load_state_dict(imagenet_state(mean, std))

    def __call__(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """(N, D) descriptors of (H, W, 3) uint8 RGB images of any size."""
        found = [self._of_batch(crops[i : i + _BATCH]) for i in range(0, len(crops), _BATCH)]
        return np.concatenate(found) if found else np.zeros((0, DESCRIPTOR_SIZE), np.float32)

    def _of_batch(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        images = np.stack([_square(crop) for crop in crops]).astype(np.float32) / 255
        x = torch.from_numpy((images - PUBLISHED_MEAN) / PUBLISHED_STD).permute(0, 3, 1, 2)
        averages = []
        with torch.inference_mode():
            for name, layer in self._network.named_children():
                x = layer(x)
                if name in _LAYERS:
                    average = x.mean(dim=(2, 3))
                    averages.append(average / average.norm(dim=1, keepdim=True))
        features = torch.cat(averages, dim=1).numpy()

        projected = features @ _projection(features.shape[1])
        return projected / np.linalg.norm(projected, axis=1, keepdims=True)


@cache
def _projection(size: int) -> np.ndarray:
    """(size, D) random orthogonal columns, which nearly keep angles (Johnson-Lindenstrauss)."""
    random = np.random.default_rng(0).standard_normal((size, DESCRIPTOR_SIZE))
    return np.linalg.qr(random)[0].astype(np.float32)


def _square(crop: np.ndarray) -> np.ndarray:
    """The crop in the middle of a gray square, so that its sides keep their ratio."""
    factor = _INPUT_SIDE / max(crop.shape[:2])
    height, width = (max(1, round(side * factor)) for side in crop.shape[:2])
    square = np.full((_INPUT_SIDE, _INPUT_SIDE, 3), 127, np.uint8)
    top, left = (_INPUT_SIDE - height) // 2, (_INPUT_SIDE - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(
        np.ascontiguousarray(crop), (width, height), interpolation=cv2.INTER_AREA
    )
    return square


def cropped(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The pixels of a box (4,), at least one, of an (H, W, 3) image."""
    height, width = rgb.shape[:2]
    left, top = int(np.clip(box[0], 0, width - 1)), int(np.clip(box[1], 0, height - 1))
    right, bottom = int(np.clip(box[2], left + 1, width)), int(np.clip(box[3], top + 1, height))
    return rgb[top:bottom, left:right]
