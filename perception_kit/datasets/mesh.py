# SPDX-License-Identifier: Apache-2.0
"""Textured triangle meshes and their reader for Wavefront OBJ files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

# A mesh of more than this many units is taken to be modelled in millimetres: no object here is
# 10 m long.
MILLIMETER_EXTENT = 10.0


class MeshError(ValueError):
    """A mesh file that cannot be used; the message names the file."""


@dataclass
class TexturedMesh:
    """Triangles with one texture.

    ``vertices`` (V, 3) float32 metres, ``faces`` (F, 3) int32 vertex indices, counter-clockwise
    seen from outside, ``uv`` (F, 3, 2) float32 in [0, 1] with v up as in OBJ, ``texture`` (H, W, 3)
    uint8 sRGB.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    texture: np.ndarray

    def transformed(self, matrix: np.ndarray) -> TexturedMesh:
        """The same surface moved by a (4, 4) matrix."""
        rotation, translation = matrix[:3, :3].astype(np.float32), matrix[:3, 3].astype(np.float32)
        vertices = self.vertices @ rotation.T + translation
        return TexturedMesh(vertices, self.faces, self.uv, self.texture)

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

    def vertex_uv(self) -> np.ndarray:
        """(V, 2) float32 texture coordinates; a vertex on a seam gets those of its last face."""
        uv = np.zeros((len(self.vertices), 2), np.float32)
        uv[self.faces.reshape(-1)] = self.uv.reshape(-1, 2)
        return uv


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


def read_obj(path: Path) -> TexturedMesh:
    """Read an OBJ file with the ``map_Kd`` texture of its material library.

    Polygons are split into triangle fans. Raises MeshError naming the file when the mesh or its
    texture is missing or corrupt.
    """
    positions: list[list[float]] = []
    coordinates: list[list[float]] = []
    corners: list[list[tuple[int, int]]] = []
    material_file: str | None = None
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        keyword, _, values = line.strip().partition(" ")
        try:
            if keyword == "v":
                positions.append([float(value) for value in values.split()[:3]])
            elif keyword == "vt":
                coordinates.append([float(value) for value in values.split()[:2]])
            elif keyword == "f":
                corners.extend(_triangles(values, len(positions), len(coordinates)))
            elif keyword == "mtllib":
                material_file = values.strip()
        except (ValueError, IndexError) as error:
            raise MeshError(f"{path}:{number}: cannot read {line.strip()!r}: {error}") from error

    if not corners or not coordinates:
        raise MeshError(
            f"{path}: has {len(corners)} faces and {len(coordinates)} texture coordinates;"
            " a textured triangle mesh is needed"
        )
    if material_file is None:
        raise MeshError(f"{path}: names no material library (mtllib); a texture is needed")
    texture = _read_texture(path.parent / material_file)
    return _assemble(path, positions, coordinates, corners, texture)


def _triangles(text: str, num_positions: int, num_coordinates: int) -> list[list[tuple[int, int]]]:
    """Corner index pairs (position, texture coordinate) of the triangle fan of one OBJ face."""
    polygon = []
    for corner in text.split():
        indices = corner.split("/")
        if len(indices) < 2 or not indices[1]:
            raise ValueError("face without texture coordinates")

        # Indices count from 1; negative ones count back from the latest line of their kind.
        position, coordinate = int(indices[0]), int(indices[1])
        polygon.append(
            (
                position - 1 if position > 0 else num_positions + position,
                coordinate - 1 if coordinate > 0 else num_coordinates + coordinate,
            )
        )

    if len(polygon) < 3:
        raise ValueError(f"face of {len(polygon)} corners")
    return [[polygon[0], polygon[i], polygon[i + 1]] for i in range(1, len(polygon) - 1)]


def _assemble(
    path: Path,
    positions: list[list[float]],
    coordinates: list[list[float]],
    corners: list[list[tuple[int, int]]],
    texture: np.ndarray,
) -> TexturedMesh:
    position_index, uv_index = np.moveaxis(np.asarray(corners, np.int64), -1, 0)
    if (
        min(position_index.min(), uv_index.min()) < 0
        or position_index.max() >= len(positions)
        or uv_index.max() >= len(coordinates)
    ):
        raise MeshError(
            f"{path}: a face refers to a vertex that is not in the file (truncated file?)"
        )

    vertices = np.asarray(positions, np.float32)
    uv = np.asarray(coordinates, np.float32)[uv_index]
    if not (np.isfinite(vertices).all() and np.isfinite(uv).all()):
        raise MeshError(f"{path}: has coordinates that are not finite")

    # A texture repeats beyond [0, 1].
    uv = np.where((uv < 0) | (uv > 1), uv - np.floor(uv), uv).astype(np.float32)
    return TexturedMesh(vertices, position_index.astype(np.int32), uv, texture)


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MeshError(f"{path}: cannot be read: {error}") from error


def _read_texture(material: Path) -> np.ndarray:
    lines = _read_text(material).splitlines()
    names = [line.split()[-1] for line in lines if line.strip().startswith("map_Kd ")]
    if not names:
        raise MeshError(f"{material}: names no texture (map_Kd)")

    path = material.parent / names[0]
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise MeshError(f"{path}: texture named by {material} is missing or not an image")
    return np.ascontiguousarray(image[:, :, ::-1])


def scale_to_meters(mesh: TexturedMesh) -> tuple[TexturedMesh, bool]:
    """The mesh in metres, and whether it was converted.

    An extent over ``MILLIMETER_EXTENT`` is taken for millimetres.
    """
    if np.ptp(mesh.vertices, axis=0).max() <= MILLIMETER_EXTENT:
        return mesh, False
    return TexturedMesh(mesh.vertices / np.float32(1000.0), mesh.faces, mesh.uv, mesh.texture), True
