# SPDX-License-Identifier: Apache-2.0
"""Skin, hair and clothing textures of the person, drawn into one atlas image.

Each split dresses from its own colours and patterns.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from perception_kit.synth.splits import SPLITS

ATLAS_SIZE = 256
REGIONS = {
    "torso": (0.0, 0.5, 0.5, 1.0),
    "skirt": (0.0, 0.0, 0.5, 0.5),
    "arm": (0.5, 0.75, 0.75, 1.0),
    "leg": (0.5, 0.25, 0.75, 0.75),
    "head": (0.75, 0.75, 1.0, 1.0),
    "neck": (0.875, 0.5, 1.0, 0.75),
    "hand": (0.75, 0.5, 0.875, 0.75),
    "foot": (0.75, 0.25, 1.0, 0.5),
    "hair": (0.5, 0.0, 0.75, 0.25),
}
"""Regions of the atlas as (u0, v0, u1, v1), v upwards."""

_SKIN_TONES = np.array(
    [
        (255, 219, 190),
        (241, 194, 160),
        (224, 172, 130),
        (198, 134, 95),
        (141, 85, 55),
        (92, 58, 40),
        (64, 42, 32),
    ],
    float,
)
_HAIR_COLORS = np.array(
    [
        (20, 16, 14),
        (48, 32, 22),
        (92, 60, 34),
        (150, 108, 60),
        (205, 170, 110),
        (150, 70, 40),
        (150, 150, 150),
        (225, 225, 220),
    ],
    float,
)
_HUES = 15
"""Slices of the colour circle."""
_HUES_OF_FIVE = {"train": (0, 1, 2), "val": (3,), "test": (4,)}
"""Which of every five slices belong to a split."""
PATTERNS = {
    "train": ("plain", "plain", "stripes", "hoops", "check", "dots", "print", "halves", "noise"),
    "val": ("plain", "plain", "hoops", "plaid", "print", "diagonal"),
    "test": ("plain", "plain", "stripes", "plaid", "band", "diagonal"),
}


def cloth_color(rng: np.random.Generator, split: str) -> np.ndarray:
    """(3,) float sRGB cloth colour.

    Hues belong to one split each; greys, whites and blacks are common and allowed to all.
    """
    if rng.random() < 0.35:
        return np.full(3, rng.uniform(12, 240)) + rng.uniform(-8, 8, 3)
    slices = [number for number in range(_HUES) if number % 5 in _HUES_OF_FIVE[split]]
    hue = (rng.choice(slices) + rng.random()) / _HUES
    return 255 * np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.25, 0.95), rng.uniform(0.2, 0.95)))


def draw_pattern(
    rng: np.random.Generator, split: str, kind: str, size: tuple[int, int]
) -> np.ndarray:
    """(rows, columns, 3) float cloth of the named pattern kind in two of the split's colours.

    Raises ValueError for an unknown kind.
    """
    rows, columns = size
    first, second = cloth_color(rng, split), cloth_color(rng, split)
    y, x = np.mgrid[0:rows, 0:columns] / max(rows, columns)
    frequency = rng.uniform(4, 12)
    duty = rng.uniform(0.3, 0.6)

    # Fractions (rows, columns) of the second colour.
    waves = {
        "plain": lambda: np.zeros(size),
        "stripes": lambda: (x * frequency % 1) < duty,
        "hoops": lambda: (y * frequency % 1) < duty,
        "diagonal": lambda: ((x + y) * frequency % 1) < duty,
        "check": lambda: ((x * frequency % 1) < 0.5) ^ ((y * frequency % 1) < 0.5),
        "plaid": lambda: 0.5 * ((x * frequency % 1) < duty) + 0.5 * ((y * frequency % 1) < duty),
        "dots": lambda: np.hypot(x * frequency % 1 - 0.5, y * frequency % 1 - 0.5) < 0.5 * duty,
        "halves": lambda: y < rng.uniform(0.3, 0.6),
        "band": lambda: np.abs(y - rng.uniform(0.3, 0.6)) < 0.12,
        "print": lambda: _rectangle(rng, x, y),
        "noise": lambda: _enlarged(rng.random((12, 12)), size),
    }
    if kind not in waves:
        raise ValueError(f"unknown cloth pattern {kind!r}: choose one of {', '.join(waves)}")
    fraction = np.asarray(waves[kind](), float)[..., None]
    return first * (1 - fraction) + second * fraction


def _rectangle(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Inside of a random rectangle on the chest."""
    half_width, half_height = rng.uniform(0.08, 0.14), rng.uniform(0.1, 0.2)
    return np.maximum(np.abs(x - 0.5) / half_width, np.abs(y - 0.4) / half_height) < 1


