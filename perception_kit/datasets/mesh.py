# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes with a texture or with colors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError

# In the order in which they are preferred: what tells more of an object's looks comes first.
MESH_FORMATS = (".obj", ".glb", ".ply", ".stl")


class MeshError(DatasetError):
    """A mesh file that cannot be used; the message names the file."""


@dataclass
class TexturedMesh:
    """Triangles with one texture, or with colors at their corners.

    ``vertices`` (V, 3) float32 metres, ``faces`` (F, 3) int32 vertex indices, counter-clockwise
    seen from outside, ``uv`` (F, 3, 2) float32 in [0, 1] with v up as in OBJ, ``texture`` (H, W, 3)
    uint8 sRGB. ``colors`` (F, 3, 3) uint8 sRGB of the faces' corners replace the texture where they
    are given. ``painted`` is False where the object's colors are not known: the texture is gray.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    colors: np.ndarray | None = None
    painted: bool = True

    @property
    def size(self) -> np.ndarray:
        """(3,) extents of the axis-aligned box."""
        return np.ptp(self.vertices, axis=0)

    def transformed(self, matrix: np.ndarray) -> TexturedMesh:
        """The same surface moved by a (4, 4) matrix."""
        rotation, translation = matrix[:3, :3].astype(np.float32), matrix[:3, 3].astype(np.float32)
        return replace(self, vertices=self.vertices @ rotation.T + translation)

    def scaled(self, factor: float | np.ndarray) -> TexturedMesh:
        """The same surface ``factor`` times as large; (3,) factors are along the axes."""
        return replace(self, vertices=self.vertices * np.asarray(factor, np.float32))

    def vertex_normals(self) -> np.ndarray:
        """(V, 3) float32 unit normals, the area-weighted mean over the faces of each vertex."""
        corners = self.vertices[self.faces]
        face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

        # A cross product is as long as twice the area of its face, so that the sum over the faces
        # of a vertex is area-weighted.
        index, count = self.faces.reshape(-1), len(self.vertices)
        weights = np.repeat(face_normals, 3, axis=0)
        sums = [np.bincount(index, weights[:, axis], minlength=count) for axis in range(3)]
        normals = np.stack(sums, axis=1)

        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        return (normals / np.maximum(lengths, 1e-20)).astype(np.float32)


def refuse_flat(path: Path, mesh: TexturedMesh) -> None:
    """Raises MeshError where the mesh of the file ``path`` encloses no volume."""
    thickness = np.linalg.eigvalsh(np.cov(mesh.vertices.T.astype(float)))[0].clip(0) ** 0.5
    if not thickness > 1e-4 * mesh.size.max():
        raise MeshError(f"{path}: is flat: an object with a thickness is needed")


def merge(meshes: list[TexturedMesh]) -> TexturedMesh:
    """One mesh of several that share one texture (the first mesh's)."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    faces = [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]
    return TexturedMesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate(faces).astype(np.int32),
        uv=np.concatenate([mesh.uv for mesh in meshes]),
        texture=meshes[0].texture,
    )
