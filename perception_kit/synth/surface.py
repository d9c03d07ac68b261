# SPDX-License-Identifier: Apache-2.0
"""Textured meshes prepared for ray casting, and how they look where a ray meets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d

from perception_kit.datasets.mesh import TexturedMesh


@dataclass
class Hits:
    """Where rays meet a surface: distance (inf where they miss), part, face and barycentric
    coordinates of the second and third corner.
    """

    depth: np.ndarray
    part: np.ndarray
    face: np.ndarray
    barycentric: np.ndarray

    def at(self, index: np.ndarray) -> Hits:
        """The hits of the rays with these flat indices."""
        return Hits(
            self.depth.take(index),
            self.part.take(index),
            self.face.take(index),
            self.barycentric.reshape(-1, 2).take(index, axis=0),
        )


class Surface:
    """One or several textured meshes prepared for ray casting in their common frame."""

    def __init__(self, meshes: Sequence[TexturedMesh]) -> None:
        self.meshes = list(meshes)
        self.scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        for mesh in self.meshes:
            self.scene.add_triangles(
                np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(mesh.faces, np.uint32)
            )
        corner_normals = [mesh.vertex_normals()[mesh.faces] for mesh in self.meshes]
        self.flat = [bool(np.ptp(normals, axis=1).max() < 1e-5) for normals in corner_normals]
        self.normal_frames = [_frame(normals) for normals in corner_normals]
        self.uv_frames = [_frame(mesh.uv) for mesh in self.meshes]
        self.texel_density = [_texel_density(mesh) for mesh in self.meshes]
        self.pyramids = [_pyramid(mesh.texture) for mesh in self.meshes]
        vertices = np.concatenate([mesh.vertices for mesh in self.meshes])
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        self.box_corners = np.array(
            [
                [x, y, z]
                for x in (low[0], high[0])
                for y in (low[1], high[1])
                for z in (low[2], high[2])
            ]
        )

    def cast(self, rays: np.ndarray) -> Hits:
        """First hits of (..., 6) rays in the surface's frame."""
        answer = self.scene.cast_rays(o3d.core.Tensor.from_numpy(rays), nthreads=1)
        names = ("t_hit", "geometry_ids", "primitive_ids", "primitive_uvs")
        return Hits(*(answer[name].numpy() for name in names))

    def appearance(self, hits: Hits, pixel_size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit normals (3, n) in the surface's frame and sRGB texture colours (n, 3) at n hits;
        ``pixel_size`` (n,) metres.
        """
        normals = np.empty((3, len(hits.face)), np.float32)
        albedo = np.empty((len(hits.face), 3), np.uint8)
        for index in range(len(self.meshes)):
            chosen = (
                np.flatnonzero(hits.part == index)
                if len(self.meshes) > 1
                else np.arange(len(hits.face))
            )
            if not len(chosen):
                continue
            face = hits.face.take(chosen)
            second, third = (hits.barycentric[:, column].take(chosen) for column in range(2))
            texels = pixel_size.take(chosen) * self.texel_density[index].take(face)
            albedo[chosen] = _sample_texture(
                self.pyramids[index],
                _interpolate(self.uv_frames[index], face, second, third),
                texels,
            )
            if self.flat[index]:
                normals[:, chosen] = self.normal_frames[index][:, 0].take(face, axis=1)
            else:
                smooth = _interpolate(self.normal_frames[index], face, second, third)
                smooth /= np.sqrt(
                    smooth[0] * smooth[0]
                    + smooth[1] * smooth[1]
                    + smooth[2] * smooth[2]
                    + np.float32(1e-12)
                )
                normals[:, chosen] = smooth
        return normals, albedo


def _frame(corners: np.ndarray) -> np.ndarray:
    """(C, 3, F) of (F, 3, C) corner values: for each component the value at the first corner and
    the ways to the second and the third.
    """
    corners = corners.transpose(2, 1, 0)
    return np.stack(
        [corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=1
    )


def _interpolate(
    frame: np.ndarray, face: np.ndarray, second: np.ndarray, third: np.ndarray
) -> np.ndarray:
    """(C, n) values at barycentric coordinates on n faces; one component at a time, which is
    several times faster than rows.
    """
    values = np.empty((len(frame), len(face)), np.float32)
    for component, (origin, to_second, to_third) in enumerate(frame):
        values[component] = (
            origin.take(face) + to_second.take(face) * second + to_third.take(face) * third
        )
    return values


def _sample_texture(pyramid: list[np.ndarray], uv: np.ndarray, texels: np.ndarray) -> np.ndarray:
    """Bilinear colours (n, 3) at (2, n) ``uv``, each from the pyramid level whose texels are about
    as large as the pixel.
    """
    level = np.clip(np.rint(np.log2(np.maximum(texels, 1e-6)) + 0.2), 0, len(pyramid) - 1).astype(
        np.int8
    )
    colors = np.empty((len(texels), 3), np.uint8)
    for number in np.unique(level):
        chosen = np.flatnonzero(level == number)
        image = pyramid[number]
        width = min(1024, len(chosen))
        rows = -(-len(chosen) // width)
        maps = np.zeros((2, rows * width), np.float32)
        maps[0, : len(chosen)] = uv[0].take(chosen) * image.shape[1] - 0.5
        maps[1, : len(chosen)] = (1 - uv[1].take(chosen)) * image.shape[0] - 0.5
        maps = maps.reshape(2, rows, width)
        sampled = cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        colors[chosen] = sampled.reshape(-1, 3)[: len(chosen)]
    return colors


def _pyramid(texture: np.ndarray) -> list[np.ndarray]:
    """The texture and its halved copies down to 4 pixels."""
    levels = [np.ascontiguousarray(texture)]
    while min(levels[-1].shape[:2]) >= 8:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return levels


def _texel_density(mesh: TexturedMesh) -> np.ndarray:
    """(F,) float32 texels of the full texture per metre on each face."""
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    edge, other = mesh.uv[:, 1] - mesh.uv[:, 0], mesh.uv[:, 2] - mesh.uv[:, 0]
    texel_area = (
        np.abs(edge[:, 0] * other[:, 1] - edge[:, 1] * other[:, 0])
        * mesh.texture.shape[0]
        * mesh.texture.shape[1]
    )
    return np.sqrt(texel_area / np.maximum(area, 1e-12)).astype(np.float32)