def _enlarged(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A small grid interpolated smoothly to (rows, columns)."""
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def _weave(rng: np.random.Generator, cloth: np.ndarray) -> np.ndarray:
    """Folds and grain, so that cloth is never one flat colour."""
    rows, columns = cloth.shape[:2]
    folds = _enlarged(rng.normal(0, 1, (6, 8)), (rows, columns))
    return cloth * (1 + 0.08 * folds[..., None]) + rng.normal(0, 3, (rows, columns, 1))


def _region(atlas: np.ndarray, name: str) -> np.ndarray:
    """View of the atlas pixels of a region; row 0 is the region's top."""
    u0, v0, u1, v1 = (round(value * ATLAS_SIZE) for value in REGIONS[name])
    return atlas[ATLAS_SIZE - v1 : ATLAS_SIZE - v0, u0:u1]


def _draw_face(
    rng: np.random.Generator, head: np.ndarray, skin: np.ndarray, hair: np.ndarray, bald: bool
) -> None:
    """Skin, eyes, brows, mouth and hair on the head's (rows, columns, 3) texture.

    The face is in the middle, the back of the head at the edges.
    """
    rows, columns = head.shape[:2]
    head[:] = skin
    scale = np.array([columns, rows], float)

    def spot(center: tuple[float, float], radii: tuple[float, float], color: np.ndarray) -> None:
        x, y = (np.array(center) * scale).round().astype(int).tolist()
        width, height = np.maximum((np.array(radii) * scale).round(), 1).astype(int).tolist()
        canvas = np.ascontiguousarray(head)
        cv2.ellipse(canvas, (x, y), (width, height), 0, 0, 360, color.tolist(), -1)
        head[:] = canvas

    # Eyes with brows, nose, mouth.
    for side in (-1, 1):
        spot((0.5 + side * 0.085, 0.45), (0.035, 0.025), np.array([235.0, 235, 230]))
        spot((0.5 + side * 0.085, 0.45), (0.016, 0.022), np.array([40.0, 30, 25]))
        spot((0.5 + side * 0.085, 0.38), (0.05, 0.012), 0.6 * hair + 0.2 * skin)
    spot((0.5, 0.55), (0.022, 0.06), skin * 0.88)
    spot((0.5, 0.70), (0.06, 0.016), skin * [0.85, 0.55, 0.55])

    # Hair above a line that falls from the forehead over the temples to the neck, or a beard.
    if not bald:
        around = np.abs(np.linspace(-1, 1, columns))
        neckline = rng.uniform(0.6, 0.85)
        hairline = np.where(around < 0.3, 0.24, np.where(around < 0.45, 0.45, neckline))
        head[(np.arange(rows)[:, None] / rows) < hairline] = hair
    elif rng.random() < 0.4:
        spot((0.5, 0.85), (0.14, 0.12), hair)


def draw_atlas(rng: np.random.Generator, split: str, dress: bool) -> np.ndarray:
    """(ATLAS_SIZE, ATLAS_SIZE, 3) uint8 sRGB texture of one person.

    ``dress`` draws torso and skirt from one cloth. Raises ValueError for an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    atlas = np.zeros((ATLAS_SIZE, ATLAS_SIZE, 3))
    skin = _draw_skin_and_hair(rng, atlas)

    def pattern() -> str:
        return str(rng.choice(PATTERNS[split]))

    # The shirt, with the trousers below its hem; a dress has none.
    torso, leg = _region(atlas, "torso"), _region(atlas, "leg")
    shirt = draw_pattern(rng, split, pattern(), torso.shape[:2])
    kind = "plain" if rng.random() < 0.8 else pattern()
    trousers = draw_pattern(rng, split, kind, leg.shape[:2])
    torso[:] = _weave(rng, shirt)
    if not dress:
        hem = int(rng.uniform(0.66, 0.86) * len(torso))
        torso[hem:] = _weave(rng, trousers)[: len(torso) - hem].repeat(2, axis=1)

    skirt = shirt if dress else draw_pattern(rng, split, pattern(), shirt.shape[:2])
    _region(atlas, "skirt")[:] = _weave(rng, skirt)

    # Sleeves, of the shirt mostly, long or short.
    arm = _region(atlas, "arm")
    if rng.random() < 0.85:
        arm[:] = _weave(rng, shirt)[: arm.shape[0], : arm.shape[1]]
    else:
        arm[:] = _weave(rng, draw_pattern(rng, split, "plain", arm.shape[:2]))
    if rng.random() < 0.45:
        arm[int(rng.uniform(0.25, 0.55) * len(arm)) :] = skin

    # Trousers, long or short; bare legs below a dress mostly.
    leg[:] = _weave(rng, trousers)
    if rng.random() < (0.6 if dress else 0.15):
        leg[int(rng.uniform(0.3, 0.55) * len(leg)) :] = skin

    # Shoes with soles.
    shoe = _region(atlas, "foot")
    shoe[:] = draw_pattern(rng, split, "plain", shoe.shape[:2])
    shoe[int(0.85 * len(shoe)) :] = rng.choice([30.0, 230.0])
    return np.clip(atlas, 0, 255).astype(np.uint8)


def _draw_skin_and_hair(rng: np.random.Generator, atlas: np.ndarray) -> np.ndarray:
    """Draw neck, hands, hair and face; returns the colour (3,) of the skin."""
    tone = rng.uniform(0, len(_SKIN_TONES) - 1)
    lighter, darker = _SKIN_TONES[int(tone)], _SKIN_TONES[int(np.ceil(tone))]
    skin = lighter * (1 - tone % 1) + darker * (tone % 1)
    hair = _HAIR_COLORS[rng.integers(len(_HAIR_COLORS))] * rng.uniform(0.8, 1.1)

    for name in ("neck", "hand"):
        _region(atlas, name)[:] = skin
    strands = 0.15 * rng.normal(0, 1, (1, ATLAS_SIZE // 4, 1))
    _region(atlas, "hair")[:] = hair * (1 + strands)
    _draw_face(rng, _region(atlas, "head"), skin, hair, bald=rng.random() < 0.12)
    return skin
