# SPDX-License-Identifier: Apache-2.0
"""Shading of a rendering: hemispheric ambient light and one lamp with soft shadows.

Diffuse reflection is Lambert's, highlights are Blinn-Phong's (Blinn, "Models of light reflection
for computer synthesized pictures", SIGGRAPH 1977).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d

from perception_kit.geometry import invert_pose
from perception_kit.synth.render import Item, Rendering
from perception_kit.synth.surface import add_mesh
from perception_kit.types import Intrinsics

SRGB_TO_LINEAR = (np.arange(256, dtype=np.float32) / np.float32(255)) ** np.float32(2.2)
"""Linear intensity of 8-bit sRGB, by the usual approximation with a gamma of 2.2."""
SHADOW_STEP = 2
"""Shadow rays are cast for every second pixel in both directions."""
_SHADOW_OFFSET = np.float32(0.004)
"""Metres above a surface at which its shadow rays start, so that they do not hit it at once."""


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
        rotation = item.pose[:3, :3].astype(np.float32)
        translation = item.pose[:3, 3].astype(np.float32)
        for mesh in item.surface.meshes:
            add_mesh(scene, mesh.vertices @ rotation.T + translation, mesh.faces)
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
    normals = rendering.normals

    # Points and lamp in the camera frame.
    depth = np.where(np.isfinite(rendering.depth), rendering.depth, np.float32(1))
    x, y = pixel_directions(intrinsics)
    points = np.stack([depth * x, depth * y, depth])
    world_to_camera = invert_pose(camera_to_world)
    lamp = world_to_camera[:3, :3] @ lighting.lamp_position + world_to_camera[:3, 3]
    lamp = lamp.astype(np.float32)

    # Irradiance by the lamp: Lambert's cosine, a falloff that stays finite, and shadows.
    to_lamp = lamp[:, None, None] - points
    squared = _dot(to_lamp, to_lamp)
    to_lamp *= 1 / np.sqrt(squared)
    light = np.maximum(_dot(normals, to_lamp), 0) * (4.0 / (squared + 1.0))
    light *= _lamp_visibility(points, normals, lamp, lighting, casters, camera_to_world, rng)

    # Ambient light: all from above, half as much from below.
    up = camera_to_world[2, :3].astype(np.float32)
    ambient = 0.75 + 0.25 * (normals[0] * up[0] + normals[1] * up[1] + normals[2] * up[2])

    highlight = _blinn_phong(normals, x, y, to_lamp, lighting.shininess_octaves)
    highlight = highlight * rendering.gloss * light

    # radiance = albedo * (lamp + ambient) + highlight, channel by channel.
    radiance = np.stack(cv2.split(cv2.LUT(rendering.albedo, SRGB_TO_LINEAR)))
    for channel in range(3):
        lamp_color = np.float32(lighting.lamp_color[channel])
        ambient_color = np.float32(lighting.ambient_color[channel])
        radiance[channel] *= light * lamp_color + ambient * ambient_color
        radiance[channel] += highlight * lamp_color
    return radiance


def pixel_directions(intrinsics: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """(1, W) and (H, 1) float32 x and y of the camera-frame view directions with z = 1."""
    columns = np.arange(intrinsics.width, dtype=np.float32)
    rows = np.arange(intrinsics.height, dtype=np.float32)
    x = (columns - np.float32(intrinsics.cx)) / np.float32(intrinsics.fx)
    y = (rows - np.float32(intrinsics.cy)) / np.float32(intrinsics.fy)
    return x[None], y[:, None]


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


def _blinn_phong(
    normals: np.ndarray, x: np.ndarray, y: np.ndarray, to_lamp: np.ndarray, octaves: int
) -> np.ndarray:
    """(H, W) Blinn-Phong term (n · h) ** (2 ** octaves).

    h is the halfway vector of the directions v to the camera and l to the lamp: with unit vectors
    n · h = (n · l + n · v) / |l + v|, where |l + v|² = 2 + 2 l · v.
    """
    # v is the reversed view direction (x, y, 1), normalised.
    scale = -1 / np.sqrt(x * x + y * y + 1)
    normal_view = (normals[0] * x + normals[1] * y + normals[2]) * scale
    lamp_view = (to_lamp[0] * x + to_lamp[1] * y + to_lamp[2]) * scale

    length = np.sqrt(2 + 2 * lamp_view + np.float32(1e-6))
    cosine = np.clip((_dot(normals, to_lamp) + normal_view) / length, 0, 1)

    # Squaring is much faster than a power.
    for _ in range(octaves):
        cosine *= cosine
    return cosine


def _lamp_visibility(
    points: np.ndarray,
    normals: np.ndarray,
    lamp: np.ndarray,
    lighting: Lighting,
    casters: Sequence[o3d.t.geometry.RaycastingScene],
    camera_to_world: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """(H, W) float32 fraction of the lamp that each point sees.

    One ray per point to a random place on the lamp, smoothed over neighbours.
    """
    # Every SHADOW_STEP-th point, and a place on the lamp for each of them, in the camera frame.
    height, width = points.shape[1:]
    step = np.s_[:, ::SHADOW_STEP, ::SHADOW_STEP]
    start = np.moveaxis(points[step] + normals[step] * _SHADOW_OFFSET, 0, -1)
    jitter = rng.standard_normal(start.shape, dtype=np.float32) * np.float32(lighting.lamp_radius)

    # Rays in the world frame; their directions are as long as the way, so they end at 1.
    rotation = camera_to_world[:3, :3].astype(np.float32)
    origin = camera_to_world[:3, 3].astype(np.float32)
    rays = np.concatenate(
        [start @ rotation.T + origin, (lamp + jitter - start) @ rotation.T], axis=-1
    )
    blocked = np.zeros(start.shape[:2], bool)
    for scene in casters:
        tensor = o3d.core.Tensor.from_numpy(rays)
        blocked |= scene.test_occlusions(tensor, tnear=0.0, tfar=1.0, nthreads=1).numpy()

    lit = cv2.GaussianBlur((~blocked).astype(np.float32), (5, 5), 1.2)
    return cv2.resize(lit, (width, height), interpolation=cv2.INTER_LINEAR)
