# SPDX-License-Identifier: Apache-2.0
"""Pinhole ray caster: colour, depth, instance labels and how much of each instance is visible.

Every surface keeps a ray-casting structure in its own frame, so nothing is rebuilt when objects or
the camera move; each item is cast inside its image rectangle only, and the nearest hit of all items
wins, as in a depth buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from perception_kit.geometry import image_rectangle, invert_pose, pixel_rays
from perception_kit.synth.surface import Hits, Surface
from perception_kit.types import Intrinsics


@dataclass
class Item:
    """A surface placed in the world.

    ``pose`` (4, 4) item-to-world, metres. ``instance`` is 0 for background, k for the k-th
    instance; ``gloss`` is the strength of highlights. A ``backdrop`` encloses everything else, so
    it is cast only where nothing else was hit.
    """

    surface: Surface
    pose: np.ndarray
    instance: int = 0
    gloss: float = 0.0
    backdrop: bool = False


@dataclass
class Rendering:
    """What the camera sees, before the sensor: images of (H, W).

    ``albedo`` (H, W, 3) uint8 sRGB, ``depth`` float32 z-depth in metres, infinite where nothing is
    hit, ``normals`` (3, H, W) float32 unit vectors in the camera frame, ``gloss`` float32,
    ``labels`` uint8 instance numbers. ``silhouette_pixels`` counts each instance's pixels as if
    nothing stood before it, those up to one image size outside the borders included.
    """

    albedo: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    gloss: np.ndarray
    labels: np.ndarray
    silhouette_pixels: dict[int, int] = field(default_factory=dict)

    def visible_fraction(self, instance: int) -> float:
        """Visible pixels of an instance over those of its whole silhouette."""
        total = self.silhouette_pixels.get(instance, 0)
        return float(np.count_nonzero(self.labels == instance)) / total if total else 0.0


def render(items: Sequence[Item], camera_to_world: np.ndarray, intrinsics: Intrinsics) -> Rendering:
    """Cast every item, the backdrop last."""
    shape = (intrinsics.height, intrinsics.width)
    rendering = Rendering(
        albedo=np.zeros((*shape, 3), np.uint8),
        depth=np.full(shape, np.inf, np.float32),
        normals=np.zeros((3, *shape), np.float32),
        gloss=np.zeros(shape, np.float32),
        labels=np.zeros(shape, np.uint8),
    )

    for item in sorted(items, key=lambda item: item.backdrop):
        camera_to_item = invert_pose(item.pose) @ camera_to_world
        if item.backdrop:
            _draw_backdrop(rendering, item, camera_to_item, intrinsics)
        else:
            _draw(rendering, item, camera_to_item, intrinsics)
    return rendering


def _draw(
    rendering: Rendering, item: Item, camera_to_item: np.ndarray, intrinsics: Intrinsics
) -> None:
    # Instances are cast beyond the borders of the image as well, to know their whole silhouettes.
    corners, item_to_camera = item.surface.box_corners, invert_pose(camera_to_item)
    rectangle = image_rectangle(corners, item_to_camera, intrinsics, outside=item.instance > 0)
    if rectangle is None:
        return
    x0, y0, x1, y1 = rectangle
    columns = np.arange(x0, x1, dtype=np.float32)[None]
    rows = np.arange(y0, y1, dtype=np.float32)[:, None]
    hits = item.surface.cast(pixel_rays(columns, rows, camera_to_item, intrinsics))
    if item.instance:
        rendering.silhouette_pixels[item.instance] = int(np.isfinite(hits.depth).sum())

    # Depth test on the part of the rectangle that lies in the image.
    left, right = max(x0, 0), min(x1, intrinsics.width)
    top, bottom = max(y0, 0), min(y1, intrinsics.height)
    depth = hits.depth[top - y0 : bottom - y0, left - x0 : right - x0]
    nearer_rows, nearer_columns = np.nonzero(depth < rendering.depth[top:bottom, left:right])

    # Flat indices of the nearer hits, in the image and in the rectangle.
    pixels = (nearer_rows + top) * intrinsics.width + nearer_columns + left
    chosen = (nearer_rows + (top - y0)) * (x1 - x0) + nearer_columns + (left - x0)
    _fill(rendering, item, camera_to_item, hits.at(chosen), pixels, intrinsics)


def _draw_backdrop(
    rendering: Rendering, item: Item, camera_to_item: np.ndarray, intrinsics: Intrinsics
) -> None:
    pixels = np.flatnonzero(np.isinf(rendering.depth))
    rows, columns = np.divmod(pixels, intrinsics.width)
    rays = pixel_rays(
        columns.astype(np.float32), rows.astype(np.float32), camera_to_item, intrinsics
    )
    hits = item.surface.cast(rays)
    chosen = np.flatnonzero(np.isfinite(hits.depth))
    _fill(rendering, item, camera_to_item, hits.at(chosen), pixels[chosen], intrinsics)


def _fill(
    rendering: Rendering,
    item: Item,
    camera_to_item: np.ndarray,
    hits: Hits,
    pixels: np.ndarray,
    intrinsics: Intrinsics,
) -> None:
    """Write hits into the image at flat ``pixels``."""
    if not len(pixels):
        return
    pixel_size = hits.depth / np.float32(intrinsics.fx)
    normals, albedo = item.surface.appearance(hits, pixel_size)
    normals = camera_to_item[:3, :3].T.astype(np.float32) @ normals

    rendering.depth.reshape(-1)[pixels] = hits.depth
    rendering.albedo.reshape(-1, 3)[pixels] = albedo
    for axis in range(3):
        rendering.normals[axis].reshape(-1)[pixels] = normals[axis]
    rendering.gloss.reshape(-1)[pixels] = item.gloss
    rendering.labels.reshape(-1)[pixels] = item.instance
