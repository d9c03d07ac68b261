# SPDX-License-Identifier: Apache-2.0
"""Parametric shapes with texture coordinates.

Regions are rectangles (u0, v0, u1, v1) of a texture atlas, v up.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_kit.datasets.mesh import TexturedMesh

Region = tuple[float, float, float, float]
Vector3 = tuple[float, float, float]
FULL: Region = (0.0, 0.0, 1.0, 1.0)
BOX_SIDES = ("front", "back", "left", "right", "top", "bottom")

_BOX_AXES = {
    "front": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "back": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "left": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    "right": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "top": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    "bottom": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
}
"""Outward normal, direction of u and direction of v of each side."""


def _grid_mesh(grid: np.ndarray, region: Region, texture: np.ndarray) -> TexturedMesh:
    """Mesh of a (rows, columns, 3) grid of points; u runs along the columns and v up the rows."""
    # Two triangles a b c and a c d for each cell of the grid.
    rows, columns = grid.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], axis=2).reshape(-1, 3)

    u0, v0, u1, v1 = region
    u, v = np.meshgrid(np.linspace(u0, u1, columns), np.linspace(v0, v1, rows))
    vertex_uv = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)
    return TexturedMesh(
        vertices=grid.reshape(-1, 3).astype(np.float32),
        faces=np.ascontiguousarray(faces, np.int32),
        uv=vertex_uv[faces],
        texture=texture,
    )


def quad(
    corner: npt.ArrayLike,
    along_u: npt.ArrayLike,
    along_v: npt.ArrayLike,
    texture: np.ndarray,
    region: Region = FULL,
) -> TexturedMesh:
    """A rectangle from ``corner`` spanned by two edge vectors.

    Its front faces ``along_u`` x ``along_v``.
    """
    origin, u, v = (np.asarray(vector, float) for vector in (corner, along_u, along_v))
    grid = np.array([[origin, origin + u], [origin + v, origin + u + v]])
    return _grid_mesh(grid, region, texture)


def box(
    size: Vector3, texture: np.ndarray, regions: dict[str, Region] | None = None
) -> TexturedMesh:
    """A box of ``size`` (x, y, z) metres around the origin.

    Each side has a region of its own (the whole texture by default).
    """
    # Four corners a side, counter-clockwise seen from outside.
    half = np.asarray(size) / 2
    normal, u, v = (half * [_BOX_AXES[side][axis] for side in BOX_SIDES] for axis in range(3))
    corners = [normal - u - v, normal + u - v, normal + u + v, normal - u + v]
    vertices = np.stack(corners, axis=1).reshape(-1, 3)
    faces = (4 * np.arange(6)[:, None, None] + [[0, 1, 2], [0, 2, 3]]).reshape(-1, 3)

    u0, v0, u1, v1 = np.array([(regions or {}).get(side, FULL) for side in BOX_SIDES]).T
    corner_u, corner_v = np.stack([u0, u1, u1, u0], axis=1), np.stack([v0, v0, v1, v1], axis=1)
    vertex_uv = np.stack([corner_u, corner_v], axis=-1).reshape(-1, 2)
    return TexturedMesh(
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        uv=vertex_uv[faces].astype(np.float32),
        texture=texture,
    )


def lathe(
    profile: npt.ArrayLike,
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
    unit_x = np.sign(cosine) * np.abs(cosine) ** (2 / power) * stretch[0]
    unit_y = np.sign(sine) * np.abs(sine) ** (2 / power) * stretch[1]

    points = np.asarray(profile, float)
    radius, z = points[:, :1], points[:, 1:].repeat(segments + 1, axis=1)
    grid = np.stack([radius * unit_x[None], radius * unit_y[None], z], axis=-1)
    return _grid_mesh(grid, region, texture)


def tube(
    path: npt.ArrayLike,
    radius: float,
    texture: np.ndarray,
    region: Region = FULL,
    segments: int = 12,
) -> TexturedMesh:
    """A round bar along the (n, 3) points of a path in the plane of x and z."""
    points = np.asarray(path, float)
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.array([0.0, 1.0, 0.0])
    normal = np.cross(tangent, side)

    angle = np.linspace(0, 2 * np.pi, segments + 1)
    ring = np.cos(angle)[None, :, None] * normal[:, None] + np.sin(angle)[None, :, None] * side
    return _grid_mesh(points[:, None] + ring * radius, region, texture)
