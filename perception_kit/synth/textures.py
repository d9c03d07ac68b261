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
"""Width and height, pixels."""


def random_color(
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
    """(size, size) float32 tileable value noise in [0, 1]: octaves of smoothed random grids."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        # Wrapped by two cells, so that the interpolation is periodic.
        cells = first * 2**octave
        grid = np.pad(rng.random((cells, cells), dtype=np.float32), 2, mode="wrap")
        step = size // cells
        smooth = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += smooth[2 * step : 2 * step + size, 2 * step : 2 * step + size] / 2**octave
    return (total - total.min()) / max(float(np.ptp(total)), 1e-6)


def _mix(weight: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first + weight[..., None] * (second - first)


def _mix_colors(rng: np.random.Generator, weight: np.ndarray) -> np.ndarray:
    """(H, W, 3) mixture of two random colours."""
    return _mix(weight, random_color(rng), random_color(rng))


def _cloudy(rng: np.random.Generator) -> np.ndarray:
    return _mix_colors(rng, clouds(rng, first=int(2 ** rng.integers(1, 5))))


def _plaster(rng: np.random.Generator) -> np.ndarray:
    base = random_color(rng, (0.0, 0.35), (0.6, 1.0))
    return _mix(clouds(rng, first=16, octaves=3), base, base * rng.uniform(0.8, 0.95))


def _checks(rng: np.random.Generator) -> np.ndarray:
    cells = int(2 ** rng.integers(1, 5))
    rows = np.arange(SIZE) * cells // SIZE
    return _mix_colors(rng, ((rows[:, None] + rows[None]) % 2).astype(np.float32))


def _stripes(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(2, 9))
    edges = np.sort(rng.integers(0, SIZE, count))
    bands = np.searchsorted(edges, np.arange(SIZE)) % count
    colors = np.stack([random_color(rng) for _ in range(count)])
    image = colors[bands][None].repeat(SIZE, axis=0)
    return image if rng.random() < 0.5 else image.transpose(1, 0, 2)


def _spots(rng: np.random.Generator) -> np.ndarray:
    image = np.empty((SIZE, SIZE, 3), np.float32)
    image[:] = random_color(rng)
    for _ in range(int(rng.integers(10, 70))):
        x, y = rng.integers(0, SIZE, 2).tolist()
        radius, color = int(rng.integers(3, 26)), random_color(rng).tolist()
        cv2.circle(image, (x, y), radius, color, -1, cv2.LINE_AA)
    return image


def _scribbles(rng: np.random.Generator) -> np.ndarray:
    image = _cloudy(rng)
    for _ in range(int(rng.integers(5, 25))):
        first, second = rng.integers(0, SIZE, (2, 2)).tolist()
        if rng.random() < 0.5:
            color, width = random_color(rng).tolist(), int(rng.integers(1, 8))
            cv2.line(image, first, second, color, width, cv2.LINE_AA)
        else:
            cv2.rectangle(image, first, second, random_color(rng).tolist(), -1)
    return np.ascontiguousarray(image)


def _plaid(rng: np.random.Generator) -> np.ndarray:
    return (_stripes(rng) + _stripes(rng).transpose(1, 0, 2)) / 2


def _tiles(rng: np.random.Generator) -> np.ndarray:
    cells = int(2 ** rng.integers(1, 4))
    step = SIZE // cells
    tone = rng.uniform(0.85, 1.0, (cells, cells)).astype(np.float32).repeat(step, 0).repeat(step, 1)
    image = tone[..., None] * _mix_colors(rng, clouds(rng, octaves=3))

    line = np.arange(SIZE) % step < max(1, step // 20)
    image[line] = image[:, line] = random_color(rng, (0.0, 0.2))
    return image


def _waves(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) * (2 * np.pi / SIZE)
    phase = x * int(rng.integers(1, 7)) + y * int(rng.integers(1, 7)) + 4 * clouds(rng)
    return _mix_colors(rng, 0.5 + 0.5 * np.sin(phase))


def _wood(rng: np.random.Generator) -> np.ndarray:
    """Planks along u with grain."""
    planks = int(2 ** rng.integers(1, 4))
    step = SIZE // planks

    # The grain is noise drawn out along the planks, of which a short piece is seen.
    noise = clouds(rng, first=16, octaves=3)
    grain = cv2.resize(noise, (SIZE * 8, SIZE), interpolation=cv2.INTER_LINEAR)[:, :SIZE]
    tone = rng.uniform(0.75, 1.0, planks).astype(np.float32).repeat(step)

    # Brown: less green than red, less blue than green.
    red, green, blue = np.array(
        [rng.uniform(120, 215), rng.uniform(0.62, 0.8), rng.uniform(0.6, 0.75)], np.float32
    )
    base = np.array([red, red * green, red * green * blue], np.float32)
    image = _mix(grain, base, base * 0.7) * tone[:, None, None]
    image[np.arange(SIZE) % step < 2] *= 0.55
    return image


def _bricks(rng: np.random.Generator) -> np.ndarray:
    rows = 8
    step = SIZE // rows
    base = random_color(rng, (0.05, 0.35), (0.5, 0.9))
    mortar = random_color(rng, (0.0, 0.1), (0.6, 0.9))

    # Every second row is shifted by half a brick; bricks are two steps long and one high.
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    shifted = (x + (y // step % 2) * step) % SIZE
    tones = rng.uniform(0.8, 1.1, (rows, rows // 2)).astype(np.float32)
    tone = tones[y // step, shifted // (2 * step)]

    image = np.empty((SIZE, SIZE, 3), np.float32)
    image[:] = base * tone[..., None] * (0.85 + 0.3 * clouds(rng, first=16, octaves=2))[..., None]
    image[(y % step < 3) | (shifted % (2 * step) < 3)] = mortar
    return image


def _speckles(rng: np.random.Generator) -> np.ndarray:
    base = random_color(rng, (0.0, 0.3), (0.45, 0.95))
    noise = rng.standard_normal((SIZE, SIZE)).astype(np.float32)
    speckles = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.7, 1.5))
    return base * (1 + 0.25 * speckles)[..., None]


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
"""What parts of a room look like in the splits whose rooms are to look like rooms.

Elsewhere anything goes.
"""


def random_texture(rng: np.random.Generator, split: str, room_part: str = "") -> np.ndarray:
    """(SIZE, SIZE, 3) uint8 texture of one of the split's families.

    Where there is a choice, of one that suits a part of a room ("wall", "floor", "table").
    """
    family = PLAUSIBLE.get((split, room_part), FAMILIES[split])
    texture = family[int(rng.integers(len(family)))](rng)
    return np.clip(texture, 0, 255).astype(np.uint8)
