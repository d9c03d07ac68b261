# SPDX-License-Identifier: Apache-2.0
"""The built-in household objects.

Shapes and prints are fixed: one class is one product, as on a shelf.

Model frames: z up, origin in the middle of the bounding box, metres. Soup can and bowl look the
same from all around; every other class has prints or parts that tell all its sides apart.
"""

from __future__ import annotations

import numpy as np

from perception_kit.datasets.mesh import TexturedMesh, merge
from perception_kit.synth import shapes
from perception_kit.synth.atlas import (
    BLACK,
    BLUE,
    CREAM,
    GRAY,
    GREEN,
    ORANGE,
    RED,
    TEAL,
    WHITE,
    YELLOW,
    Atlas,
)
from perception_kit.synth.catalog import ObjectClass, Symmetry


def _centered(meshes: list[TexturedMesh]) -> TexturedMesh:
    mesh = merge(meshes)
    middle = (mesh.vertices.max(axis=0) + mesh.vertices.min(axis=0)) / 2
    return TexturedMesh(mesh.vertices - middle, mesh.faces, mesh.uv, mesh.texture)


def _shifted(mesh: TexturedMesh, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> TexturedMesh:
    return TexturedMesh(
        mesh.vertices + np.array([x, y, z], np.float32), mesh.faces, mesh.uv, mesh.texture
    )


def cracker_box() -> TexturedMesh:
    """Red carton, 6 x 16 x 21 cm, another print on each side."""
    atlas = Atlas(RED)
    regions = {
        "front": atlas.label((0.0, 0.4, 0.42, 1.0), RED, YELLOW, "CRISPY", 3, 1),
        "back": atlas.label((0.42, 0.4, 0.84, 1.0), CREAM, RED, "Recipe", 7, 2),
        "left": atlas.label((0.84, 0.4, 1.0, 1.0), ORANGE, BLACK, "Energy", 9, 3),
        "right": atlas.label((0.0, 0.0, 0.16, 0.4), RED, WHITE, "net 450", 2, 4),
        "top": atlas.label((0.2, 0.2, 0.6, 0.36), YELLOW, BLUE, "OPEN", 1, 5),
        "bottom": atlas.label((0.2, 0.0, 0.6, 0.16), GRAY, BLACK, "0123", 4, 6),
    }
    return _centered([shapes.box((0.06, 0.16, 0.21), atlas.image, regions)])


def mug() -> TexturedMesh:
    """Blue mug with a handle towards +x, a white badge towards +y and a yellow one towards -y."""
    atlas = Atlas(BLUE)
    outside: shapes.Region = (0.0, 0.5, 1.0, 1.0)
    view = atlas.paint(outside, BLUE)
    view[: view.shape[0] // 8] = TEAL
    view[-view.shape[0] // 10 :] = WHITE
    atlas.label((0.15, 0.6, 0.36, 0.92), WHITE, RED, "COFFEE", 2, 11)
    atlas.label((0.64, 0.6, 0.85, 0.92), YELLOW, BLACK, "mine", 0, 12)
    atlas.label((0.42, 0.6, 0.58, 0.92), TEAL, WHITE, "no.7", 1, 13)
    inside: shapes.Region = (0.0, 0.0, 0.4, 0.4)
    atlas.paint(inside, WHITE)
    handle: shapes.Region = (0.5, 0.1, 0.9, 0.4)
    atlas.paint(handle, RED)
    radius, height, wall = 0.042, 0.095, 0.004
    angle = np.linspace(-np.pi / 2, np.pi / 2, 14)
    path = np.stack(
        [radius - 0.004 + 0.036 * np.cos(angle), np.zeros(14), 0.05 + 0.03 * np.sin(angle)], axis=1
    )
    return _centered(
        [
            shapes.lathe(np.array([[0.0, 0.0], [radius * 0.9, 0.0]]), atlas.image, inside),
            shapes.lathe(
                np.array([[radius * 0.9, 0.0], [radius, 0.006], [radius, height]]),
                atlas.image,
                outside,
            ),
            shapes.lathe(
                np.array([[radius, height], [radius - wall, height]]), atlas.image, inside
            ),
            shapes.lathe(
                np.array([[radius - wall, height], [radius - wall, wall]]), atlas.image, inside
            ),
            shapes.lathe(np.array([[radius - wall, wall], [0.0, wall]]), atlas.image, inside),
            shapes.tube(path, 0.0065, atlas.image, handle),
        ]
    )


def cleanser_bottle() -> TexturedMesh:
    """White bottle of oval section with a blue cap; front (+x) and back prints differ, the +y edge
    is green, the -y edge orange.
    """
    atlas = Atlas(WHITE)
    body: shapes.Region = (0.0, 0.3, 1.0, 1.0)
    atlas.paint(body, WHITE)
    atlas.label((0.36, 0.34, 0.64, 0.86), TEAL, WHITE, "back", 8, 21)
    for region, title, seed in (
        ((0.0, 0.34, 0.14, 0.86), "AN", 22),
        ((0.86, 0.34, 1.0, 0.86), "CLE", 23),
    ):
        atlas.label(region, YELLOW, RED, title, 2, seed)
    atlas.paint((0.2, 0.3, 0.3, 1.0), GREEN)
    atlas.paint((0.7, 0.3, 0.8, 1.0), ORANGE)
    cap: shapes.Region = (0.0, 0.0, 0.5, 0.12)
    atlas.paint(cap, BLUE)
    oval = {"stretch": (0.62, 1.0), "power": 2.6}
    sides = np.array(
        [[0.046, 0.0], [0.05, 0.008], [0.05, 0.13], [0.046, 0.16], [0.03, 0.185], [0.017, 0.196]]
    )
    return _centered(
        [
            shapes.lathe(
                np.array([[0.0, 0.0], [0.046, 0.0]]), atlas.image, (0.6, 0.0, 0.9, 0.2), **oval
            ),
            shapes.lathe(sides, atlas.image, body, **oval),
            shapes.lathe(
                np.array([[0.017, 0.19], [0.018, 0.195], [0.018, 0.225], [0.014, 0.232]]),
                atlas.image,
                cap,
            ),
            shapes.lathe(np.array([[0.014, 0.232], [0.0, 0.232]]), atlas.image, cap),
        ]
    )


def soup_can() -> TexturedMesh:
    """Can of 6.8 x 10.2 cm with rings only: the same from all around, but top and bottom differ."""
    atlas = Atlas(GRAY)
    view = atlas.paint((0.0, 0.4, 1.0, 1.0), WHITE)
    height = view.shape[0]
    for low, high, shade in (
        (0.0, 0.45, RED),
        (0.45, 0.5, YELLOW),
        (0.62, 0.68, RED),
        (0.8, 0.86, BLACK),
        (0.92, 1.0, GREEN),
    ):
        view[int(low * height) : int(high * height)] = shade
    rings = atlas.paint((0.0, 0.0, 1.0, 0.16), GRAY)
    rings[::12] = (200, 202, 205)
    base = atlas.paint((0.0, 0.2, 1.0, 0.36), BLACK)
    base[::20] = GRAY
    radius, length = 0.034, 0.102
    return _centered(
        [
            shapes.lathe(
                np.array(
                    [[0.0, 0.002], [radius * 0.93, 0.002], [radius * 0.93, 0.0], [radius, 0.0]]
                ),
                atlas.image,
                (0.0, 0.2, 1.0, 0.36),
            ),
            shapes.lathe(
                np.array([[radius, 0.0], [radius, length]]), atlas.image, (0.0, 0.4, 1.0, 1.0)
            ),
            shapes.lathe(
                np.array(
                    [
                        [radius, length],
                        [radius * 0.94, length],
                        [radius * 0.93, length - 0.003],
                        [0.0, length - 0.003],
                    ]
                ),
                atlas.image,
                (0.0, 0.0, 1.0, 0.16),
            ),
        ]
    )


def bowl() -> TexturedMesh:
    """Bowl of 15 cm, orange outside with a white ring, cream inside with green rings: the same from
    all around.
    """
    atlas = Atlas(ORANGE)
    outside = atlas.paint((0.0, 0.5, 1.0, 1.0), ORANGE)
    outside[: outside.shape[0] // 5] = WHITE
    outside[outside.shape[0] // 2 : outside.shape[0] * 6 // 10] = BLUE
    inside = atlas.paint((0.0, 0.0, 1.0, 0.45), CREAM)
    for fraction in (0.12, 0.5, 0.85):
        row = int(fraction * inside.shape[0])
        inside[row : row + 14] = GREEN
    angle = np.linspace(0.0, 1.0, 12)
    outer = np.stack(
        [0.032 + 0.045 * np.sin(angle * np.pi / 2), 0.006 + 0.056 * angle**1.6], axis=1
    )
    inner = outer[::-1] * [0.95, 1.0] + [0.0, 0.0]
    inner[:, 1] = np.maximum(inner[:, 1], 0.009)
    return _centered(
        [
            shapes.lathe(
                np.array([[0.0, 0.004], [0.03, 0.004], [0.03, 0.0], [0.034, 0.0], [0.032, 0.006]]),
                atlas.image,
                (0.0, 0.5, 1.0, 0.55),
            ),
            shapes.lathe(outer, atlas.image, (0.0, 0.5, 1.0, 1.0)),
            shapes.lathe(np.array([outer[-1], inner[0]]), atlas.image, (0.0, 0.42, 1.0, 0.45)),
            shapes.lathe(
                np.concatenate([inner, [[0.0, 0.009]]]), atlas.image, (0.0, 0.45, 1.0, 0.0)
            ),
        ]
    )


def power_drill() -> TexturedMesh:
    """Cordless drill: yellow motor along x, black grip, battery with another print on each side,
    steel chuck.
    """
    atlas = Atlas(BLACK)
    motor = {
        "left": atlas.label((0.0, 0.7, 0.5, 1.0), YELLOW, BLACK, "DRILL 18", 1, 31),
        "right": atlas.label((0.5, 0.7, 1.0, 1.0), YELLOW, RED, "POWER", 3, 32),
        "top": atlas.label((0.0, 0.5, 0.4, 0.68), ORANGE, BLACK, "2-1", 0, 33),
    }
    for side, region, base in (
        ("back", (0.42, 0.5, 0.55, 0.68), BLACK),
        ("front", (0.57, 0.5, 0.7, 0.68), GRAY),
        ("bottom", (0.72, 0.5, 0.9, 0.68), YELLOW),
    ):
        atlas.paint(region, base)
        motor[side] = region
    battery = {
        "left": atlas.label((0.0, 0.26, 0.3, 0.48), BLACK, WHITE, "4.0", 2, 34),
        "right": atlas.label((0.32, 0.26, 0.62, 0.48), GRAY, BLACK, "Li-Ion", 2, 35),
        "front": atlas.label((0.64, 0.26, 0.8, 0.48), RED, WHITE, "+", 0, 36),
        "back": atlas.label((0.82, 0.26, 1.0, 0.48), BLACK, YELLOW, "!!", 1, 37),
        "top": (0.0, 0.0, 0.1, 0.1),
        "bottom": atlas.label((0.12, 0.0, 0.4, 0.22), GREEN, WHITE, "CE", 3, 38),
    }
    grip = {
        "left": (0.45, 0.0, 0.5, 0.2),
        "right": (0.45, 0.0, 0.5, 0.2),
        "front": (0.52, 0.0, 0.58, 0.2),
        "back": (0.6, 0.0, 0.66, 0.2),
        "top": (0.0, 0.0, 0.1, 0.1),
        "bottom": (0.0, 0.0, 0.1, 0.1),
    }
    atlas.paint(grip["front"], RED)
    atlas.paint(grip["back"], YELLOW)
    steel: shapes.Region = (0.7, 0.0, 0.95, 0.2)
    atlas.paint(steel, GRAY)[::9] = (190, 192, 196)
    chuck = shapes.lathe(
        np.array(
            [
                [0.0, 0.0],
                [0.021, 0.0],
                [0.02, 0.022],
                [0.011, 0.042],
                [0.004, 0.044],
                [0.004, 0.07],
                [0.0, 0.072],
            ]
        ),
        atlas.image,
        steel,
        32,
    )
    along_x = np.array(
        [[0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    )
    return _centered(
        [
            _shifted(shapes.box((0.13, 0.056, 0.062), atlas.image, motor), z=0.16),
            _shifted(shapes.box((0.04, 0.036, 0.11), atlas.image, grip), x=-0.028, z=0.08),
            _shifted(shapes.box((0.085, 0.062, 0.04), atlas.image, battery), x=-0.015, z=0.02),
            _shifted(chuck.transformed(along_x), x=0.063, z=0.163),
        ]
    )


def builtin_classes() -> list[ObjectClass]:
    """The six rigid classes, class_id 1 to 6."""
    around_z = Symmetry(axis=(0.0, 0.0, 1.0))
    built = [
        ("cracker_box", cracker_box(), None),
        ("mug", mug(), None),
        ("cleanser_bottle", cleanser_bottle(), None),
        ("soup_can", soup_can(), around_z),
        ("bowl", bowl(), around_z),
        ("power_drill", power_drill(), None),
    ]
    return [
        ObjectClass(number, name, mesh, symmetry or Symmetry())
        for number, (name, mesh, symmetry) in enumerate(built, start=1)
    ]
