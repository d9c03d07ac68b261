# SPDX-License-Identifier: Apache-2.0
"""Shading of a rendering: sky and floor light, one lamp with soft shadows, highlights
(Blinn-Phong).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d

from perception_kit.geometry import invert_pose
from perception_kit.synth.render import Item, Rendering
from perception_kit.types import Intrinsics

SRGB_TO_LINEAR = (np.arange(256, dtype=np.float32) / np.float32(255)) ** np.float32(2.2)
SHADOW_STEP = 2
"""Shadow rays are cast for every second pixel in both directions."""


@dataclass
class Lighting:
    """Light of a room.

    Positions in metres in the world; colours are linear RGB intensities. Highlights have the
    exponent 2 ** octaves.
    """

    lamp_position: np.ndarray
    lamp_color: np.ndarray
    ambient_color: np.ndarray
    lamp_radius: float = 0.15
    shininess_octaves: int = 5


def shadow_scene(items: Sequence[Item]) -> o3d.t.geometry.RaycastingScene:
    """Ray-casting structure, in the world frame, of everything that casts shadows."""
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    for item in items:
        rotation, translation = (
            item.pose[:3, :3].astype(np.float32),
            item.pose[:3, 3].astype(np.float32),
        )
        for mesh in item.surface.meshes:
            scene.add_triangles(
                mesh.vertices @ rotation.T + translation,
                np.ascontiguousarray(mesh.faces, np.uint32),
            )
    return scene


def shade(
    rendering: Rendering,
    lighting: Lighting,
    casters: Sequence[o3d.t.geometry.RaycastingScene],
    camera_to_world: np.ndarray,
    intrinsics: Intrinsics,
    rng: np.random.Generator,
) -> np.ndarray:
    """(3, H, W) float32 linear radiance.

    ``casters`` hold, in the world frame, what blocks the lamp.
    """
    depth = np.where(np.isfinite(rendering.depth), rendering.depth, np.float32(1))
    x, y = pixel_directions(intrinsics)
    points = np.stack([depth * x, depth * y, depth])
    world_to_camera = invert_pose(camera_to_world)
    lamp = (world_to_camera[:3, :3] @ lighting.lamp_position + world_to_camera[:3, 3]).astype(
        np.float32
    )
    to_lamp = lamp[:, None, None] - points
    squared = _dot(to_lamp, to_lamp)
    to_lamp *= 1 / np.sqrt(squared)
    light = np.maximum(_dot(rendering.normals, to_lamp), 0) * (4.0 / (squared + 1.0))
    light *= _lit(points, rendering.normals, lamp, lighting, casters, camera_to_world, rng)
    up = camera_to_world[2, :3].astype(np.float32)
    sky = 0.75 + 0.25 * (
        rendering.normals[0] * up[0] + rendering.normals[1] * up[1] + rendering.normals[2] * up[2]
    )
    highlight = (
        _highlight(rendering, x, y, to_lamp, lighting.shininess_octaves) * rendering.gloss * light
    )
    radiance = np.stack(cv2.split(cv2.LUT(rendering.albedo, SRGB_TO_LINEAR)))
    for channel in range(3):
        lamp_color, ambient = (
            np.float32(lighting.lamp_color[channel]),
            np.float32(lighting.ambient_color[channel]),
        )
        radiance[channel] *= light * lamp_color + sky * ambient
        radiance[channel] += highlight * lamp_color
    return radiance


def pixel_directions(intrinsics: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """(1, W) and (H, 1) float32 x and y of the camera-frame view directions with z = 1."""
    x = (np.arange(intrinsics.width, dtype=np.float32) - np.float32(intrinsics.cx)) / np.float32(
        intrinsics.fx
    )
    y = (np.arange(intrinsics.height, dtype=np.float32) - np.float32(intrinsics.cy)) / np.float32(
        intrinsics.fy
    )
    return x[None], y[:, None]


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


def _highlight(
    rendering: Rendering, x: np.ndarray, y: np.ndarray, to_lamp: np.ndarray, octaves: int
) -> np.ndarray:
    """Cosine between the normal and the halfway vector of view and lamp, to the power 2 ** octaves."""
    scale = -1 / np.sqrt(x * x + y * y + 1)
    normal_view = (
        rendering.normals[0] * x + rendering.normals[1] * y + rendering.normals[2]
    ) * scale
    lamp_view = (to_lamp[0] * x + to_lamp[1] * y + to_lamp[2]) * scale
    cosine = (_dot(rendering.normals, to_lamp) + normal_view) / np.sqrt(
        2 + 2 * lamp_view + np.float32(1e-6)
    )
    cosine = np.clip(cosine, 0, 1)
    for _ in range(octaves):
        cosine *= cosine
    return cosine


def _lit(
    points: np.ndarray,
    normals: np.ndarray,
    lamp: np.ndarray,
    lighting: Lighting,
    casters: Sequence[o3d.t.geometry.RaycastingScene],
    camera_to_world: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """(H, W) float32 share of the lamp that each point sees: one ray to a random place on the lamp,
    smoothed over neighbours.
    """
    height, width = points.shape[1:]
    step = np.s_[:, ::SHADOW_STEP, ::SHADOW_STEP]
    start = np.moveaxis(points[step] + normals[step] * np.float32(0.004), 0, -1)
    jitter = rng.standard_normal(start.shape, dtype=np.float32) * np.float32(lighting.lamp_radius)
    rotation, origin = (
        camera_to_world[:3, :3].astype(np.float32),
        camera_to_world[:3, 3].astype(np.float32),
    )
    rays = np.concatenate(
        [start @ rotation.T + origin, (lamp + jitter - start) @ rotation.T], axis=-1
    )
    blocked = np.zeros(start.shape[:2], bool)
    for scene in casters:
        blocked |= scene.test_occlusions(
            o3d.core.Tensor.from_numpy(rays), tnear=0.0, tfar=1.0, nthreads=1
        ).numpy()
    lit = cv2.GaussianBlur((~blocked).astype(np.float32), (5, 5), 1.2)
    return cv2.resize(lit, (width, height), interpolation=cv2.INTER_LINEAR)
