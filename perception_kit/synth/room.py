# SPDX-License-Identifier: Apache-2.0
"""The room: floor, walls with pictures and cupboards, and a table.

The camera looks along +y; the table stands at the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from perception_kit.budgets import BudgetError
from perception_kit.datasets.mesh import MeshError, TexturedMesh, merge
from perception_kit.picture_files import read_pixels
from perception_kit.synth.render import Item
from perception_kit.synth.shapes import Vector3, box, quad
from perception_kit.synth.surface import Surface
from perception_kit.synth.textures import random_texture

SPLIT_FRACTION = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}
"""Which of the sorted photographs belong to a split, from and to a fraction of them."""
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
PHOTO_SIZE = (512, 512)
"""Pixels to which photographs are resized."""
_FRONT_WALL = -3.0
"""y of the wall behind the camera, metres."""
_TOP, _LEG = 0.03, 0.05
"""Thickness of the table's top and legs, metres."""


class TexturePool:
    """Textures of one split: procedural ones, and photographs of a folder when there is one."""

    def __init__(self, split: str, photos: Sequence[Path] = ()) -> None:
        self.split = split
        low, high = (round(fraction * len(photos)) for fraction in SPLIT_FRACTION[split])
        self.photos = list(photos)[low:high]

    def sample(self, rng: np.random.Generator, room_part: str = "") -> np.ndarray:
        """(h, w, 3) uint8 for a part of a room ("wall", "floor", "table") or anything else.

        Raises MeshError for a photograph that cannot be read.
        """
        if not self.photos or rng.random() < 0.5:
            return random_texture(rng, self.split, room_part)

        path = self.photos[int(rng.integers(len(self.photos)))]
        try:
            image, reason = read_pixels(path), "is not a whole image"
        except (BudgetError, OSError) as error:
            image, reason = None, str(error)
        if image is None:
            raise MeshError(f"{path}: {reason} (used as a background)")
        image = cv2.resize(image, PHOTO_SIZE, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(image[:, :, ::-1])


def find_photos(directory: Path) -> list[Path]:
    """Sorted image files below a folder. Raises FileNotFoundError when there are none."""
    photos = sorted(path for path in directory.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    if not photos:
        raise FileNotFoundError(
            f"{directory}: holds no {', '.join(PHOTO_SUFFIXES)} images to use as backgrounds"
        )
    return photos


@dataclass
class Room:
    """``shell`` is floor and walls, ``furniture`` what also casts shadows.

    The table top is a rectangle of ``table_size`` (x, y) metres turned by ``table_yaw``, at height
    ``table_height``; ``floor_bounds`` = (x_min, x_max, y_min, y_max) is free floor behind the
    table.
    """

    shell: Item
    furniture: list[Item]
    table_size: tuple[float, float]
    table_height: float
    table_yaw: float
    floor_bounds: tuple[float, float, float, float]


@dataclass(frozen=True)
class RoomShape:
    """Ranges (low, high) in metres and radians from which a room is drawn."""

    table_width: tuple[float, float] = (0.9, 1.6)
    table_depth: tuple[float, float] = (0.6, 1.0)
    table_height: tuple[float, float] = (0.35, 0.8)
    table_yaw: tuple[float, float] = (-0.5, 0.5)
    back: tuple[float, float] = (2.5, 5.2)
    half_width: tuple[float, float] = (2.0, 4.0)


BAG_ROOM = RoomShape(
    table_width=(1.1, 1.4),
    table_depth=(0.6, 0.7),
    table_height=(0.38, 0.44),
    table_yaw=(-0.06, 0.06),
    back=(4.4, 4.9),
    half_width=(2.9, 3.4),
)
"""A low table, so that people behind it are seen whole, and a deep room to walk in."""


def sample_room(rng: np.random.Generator, textures: TexturePool, shape: RoomShape) -> Room:
    """A random room."""
    back, half = rng.uniform(*shape.back), rng.uniform(*shape.half_width)
    height = rng.uniform(2.4, 3.0)
    table_size = (float(rng.uniform(*shape.table_width)), float(rng.uniform(*shape.table_depth)))
    table_height = float(rng.uniform(*shape.table_height))
    table_yaw = float(rng.uniform(*shape.table_yaw))

    # Floor and walls.
    wall, floor = textures.sample(rng, "wall"), textures.sample(rng, "floor")
    tile, length = rng.uniform(1.0, 4.0), back - _FRONT_WALL
    tiles = (0, 0, 2 * half / tile, length / tile)
    shell = [
        quad([-half, _FRONT_WALL, 0], [2 * half, 0, 0], [0, length, 0], floor, tiles),
        *_walls(rng, textures, wall, half, back, height),
        *_pictures(rng, textures, half, back),
    ]

    # The table, and cupboards along the back wall.
    gloss = float(rng.uniform(0.0, 0.15))
    table = _table(rng, textures, table_size, table_height, table_yaw)
    furniture = [table, *([cupboard] for cupboard in _cupboards(rng, textures, half, back))]

    return Room(
        shell=Item(Surface(shell), np.eye(4), backdrop=True),
        furniture=[Item(Surface(meshes), np.eye(4), gloss=gloss) for meshes in furniture],
        table_size=table_size,
        table_height=table_height,
        table_yaw=table_yaw,
        floor_bounds=(-half + 0.6, half - 0.6, 1.2, back - 0.65),
    )


def _walls(
    rng: np.random.Generator,
    textures: TexturePool,
    wall: np.ndarray,
    half: float,
    back: float,
    height: float,
) -> list[TexturedMesh]:
    """Four walls of squares as high as the room, the ceiling, and a skirting board at the back."""
    side = wall if rng.random() < 0.6 else textures.sample(rng, "wall")
    skirting = np.full((8, 8, 3), rng.integers(30, 240), np.uint8)
    ceiling = np.full((8, 8, 3), 225, np.uint8)

    front, length = _FRONT_WALL, back - _FRONT_WALL
    wide, deep = (0, 0, 2 * half / height, 1), (0, 0, length / height, 1)
    up = [0, 0, height]
    return [
        quad([-half, back, 0], [2 * half, 0, 0], up, wall, wide),
        quad([-half, front, 0], [0, length, 0], up, side, deep),
        quad([half, back, 0], [0, -length, 0], up, side, deep),
        quad([half, front, 0], [-2 * half, 0, 0], up, wall, wide),
        quad([-half, front, height], [0, length, 0], [2 * half, 0, 0], ceiling),
        quad([-half, back - 0.01, 0], [2 * half, 0, 0], [0, 0, 0.09], skirting),
    ]


def _pictures(
    rng: np.random.Generator, textures: TexturePool, half: float, back: float
) -> list[TexturedMesh]:
    """Framed pictures side by side on the back wall."""
    quads = []
    for center in np.linspace(-half, half, int(rng.integers(3, 6)))[1:-1]:
        width, height = rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.9)
        x, z = center - width / 2, rng.uniform(1.0, 1.5)

        # The frame is 4 cm wide, just before the wall and behind the picture.
        frame = np.full((8, 8, 3), rng.integers(20, 240, 3), np.uint8)
        corner = [x - 0.04, back - 0.02, z - 0.04]
        quads.append(quad(corner, [width + 0.08, 0, 0], [0, 0, height + 0.08], frame))

        picture = textures.sample(rng)
        quads.append(quad([x, back - 0.025, z], [width, 0, 0], [0, 0, height], picture))
    return quads


def _placed_box(size: Vector3, center: Vector3, yaw: float, texture: np.ndarray) -> TexturedMesh:
    cosine, sine = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cosine, -sine, 0, 0], [sine, cosine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    move = np.eye(4)
    move[:3, 3] = center
    return box(size, texture).transformed(move @ turn)


def _table(
    rng: np.random.Generator,
    textures: TexturePool,
    size: tuple[float, float],
    height: float,
    yaw: float,
) -> list[TexturedMesh]:
    """Top and four legs."""
    leg_texture = np.full((8, 8, 3), rng.integers(20, 220, 3), np.uint8)
    leg_size = (_LEG, _LEG, height - _TOP)
    cosine, sine = np.cos(yaw), np.sin(yaw)
    legs = []
    for side_x in (-1, 1):
        for side_y in (-1, 1):
            x, y = side_x * (size[0] / 2 - 0.05), side_y * (size[1] / 2 - 0.05)
            center = (cosine * x - sine * y, sine * x + cosine * y, (height - _TOP) / 2)
            legs.append(_placed_box(leg_size, center, yaw, leg_texture))

    top_size, top_center = (*size, _TOP), (0, 0, height - _TOP / 2)
    return [_placed_box(top_size, top_center, yaw, textures.sample(rng, "table")), merge(legs)]


def _cupboards(
    rng: np.random.Generator, textures: TexturePool, half: float, back: float
) -> list[TexturedMesh]:
    """Boxes along the back wall, left and right."""
    boxes = []
    for side in (-1, 1):
        if rng.random() < 0.7:
            width, height = float(rng.uniform(0.5, 1.1)), float(rng.uniform(0.5, 1.9))
            x = side * (half - width / 2 - rng.uniform(0.05, 0.6))
            center = (x, back - 0.25, height / 2)
            boxes.append(_placed_box((width, 0.4, height), center, 0.0, textures.sample(rng)))
    return boxes
