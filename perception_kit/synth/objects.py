# SPDX-License-Identifier: Apache-2.0
"""The built-in household objects.

Shapes and prints are fixed: one class is one product, as on a shelf.

Model frames: z up, origin in the middle of the bounding box, metres. Soup can and bowl look the
same from all around; every other class has prints or parts that tell all its sides apart.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from perception_kit.datasets.mesh import TexturedMesh, merge
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
from perception_kit.synth.shapes import Region, box, lathe, tube


def _centered(meshes: list[TexturedMesh]) -> TexturedMesh:
    mesh = merge(meshes)
    middle = (mesh.vertices.max(axis=0) + mesh.vertices.min(axis=0)) / 2
    return TexturedMesh(mesh.vertices - middle, mesh.faces, mesh.uv, mesh.texture)


def _shifted(mesh: TexturedMesh, x: float = 0.0, z: float = 0.0) -> TexturedMesh:
    offset = np.array([x, 0.0, z], np.float32)
    return TexturedMesh(mesh.vertices + offset, mesh.faces, mesh.uv, mesh.texture)


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
    return _centered([box((0.06, 0.16, 0.21), atlas.image, regions)])


def mug() -> TexturedMesh:
    """Blue mug with a handle towards +x, a white badge towards +y and a yellow one towards -y."""
    atlas = Atlas(BLUE)
    outside: Region = (0.0, 0.5, 1.0, 1.0)
    view = atlas.paint(outside, BLUE)
    view[: view.shape[0] // 8] = TEAL
    view[-view.shape[0] // 10 :] = WHITE
    atlas.label((0.15, 0.6, 0.36, 0.92), WHITE, RED, "COFFEE", 2, 11)
    atlas.label((0.64, 0.6, 0.85, 0.92), YELLOW, BLACK, "mine", 0, 12)
    atlas.label((0.42, 0.6, 0.58, 0.92), TEAL, WHITE, "no.7", 1, 13)
    inside: Region = (0.0, 0.0, 0.4, 0.4)
    atlas.paint(inside, WHITE)
    handle: Region = (0.5, 0.1, 0.9, 0.4)
    atlas.paint(handle, RED)

    # From the middle of the bottom along the outside to the rim, and down again inside.
    radius, height, wall = 0.042, 0.095, 0.004
    outer = [[radius * 0.9, 0.0], [radius, 0.006], [radius, height]]
    inner = radius - wall
    image = atlas.image
    body = [
        lathe([[0.0, 0.0], [radius * 0.9, 0.0]], image, inside),
        lathe(outer, image, outside),
        lathe([[radius, height], [inner, height]], image, inside),
        lathe([[inner, height], [inner, wall]], image, inside),
        lathe([[inner, wall], [0.0, wall]], image, inside),
    ]

    angle = np.linspace(-np.pi / 2, np.pi / 2, 14)
    x, z = radius - 0.004 + 0.036 * np.cos(angle), 0.05 + 0.03 * np.sin(angle)
    arc = np.stack([x, np.zeros(14), z], axis=1)
    return _centered([*body, tube(arc, 0.0065, image, handle)])


def cleanser_bottle() -> TexturedMesh:
    """White bottle of oval section with a blue cap.

    Front (+x) and back prints differ, the +y edge is green, the -y edge orange.
    """
    atlas = Atlas(WHITE)
    body: Region = (0.0, 0.3, 1.0, 1.0)
    atlas.paint(body, WHITE)
    atlas.label((0.36, 0.34, 0.64, 0.86), TEAL, WHITE, "back", 8, 21)
    # The front is where the texture begins and ends.
    atlas.label((0.0, 0.34, 0.14, 0.86), YELLOW, RED, "AN", 2, 22)
    atlas.label((0.86, 0.34, 1.0, 0.86), YELLOW, RED, "CLE", 2, 23)
    atlas.paint((0.2, 0.3, 0.3, 1.0), GREEN)
    atlas.paint((0.7, 0.3, 0.8, 1.0), ORANGE)
    bottom: Region = (0.6, 0.0, 0.9, 0.2)
    cap: Region = (0.0, 0.0, 0.5, 0.12)
    atlas.paint(cap, BLUE)

    image = atlas.image
    oval = partial(lathe, stretch=(0.62, 1.0), power=2.6)
    sides = [
        [0.046, 0.0],
        [0.05, 0.008],
        [0.05, 0.13],
        [0.046, 0.16],
        [0.03, 0.185],
        [0.017, 0.196],
    ]
    cap_sides = [[0.017, 0.19], [0.018, 0.195], [0.018, 0.225], [0.014, 0.232]]
    return _centered(
        [
            oval([[0.0, 0.0], [0.046, 0.0]], image, bottom),
            oval(sides, image, body),
            lathe(cap_sides, image, cap),
            lathe([[0.014, 0.232], [0.0, 0.232]], image, cap),
        ]
    )


def soup_can() -> TexturedMesh:
    """Can of 6.8 x 10.2 cm with rings only: the same from all around, but top and bottom differ."""
    atlas = Atlas(GRAY)
    side: Region = (0.0, 0.4, 1.0, 1.0)
    view = atlas.paint(side, WHITE)
    height = view.shape[0]
    for low, high, shade in (
        (0.0, 0.45, RED),
        (0.45, 0.5, YELLOW),
        (0.62, 0.68, RED),
        (0.8, 0.86, BLACK),
        (0.92, 1.0, GREEN),
    ):
        view[int(low * height) : int(high * height)] = shade
    top: Region = (0.0, 0.0, 1.0, 0.16)
    atlas.paint(top, GRAY)[::12] = (200, 202, 205)
    bottom: Region = (0.0, 0.2, 1.0, 0.36)
    atlas.paint(bottom, BLACK)[::20] = GRAY

    # Both ends lie a little below the rim.
    radius, length = 0.034, 0.102
    bottom_profile = [[0.0, 0.002], [radius * 0.93, 0.002], [radius * 0.93, 0.0], [radius, 0.0]]
    rim = [[radius, length], [radius * 0.94, length]]
    top_profile = [*rim, [radius * 0.93, length - 0.003], [0.0, length - 0.003]]
    return _centered(
        [
            lathe(bottom_profile, atlas.image, bottom),
            lathe([[radius, 0.0], [radius, length]], atlas.image, side),
            lathe(top_profile, atlas.image, top),
        ]
    )


def bowl() -> TexturedMesh:
    """Bowl of 15 cm that looks the same from all around.

    Orange outside with a white ring, cream inside with green rings.
    """
    atlas = Atlas(ORANGE)
    outside = atlas.paint((0.0, 0.5, 1.0, 1.0), ORANGE)
    outside[: outside.shape[0] // 5] = WHITE
    outside[outside.shape[0] // 2 : outside.shape[0] * 6 // 10] = BLUE
    inside = atlas.paint((0.0, 0.0, 1.0, 0.45), CREAM)
    for fraction in (0.12, 0.5, 0.85):
        row = int(fraction * inside.shape[0])
        inside[row : row + 14] = GREEN

    # The wall, outside from the foot to the rim and inside from the rim to the ground.
    place = np.linspace(0.0, 1.0, 12)
    radius, z = 0.032 + 0.045 * np.sin(place * np.pi / 2), 0.006 + 0.056 * place**1.6
    outer = np.stack([radius, z], axis=1)
    inner = outer[::-1] * [0.95, 1.0]
    inner[:, 1] = np.maximum(inner[:, 1], 0.009)
    foot = [[0.0, 0.004], [0.03, 0.004], [0.03, 0.0], [0.034, 0.0], [0.032, 0.006]]

    image = atlas.image
    return _centered(
        [
            lathe(foot, image, (0.0, 0.5, 1.0, 0.55)),
            lathe(outer, image, (0.0, 0.5, 1.0, 1.0)),
            lathe(np.array([outer[-1], inner[0]]), image, (0.0, 0.42, 1.0, 0.45)),
            lathe(np.concatenate([inner, [[0.0, 0.009]]]), image, (0.0, 0.45, 1.0, 0.0)),
        ]
    )


def power_drill() -> TexturedMesh:
    """Cordless drill: yellow motor along x, black grip, battery below it, steel chuck.

    The battery has another print on each side.
    """
    atlas = Atlas(BLACK)
    motor: dict[str, Region] = {
        "left": atlas.label((0.0, 0.7, 0.5, 1.0), YELLOW, BLACK, "DRILL 18", 1, 31),
        "right": atlas.label((0.5, 0.7, 1.0, 1.0), YELLOW, RED, "POWER", 3, 32),
        "top": atlas.label((0.0, 0.5, 0.4, 0.68), ORANGE, BLACK, "2-1", 0, 33),
        "back": (0.42, 0.5, 0.55, 0.68),
        "front": (0.57, 0.5, 0.7, 0.68),
        "bottom": (0.72, 0.5, 0.9, 0.68),
    }
    atlas.paint(motor["back"], BLACK)
    atlas.paint(motor["front"], GRAY)
    atlas.paint(motor["bottom"], YELLOW)

    battery: dict[str, Region] = {
        "left": atlas.label((0.0, 0.26, 0.3, 0.48), BLACK, WHITE, "4.0", 2, 34),
        "right": atlas.label((0.32, 0.26, 0.62, 0.48), GRAY, BLACK, "Li-Ion", 2, 35),
        "front": atlas.label((0.64, 0.26, 0.8, 0.48), RED, WHITE, "+", 0, 36),
        "back": atlas.label((0.82, 0.26, 1.0, 0.48), BLACK, YELLOW, "!!", 1, 37),
        "top": (0.0, 0.0, 0.1, 0.1),
        "bottom": atlas.label((0.12, 0.0, 0.4, 0.22), GREEN, WHITE, "CE", 3, 38),
    }

    grip: dict[str, Region] = {
        "left": (0.45, 0.0, 0.5, 0.2),
        "right": (0.45, 0.0, 0.5, 0.2),
        "front": (0.52, 0.0, 0.58, 0.2),
        "back": (0.6, 0.0, 0.66, 0.2),
        "top": (0.0, 0.0, 0.1, 0.1),
        "bottom": (0.0, 0.0, 0.1, 0.1),
    }
    atlas.paint(grip["front"], RED)
    atlas.paint(grip["back"], YELLOW)

    steel: Region = (0.7, 0.0, 0.95, 0.2)
    atlas.paint(steel, GRAY)[::9] = (190, 192, 196)
    jaws = [[0.011, 0.042], [0.004, 0.044], [0.004, 0.07], [0.0, 0.072]]
    chuck = lathe([[0.0, 0.0], [0.021, 0.0], [0.02, 0.022], *jaws], atlas.image, steel, 32)
    along_x = np.eye(4)
    along_x[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]

    return _centered(
        [
            _shifted(box((0.13, 0.056, 0.062), atlas.image, motor), z=0.16),
            _shifted(box((0.04, 0.036, 0.11), atlas.image, grip), x=-0.028, z=0.08),
            _shifted(box((0.085, 0.062, 0.04), atlas.image, battery), x=-0.015, z=0.02),
            _shifted(chuck.transformed(along_x), x=0.063, z=0.163),
        ]
    )


def builtin_classes() -> list[ObjectClass]:
    """The six rigid classes, class_id 1 to 6."""
    asymmetric, around_z = Symmetry(), Symmetry(axis=(0.0, 0.0, 1.0))
    return [
        ObjectClass(1, "cracker_box", cracker_box(), asymmetric),
        ObjectClass(2, "mug", mug(), asymmetric),
        ObjectClass(3, "cleanser_bottle", cleanser_bottle(), asymmetric),
        ObjectClass(4, "soup_can", soup_can(), around_z),
        ObjectClass(5, "bowl", bowl(), around_z),
        ObjectClass(6, "power_drill", power_drill(), asymmetric),
    ]
