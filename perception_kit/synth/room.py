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

from perception_kit.datasets.mesh import MeshError, TexturedMesh, merge
from perception_kit.synth import shapes
from perception_kit.synth.render import Item
from perception_kit.synth.surface import Surface
from perception_kit.synth.textures import random_texture

SPLIT_FRACTION = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


class TexturePool:
    """Textures of one split: procedural ones, and photographs of a folder when there is one."""

    def __init__(self, split: str, photos: Sequence[Path] = ()) -> None:
        self.split = split
        low, high = (round(fraction * len(photos)) for fraction in SPLIT_FRACTION[split])
        self.photos = list(photos)[low:high]

    def sample(self, rng: np.random.Generator, part: str = "") -> np.ndarray:
        """(h, w, 3) uint8 for the ``part`` of a room.

        Raises MeshError for a photograph that cannot be read.
        """
        if not self.photos or rng.random() < 0.5:
            return random_texture(rng, self.split, part)
        path = self.photos[int(rng.integers(len(self.photos)))]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise MeshError(f"{path}: is not an image (used as a background)")
        return np.ascontiguousarray(
            cv2.resize(image, (512, 512), interpolation=cv2.INTER_AREA)[:, :, ::-1]
        )


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


BAG_ROOM = RoomShape((1.1, 1.4), (0.6, 0.7), (0.38, 0.44), (-0.06, 0.06), (4.4, 4.9), (2.9, 3.4))


def sample_room(rng: np.random.Generator, textures: TexturePool, shape: RoomShape) -> Room:
    """A random room."""
    back, half = rng.uniform(*shape.back), rng.uniform(*shape.half_width)
    height, front = rng.uniform(2.4, 3.0), -3.0
    table_size = (float(rng.uniform(*shape.table_width)), float(rng.uniform(*shape.table_depth)))
    table_height, table_yaw = (
        float(rng.uniform(*shape.table_height)),
        float(rng.uniform(*shape.table_yaw)),
    )
    wall, floor = textures.sample(rng, "wall"), textures.sample(rng, "floor")
    tiles = rng.uniform(1.0, 4.0)
    shell = [
        shapes.quad(
            [-half, front, 0],
            [2 * half, 0, 0],
            [0, back - front, 0],
            floor,
            (0, 0, 2 * half / tiles, (back - front) / tiles),
        ),
        *_walls(rng, textures, wall, half, front, back, height),
        *_pictures(rng, textures, half, back),
    ]
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
    front: float,
    back: float,
    height: float,
) -> list[TexturedMesh]:
    side = wall if rng.random() < 0.6 else textures.sample(rng, "wall")
    wide, deep = 2 * half / height, (back - front) / height
    skirting = np.full((8, 8, 3), rng.integers(30, 240), np.uint8)
    return [
        shapes.quad([-half, back, 0], [2 * half, 0, 0], [0, 0, height], wall, (0, 0, wide, 1)),
        shapes.quad([-half, front, 0], [0, back - front, 0], [0, 0, height], side, (0, 0, deep, 1)),
        shapes.quad([half, back, 0], [0, front - back, 0], [0, 0, height], side, (0, 0, deep, 1)),
        shapes.quad([half, front, 0], [-2 * half, 0, 0], [0, 0, height], wall, (0, 0, wide, 1)),
        shapes.quad(
            [-half, front, height],
            [0, back - front, 0],
            [2 * half, 0, 0],
            np.full((8, 8, 3), 225, np.uint8),
        ),
        shapes.quad([-half, back - 0.01, 0], [2 * half, 0, 0], [0, 0, 0.09], skirting),
    ]


def _pictures(
    rng: np.random.Generator, textures: TexturePool, half: float, back: float
) -> list[TexturedMesh]:
    """Framed pictures side by side on the back wall."""
    frames = []
    places = np.linspace(-half, half, int(rng.integers(3, 6)))[1:-1]
    for place in places:
        width, height = rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.9)
        x, z = place - width / 2, rng.uniform(1.0, 1.5)
        frame = np.full((8, 8, 3), rng.integers(20, 240, 3), np.uint8)
        frames.append(
            shapes.quad(
                [x - 0.04, back - 0.02, z - 0.04],
                [width + 0.08, 0, 0],
                [0, 0, height + 0.08],
                frame,
            )
        )
        frames.append(
            shapes.quad([x, back - 0.025, z], [width, 0, 0], [0, 0, height], textures.sample(rng))
        )
    return frames


def _placed_box(
    size: tuple[float, float, float],
    center: tuple[float, float, float],
    yaw: float,
    texture: np.ndarray,
) -> TexturedMesh:
    cosine, sine = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cosine, -sine, 0, 0], [sine, cosine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    move = np.eye(4)
    move[:3, 3] = center
    return shapes.box(size, texture).transformed(move @ turn)


def _table(
    rng: np.random.Generator,
    textures: TexturePool,
    size: tuple[float, float],
    height: float,
    yaw: float,
) -> list[TexturedMesh]:
    """Top of 3 cm and four legs."""
    legs = np.full((8, 8, 3), rng.integers(20, 220, 3), np.uint8)
    cosine, sine = np.cos(yaw), np.sin(yaw)
    boxes = []
    for side_x in (-1, 1):
        for side_y in (-1, 1):
            x, y = side_x * (size[0] / 2 - 0.05), side_y * (size[1] / 2 - 0.05)
            center = (cosine * x - sine * y, sine * x + cosine * y, (height - 0.03) / 2)
            boxes.append(_placed_box((0.05, 0.05, height - 0.03), center, yaw, legs))
    return [
        _placed_box((*size, 0.03), (0, 0, height - 0.015), yaw, textures.sample(rng, "table")),
        merge(boxes),
    ]


def _cupboards(
    rng: np.random.Generator, textures: TexturePool, half: float, back: float
) -> list[TexturedMesh]:
    """Boxes along the back wall."""
    parts = []
    for side in (-1, 1):
        if rng.random() < 0.7:
            size = (float(rng.uniform(0.5, 1.1)), 0.4, float(rng.uniform(0.5, 1.9)))
            place = (side * (half - size[0] / 2 - rng.uniform(0.05, 0.6)), back - 0.25, size[2] / 2)
            parts.append(_placed_box(size, place, 0.0, textures.sample(rng)))
    return parts
