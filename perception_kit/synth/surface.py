# SPDX-License-Identifier: Apache-2.0
"""Textured meshes prepared for ray casting, and how they look where a ray meets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import open3d as o3d

from perception_kit.datasets.mesh import TexturedMesh


def add_mesh(
    scene: o3d.t.geometry.RaycastingScene, vertices: np.ndarray, faces: np.ndarray
) -> None:
    """Add triangles of (V, 3) float32 vertices and (F, 3) vertex indices to a ray-casting scene."""
    scene.add_triangles(
        o3d.core.Tensor.from_numpy(np.ascontiguousarray(vertices)),
        o3d.core.Tensor.from_numpy(np.ascontiguousarray(faces, np.uint32)),
    )


@dataclass
class Hits:
    """Where rays meet a surface.

    ``depth`` is the distance in lengths of the ray's direction, infinite where it misses; ``mesh``
    and ``face`` are indices; ``barycentric`` (..., 2) are the coordinates of the second and third
    corner.
    """

    depth: np.ndarray
    mesh: np.ndarray
    face: np.ndarray
    barycentric: np.ndarray

    def at(self, index: np.ndarray) -> Hits:
        """The hits of the rays with these flat indices."""
        return Hits(
            self.depth.take(index),
            self.mesh.take(index),
            self.face.take(index),
            self.barycentric.reshape(-1, 2).take(index, axis=0),
        )


class Surface:
    """One or several textured meshes prepared for ray casting in their common frame."""

    def __init__(self, meshes: Sequence[TexturedMesh]) -> None:
        self.meshes = list(meshes)
        self.scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        for mesh in self.meshes:
            add_mesh(self.scene, mesh.vertices, mesh.faces)

        # What is interpolated over each face: normals (unless the mesh is flat there) and texture.
        corner_normals = [mesh.vertex_normals()[mesh.faces] for mesh in self.meshes]
        self.flat = [bool(np.ptp(normals, axis=1).max() < 1e-5) for normals in corner_normals]
        self.normal_frames = [_face_frames(normals) for normals in corner_normals]
        self.uv_frames = [_face_frames(mesh.uv) for mesh in self.meshes]
        self.color_frames = [
            None if mesh.colors is None else _face_frames(mesh.colors.astype(np.float32))
            for mesh in self.meshes
        ]
        self.texel_density = [_texel_density(mesh) for mesh in self.meshes]
        self.pyramids = [_pyramid(mesh.texture) for mesh in self.meshes]

        vertices = np.concatenate([mesh.vertices for mesh in self.meshes])
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        self.box_corners = np.array(list(product(*zip(low, high, strict=True))))

    def cast(self, rays: np.ndarray) -> Hits:
        """First hits of (..., 6) rays in the surface's frame."""
        found = self.scene.cast_rays(o3d.core.Tensor.from_numpy(rays), nthreads=1)
        return Hits(
            depth=found["t_hit"].numpy(),
            mesh=found["geometry_ids"].numpy(),
            face=found["primitive_ids"].numpy(),
            barycentric=found["primitive_uvs"].numpy(),
        )

    def appearance(self, hits: Hits, pixel_size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit normals (3, n) in the surface's frame and sRGB colours (n, 3) at n hits.

        ``pixel_size`` (n,) metres that a pixel covers there.
        """
        count = len(hits.face)
        normals = np.empty((3, count), np.float32)
        albedo = np.empty((count, 3), np.uint8)
        for index in range(len(self.meshes)):
            alone = len(self.meshes) == 1
            chosen = np.arange(count) if alone else np.flatnonzero(hits.mesh == index)
            if not len(chosen):
                continue
            face = hits.face.take(chosen)
            second, third = (hits.barycentric[:, column].take(chosen) for column in range(2))

            color_frame = self.color_frames[index]
            if color_frame is not None:
                albedo[chosen] = np.rint(_interpolate(color_frame, face, second, third)).T
            else:
                texels = pixel_size.take(chosen) * self.texel_density[index].take(face)
                uv = _interpolate(self.uv_frames[index], face, second, third)
                albedo[chosen] = _sample_texture(self.pyramids[index], uv, texels)

            if self.flat[index]:
                normals[:, chosen] = self.normal_frames[index][:, 0].take(face, axis=1)
            else:
                smooth = _interpolate(self.normal_frames[index], face, second, third)
                squared = smooth[0] * smooth[0] + smooth[1] * smooth[1] + smooth[2] * smooth[2]
                normals[:, chosen] = smooth / np.sqrt(squared + np.float32(1e-12))
        return normals, albedo


def _face_frames(corners: np.ndarray) -> np.ndarray:
    """(C, 3, F) of (F, 3, C) corner values.

    For each component the value at the first corner and the ways to the second and the third.
    """
    first, second, third = corners.transpose(1, 2, 0)
    return np.stack([first, second - first, third - first], axis=1)


def _interpolate(
    frame: np.ndarray, face: np.ndarray, second: np.ndarray, third: np.ndarray
) -> np.ndarray:
    """(C, n) values at barycentric coordinates on n faces.

    One component at a time, which is several times faster than rows.
    """
    values = np.empty((len(frame), len(face)), np.float32)
    for component, (origin, to_second, to_third) in enumerate(frame):
        values[component] = (
            origin.take(face) + to_second.take(face) * second + to_third.take(face) * third
        )
    return values


def _sample_texture(pyramid: list[np.ndarray], uv: np.ndarray, texels: np.ndarray) -> np.ndarray:
    """Bilinear colours (n, 3) at (2, n) ``uv`` (mipmapping).

    Each comes from the pyramid level whose texels are about as large as the pixel, which covers
    ``texels`` (n,) of the full texture.
    """
    level = np.rint(np.log2(np.maximum(texels, 1e-6)) + 0.2)
    level = np.clip(level, 0, len(pyramid) - 1).astype(np.int8)

    colors = np.empty((len(texels), 3), np.uint8)
    for number in np.unique(level):
        chosen = np.flatnonzero(level == number)
        count = len(chosen)
        image = pyramid[number]

        # OpenCV samples images, so the list of places is folded into one.
        width = min(1024, count)
        rows = -(-count // width)
        places = np.zeros((2, rows * width), np.float32)
        places[0, :count] = uv[0].take(chosen) * image.shape[1] - 0.5
        places[1, :count] = (1 - uv[1].take(chosen)) * image.shape[0] - 0.5
        x, y = places.reshape(2, rows, width)
        sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        colors[chosen] = sampled.reshape(-1, 3)[:count]
    return colors


def _pyramid(texture: np.ndarray) -> list[np.ndarray]:
    """The texture and its halved copies down to 4 pixels."""
    levels = [np.ascontiguousarray(texture)]
    while min(levels[-1].shape[:2]) >= 8:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return levels


def _texel_density(mesh: TexturedMesh) -> np.ndarray:
    """(F,) float32 texels of the full texture per metre on each face."""
    first, second, third = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(second - first, third - first), axis=1)

    rows, columns = mesh.texture.shape[:2]
    u, v = mesh.uv[:, 1] - mesh.uv[:, 0], mesh.uv[:, 2] - mesh.uv[:, 0]
    texel_area = np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) * rows * columns
    return np.sqrt(texel_area / np.maximum(area, 1e-12)).astype(np.float32)
