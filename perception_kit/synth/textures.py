# SPDX-License-Identifier: Apache-2.0
"""Random procedural textures (sRGB uint8).

Each split draws from families of its own, so held-out rooms look different.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np

SIZE = 256


def color(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.0, 0.8),
    value: tuple[float, float] = (0.2, 0.95),
) -> np.ndarray:
    """A random sRGB colour (3,) float32, 0 to 255."""
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return np.array(rgb, np.float32) * 255


def clouds(
    rng: np.random.Generator, size: int = SIZE, first: int = 4, octaves: int = 4
) -> np.ndarray:
    """(size, size) float32 tileable noise in [0, 1]: octaves of smoothed random grids."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        cells = first * 2**octave
        grid = np.pad(rng.random((cells, cells), dtype=np.float32), 2, mode="wrap")
        step = size // cells
        full = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += full[2 * step : 2 * step + size, 2 * step : 2 * step + size] / 2**octave
    return (total - total.min()) / max(float(np.ptp(total)), 1e-6)


def _mix(weight: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first + weight[..., None] * (second - first)


def _cloudy(rng: np.random.Generator) -> np.ndarray:
    return _mix(clouds(rng, first=int(2 ** rng.integers(1, 5))), color(rng), color(rng))


def _plaster(rng: np.random.Generator) -> np.ndarray:
    base = color(rng, (0.0, 0.35), (0.6, 1.0))
    return _mix(clouds(rng, first=16, octaves=3), base, base * rng.uniform(0.8, 0.95))


def _checks(rng: np.random.Generator) -> np.ndarray:
    cells = int(2 ** rng.integers(1, 5))
    rows = np.arange(SIZE) * cells // SIZE
    return _mix(((rows[:, None] + rows[None]) % 2).astype(np.float32), color(rng), color(rng))


def _stripes(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(2, 9))
    edges = np.sort(rng.integers(0, SIZE, count))
    bands = np.searchsorted(edges, np.arange(SIZE)) % count
    image = np.stack([color(rng) for _ in range(count)])[bands][None].repeat(SIZE, axis=0)
    return image if rng.random() < 0.5 else image.transpose(1, 0, 2)


def _spots(rng: np.random.Generator) -> np.ndarray:
    image = np.empty((SIZE, SIZE, 3), np.float32)
    image[:] = color(rng)
    for _ in range(int(rng.integers(10, 70))):
        center = tuple(int(value) for value in rng.integers(0, SIZE, 2))
        cv2.circle(image, center, int(rng.integers(3, 26)), color(rng).tolist(), -1, cv2.LINE_AA)
    return image


def _scribbles(rng: np.random.Generator) -> np.ndarray:
    image = _cloudy(rng)
    for _ in range(int(rng.integers(5, 25))):
        first, second = rng.integers(0, SIZE, (2, 2)).tolist()
        if rng.random() < 0.5:
            cv2.line(
                image, first, second, color(rng).tolist(), int(rng.integers(1, 8)), cv2.LINE_AA
            )
        else:
            cv2.rectangle(image, first, second, color(rng).tolist(), -1)
    return np.ascontiguousarray(image)


def _plaid(rng: np.random.Generator) -> np.ndarray:
    return (_stripes(rng) + _stripes(rng).transpose(1, 0, 2)) / 2


def _tiles(rng: np.random.Generator) -> np.ndarray:
    cells = int(2 ** rng.integers(1, 4))
    step = SIZE // cells
    grid = rng.uniform(0.85, 1.0, (cells, cells)).astype(np.float32).repeat(step, 0).repeat(step, 1)
    image = grid[..., None] * _mix(clouds(rng, octaves=3), color(rng), color(rng))
    line = np.arange(SIZE) % step < max(1, step // 20)
    image[line] = image[:, line] = color(rng, (0.0, 0.2))
    return image


def _waves(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) * (2 * np.pi / SIZE)
    phase = x * int(rng.integers(1, 7)) + y * int(rng.integers(1, 7)) + 4 * clouds(rng)
    return _mix(0.5 + 0.5 * np.sin(phase), color(rng), color(rng))


def _wood(rng: np.random.Generator) -> np.ndarray:
    """Planks along u with grain."""
    planks = int(2 ** rng.integers(1, 4))
    step = SIZE // planks
    grain = cv2.resize(
        clouds(rng, first=16, octaves=3), (SIZE * 8, SIZE), interpolation=cv2.INTER_LINEAR
    )[:, :SIZE]
    tone = rng.uniform(0.75, 1.0, planks).astype(np.float32).repeat(step)
    base = np.array(
        [rng.uniform(120, 215), rng.uniform(0.62, 0.8), rng.uniform(0.6, 0.75)], np.float32
    )
    base = np.array([base[0], base[0] * base[1], base[0] * base[1] * base[2]], np.float32)
    image = _mix(grain, base, base * 0.7) * tone[:, None, None]
    image[np.arange(SIZE) % step < 2] *= 0.55
    return image


def _bricks(rng: np.random.Generator) -> np.ndarray:
    rows = 8
    step = SIZE // rows
    image = np.empty((SIZE, SIZE, 3), np.float32)
    base, mortar = color(rng, (0.05, 0.35), (0.5, 0.9)), color(rng, (0.0, 0.1), (0.6, 0.9))
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    shifted = (x + (y // step % 2) * step) % SIZE
    tone = rng.uniform(0.8, 1.1, (rows, rows // 2)).astype(np.float32)[
        y // step, shifted // (2 * step)
    ]
    image[:] = base * tone[..., None] * (0.85 + 0.3 * clouds(rng, first=16, octaves=2))[..., None]
    image[(y % step < 3) | (shifted % (2 * step) < 3)] = mortar
    return image


def _speckles(rng: np.random.Generator) -> np.ndarray:
    base = color(rng, (0.0, 0.3), (0.45, 0.95))
    noise = cv2.GaussianBlur(
        rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), rng.uniform(0.7, 1.5)
    )
    return base * (1 + 0.25 * noise)[..., None]


Family = tuple[Callable[[np.random.Generator], np.ndarray], ...]
FAMILIES: dict[str, Family] = {
    "train": (_cloudy, _plaster, _checks, _stripes, _spots, _scribbles, _plaid),
    "val": (_tiles, _waves),
    "test": (_wood, _bricks, _speckles),
}
PLAUSIBLE: dict[tuple[str, str], Family] = {
    ("test", "floor"): (_wood, _speckles),
    ("test", "wall"): (_bricks, _speckles),
    ("test", "table"): (_wood,),
}
"""What parts of a room look like in the splits whose rooms are to look like rooms; everything goes
elsewhere.
"""


def random_texture(rng: np.random.Generator, split: str, part: str = "") -> np.ndarray:
    """(SIZE, SIZE, 3) uint8 texture of one of the split's families, one that suits the ``part`` of
    a room where there is a choice.
    """
    family = PLAUSIBLE.get((split, part), FAMILIES[split])
    texture = family[int(rng.integers(len(family)))](rng)
    return np.clip(texture, 0, 255).astype(np.uint8)
