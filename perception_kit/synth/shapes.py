# SPDX-License-Identifier: Apache-2.0
"""Parametric shapes with texture coordinates.

Regions are rectangles (u0, v0, u1, v1) of a texture atlas, v up.
"""

from __future__ import annotations

import numpy as np

from perception_kit.datasets.mesh import TexturedMesh

Region = tuple[float, float, float, float]
FULL: Region = (0.0, 0.0, 1.0, 1.0)
BOX_SIDES = ("front", "back", "left", "right", "top", "bottom")

# Outward normal, direction of u, direction of v of each side of a box.
_BOX_AXES = {
    "front": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "back": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "left": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    "right": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "top": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    "bottom": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
}


def _surface(
    grid: np.ndarray, region: Region, texture: np.ndarray, inward: bool = False
) -> TexturedMesh:
    """Mesh of a (rows, columns, 3) grid of points; u runs along the columns and v up the rows."""
    rows, columns = grid.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], axis=2).reshape(-1, 3)
    u, v = np.meshgrid(
        np.linspace(region[0], region[2], columns), np.linspace(region[1], region[3], rows)
    )
    uv = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)[faces]
    if inward:
        faces, uv = faces[:, ::-1], uv[:, ::-1]
    return TexturedMesh(
        grid.reshape(-1, 3).astype(np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.ascontiguousarray(uv),
        texture,
    )


def quad(
    corner: np.ndarray,
    along_u: np.ndarray,
    along_v: np.ndarray,
    texture: np.ndarray,
    region: Region = FULL,
) -> TexturedMesh:
    """A rectangle from ``corner`` spanned by two edge vectors; its front faces ``along_u`` x
    ``along_v``.
    """
    corner, along_u, along_v = (np.asarray(vector, float) for vector in (corner, along_u, along_v))
    return _surface(
        np.array([[corner, corner + along_u], [corner + along_v, corner + along_u + along_v]]),
        region,
        texture,
    )


def box(
    size: tuple[float, float, float], texture: np.ndarray, regions: dict[str, Region] | None = None
) -> TexturedMesh:
    """A box centred at the origin; each side has a region of its own (the whole texture by
    default).
    """
    half = np.asarray(size) / 2
    normal, u, v = (half * [_BOX_AXES[side][axis] for side in BOX_SIDES] for axis in range(3))
    vertices = np.stack(
        [normal - u - v, normal + u - v, normal + u + v, normal - u + v], axis=1
    ).reshape(-1, 3)
    faces = (4 * np.arange(6)[:, None, None] + [[0, 1, 2], [0, 2, 3]]).reshape(-1, 3)
    u0, v0, u1, v1 = np.array([(regions or {}).get(side, FULL) for side in BOX_SIDES]).T
    corners = np.stack(
        [np.stack([u0, u1, u1, u0], axis=1), np.stack([v0, v0, v1, v1], axis=1)], axis=-1
    ).reshape(-1, 2)
    return TexturedMesh(
        vertices.astype(np.float32),
        faces.astype(np.int32),
        corners[faces].astype(np.float32),
        texture,
    )


def lathe(
    profile: np.ndarray,
    texture: np.ndarray,
    region: Region = FULL,
    segments: int = 48,
    stretch: tuple[float, float] = (1.0, 1.0),
    power: float = 2.0,
) -> TexturedMesh:
    """Profile (n, 2) of (radius, z), from the bottom up along the outside, turned about z.

    ``stretch`` scales x and y; ``power`` over 2 squares the cross-section (superellipse). u starts
    at +x and runs counter-clockwise.
    """
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    cosine, sine = np.cos(angle), np.sin(angle)
    x = np.sign(cosine) * np.abs(cosine) ** (2 / power) * stretch[0]
    y = np.sign(sine) * np.abs(sine) ** (2 / power) * stretch[1]
    profile = np.asarray(profile, float)
    grid = np.stack(
        [
            profile[:, :1] * x[None],
            profile[:, :1] * y[None],
            profile[:, 1:].repeat(segments + 1, axis=1),
        ],
        axis=-1,
    )
    return _surface(grid, region, texture)


def tube(
    path: np.ndarray,
    radius: np.ndarray | float,
    texture: np.ndarray,
    region: Region = FULL,
    segments: int = 12,
) -> TexturedMesh:
    """A round bar along the (n, 3) points of a path that lies in one plane through the x-z
    directions.
    """
    path = np.asarray(path, float)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.array([0.0, 1.0, 0.0])
    normal = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    ring = np.cos(angle)[None, :, None] * normal[:, None] + np.sin(angle)[None, :, None] * side
    grid = (
        path[:, None] + ring * np.broadcast_to(np.asarray(radius, float), len(path))[:, None, None]
    )
    return _surface(grid, region, texture)
