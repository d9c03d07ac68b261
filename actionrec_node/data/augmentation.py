# SPDX-License-Identifier: Apache-2.0
"""Online augmentation of clips: the seven filters of the article on real-time action recognition.

Nothing is written to disk, and all frames of a clip share the same random draw. Filters take a clip
(T, H, W, 3) uint8 and a generator, and return a new clip of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

Filter = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Mode = Literal["none", "one", "some", "all"]


def random_crop(
    clip: np.ndarray, size: int, rng: np.random.Generator, min_side: float = 0.85
) -> np.ndarray:
    """(T, size, size, 3): a random rectangle, the same in all frames, resized to a square.

    It has ``min_side`` to all of each side of the frames.
    """
    # Size: a zoom for both sides, and up to 10 % of the aspect ratio.
    height, width = clip.shape[1:3]
    zoom = rng.uniform(min_side, 1.0)
    h, w = (
        max(1, round(side * min(1.0, zoom * rng.uniform(0.9, 1.1)))) for side in (height, width)
    )

    # Place: anywhere inside.
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    rectangle = np.ascontiguousarray(clip[:, top : top + h, left : left + w])

    return np.stack(
        [cv2.resize(frame, (size, size), interpolation=cv2.INTER_LINEAR) for frame in rectangle]
    )


def add(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add: a brightness of -40 to 40, and up to 15 more or less per channel."""
    offset = rng.uniform(-40, 40) + rng.uniform(-15, 15, 3)
    return _per_value(clip, np.arange(256)[:, None] + offset)


def multiply(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiply: by 0.6 to 1.5, and by up to 1.15 more or less per channel."""
    brightness = rng.uniform(np.log(0.6), np.log(1.5))
    color = rng.uniform(-np.log(1.15), np.log(1.15), 3)
    return _per_value(clip, np.arange(256)[:, None] * np.exp(brightness + color))


def _per_value(clip: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replace value v of channel c by ``table[v, c]``, rounded and clamped to 0..255."""
    table = np.clip(np.round(table), 0, 255).astype(np.uint8)
    return cv2.LUT(clip.reshape(-1, clip.shape[2], 3), table[None]).reshape(clip.shape)


def salt(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Salt: set up to 2 % of the pixels to white."""
    return _speckle(clip, rng, 255)


def pepper(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pepper: set up to 2 % of the pixels to black."""
    return _speckle(clip, rng, 0)


def _speckle(clip: np.ndarray, rng: np.random.Generator, value: int) -> np.ndarray:
    out = clip.copy()
    out[:, rng.random(clip.shape[1:3]) < rng.uniform(0, 0.02)] = value
    return out


def blur(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur with a standard deviation of 0.3 to 1.5 pixels."""
    sigma = rng.uniform(0.3, 1.5)
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in clip])


def flip(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Horizontal flip: mirror left and right."""
    return np.stack([cv2.flip(frame, 1) for frame in clip])


def elastic(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Elastic deformation (Simard, Steinkraus, Platt, ICDAR 2003).

    A smooth random displacement of every pixel, of at most 3 % of the width.
    """
    # A random displacement field, made smooth by a Gaussian ...
    height, width = clip.shape[1:3]
    noise = rng.uniform(-1, 1, (height, width, 2)).astype(np.float32)
    displacement = cv2.GaussianBlur(noise, (0, 0), width / 16)

    # ... and scaled by the intensity of the deformation.
    displacement *= rng.uniform(0.01, 0.03) * width / np.abs(displacement).max()

    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    map_x, map_y = columns + displacement[..., 0], rows + displacement[..., 1]
    return np.stack(
        [
            cv2.remap(frame, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            for frame in clip
        ]
    )


# The order is part of a seed's meaning: filters are drawn by their place in it.
FILTERS: dict[str, Filter] = {
    "add": add,
    "multiply": multiply,
    "salt": salt,
    "pepper": pepper,
    "blur": blur,
    "flip": flip,
    "elastic": elastic,
}


def augment(clip: np.ndarray, rng: np.random.Generator, mode: Mode) -> np.ndarray:
    """Apply no filter, one random filter, or a random subset or all of them in random order."""
    counts = {
        "none": 0,
        "one": 1,
        "some": int(rng.integers(0, len(FILTERS) + 1)),
        "all": len(FILTERS),
    }
    for name in rng.permutation(list(FILTERS))[: counts[mode]]:
        clip = FILTERS[name](clip, rng)
    return clip
