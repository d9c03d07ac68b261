# SPDX-License-Identifier: Apache-2.0
"""Ray-cast renderer: colour, depth, instance labels and how much of each instance is visible.

Every surface keeps a ray-casting structure in its own frame, so nothing is rebuilt when things or the camera move;
each item is cast inside its image rectangle only, and the nearest hit of all items wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import open3d as o3d

from perception_kit.geometry import invert_pose
from perception_kit.synth.mesh import TexturedMesh
from perception_kit.types import Intrinsics

SRGB_TO_LINEAR = (np.arange(256, dtype=np.float32) / np.float32(255)) ** np.float32(2.2)


@dataclass
class Hits:
    """Where rays meet a surface: distance (inf where they miss), part, face and barycentric coordinates of the second and third corner."""

    depth: np.ndarray
    part: np.ndarray
    face: np.ndarray
    barycentric: np.ndarray

    def at(self, index: np.ndarray) -> Hits:
        """The hits of the rays with these flat indices."""
        return Hits(
            self.depth.take(index), self.part.take(index), self.face.take(index), self.barycentric.reshape(-1, 2).take(index, axis=0)
        )


class Surface:
    """One or several textured meshes prepared for ray casting in their common frame."""

    def __init__(self, meshes: Sequence[TexturedMesh]) -> None:
        self.meshes = list(meshes)
        self.scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        for mesh in self.meshes:
            self.scene.add_triangles(np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(mesh.faces, np.uint32))
        corner_normals = [mesh.vertex_normals()[mesh.faces] for mesh in self.meshes]
        self.flat = [bool(np.ptp(normals, axis=1).max() < 1e-5) for normals in corner_normals]
        self.normal_frames = [_frame(normals) for normals in corner_normals]
        self.uv_frames = [_frame(mesh.uv) for mesh in self.meshes]
        self.texel_density = [_texel_density(mesh) for mesh in self.meshes]
        self.pyramids = [_pyramid(mesh.texture) for mesh in self.meshes]
        vertices = np.concatenate([mesh.vertices for mesh in self.meshes])
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        self.box_corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])

    def cast(self, rays: np.ndarray) -> Hits:
        """First hits of (..., 6) rays in the surface's frame."""
        answer = self.scene.cast_rays(o3d.core.Tensor.from_numpy(rays), nthreads=1)
        names = ("t_hit", "geometry_ids", "primitive_ids", "primitive_uvs")
        return Hits(*(answer[name].numpy() for name in names))


def _frame(corners: np.ndarray) -> np.ndarray:
    """(C, 3, F) of (F, 3, C) corner values: for each component the value at the first corner and the ways to the second and the third."""
    corners = corners.transpose(2, 1, 0)
    return np.stack([corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=1)


def _interpolate(frame: np.ndarray, face: np.ndarray, second: np.ndarray, third: np.ndarray) -> np.ndarray:
    """(C, n) values at barycentric coordinates on n faces; one component at a time, which is several times faster than rows."""
    values = np.empty((len(frame), len(face)), np.float32)
    for component, (origin, to_second, to_third) in enumerate(frame):
        values[component] = origin.take(face) + to_second.take(face) * second + to_third.take(face) * third
    return values


@dataclass
class Item:
    """A surface placed in the world.

    ``instance`` is 0 for background, k for the k-th instance; ``gloss`` is the strength of highlights. A ``backdrop`` encloses everything
    else, so it is cast only where nothing else was hit.
    """

    surface: Surface
    pose: np.ndarray
    instance: int = 0
    gloss: float = 0.0
    backdrop: bool = False


@dataclass
class Rendering:
    """What the camera sees, before the sensor: images of (H, W).

    ``albedo`` (H, W, 3) uint8 sRGB, ``depth`` float32 z-depth in metres, infinite where nothing is hit, ``normals`` (3, H, W) float32
    unit vectors in the camera frame, ``gloss`` float32, ``labels`` uint8 instance numbers. ``silhouette_pixels`` counts each instance's
    pixels as if nothing stood before it, those up to one image size outside the borders included.
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


def _draw(rendering: Rendering, item: Item, camera_to_item: np.ndarray, intrinsics: Intrinsics) -> None:
    rectangle = _image_rectangle(item.surface.box_corners, invert_pose(camera_to_item), intrinsics, outside=item.instance > 0)
    if rectangle is None:
        return
    x0, y0, x1, y1 = rectangle
    rays = _rays(np.arange(x0, x1, dtype=np.float32)[None], np.arange(y0, y1, dtype=np.float32)[:, None], camera_to_item, intrinsics)
    hits = item.surface.cast(rays)
    if item.instance:
        rendering.silhouette_pixels[item.instance] = int(np.isfinite(hits.depth).sum())
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, intrinsics.width), min(y1, intrinsics.height)
    nearer = hits.depth[top - y0 : bottom - y0, left - x0 : right - x0] < rendering.depth[top:bottom, left:right]
    rows, columns = np.nonzero(nearer)
    pixels = (rows + top) * intrinsics.width + columns + left
    chosen = (rows + (top - y0)) * (x1 - x0) + columns + (left - x0)
    _fill(rendering, item, camera_to_item, hits.at(chosen), pixels, intrinsics)


def _draw_backdrop(rendering: Rendering, item: Item, camera_to_item: np.ndarray, intrinsics: Intrinsics) -> None:
    pixels = np.flatnonzero(np.isinf(rendering.depth))
    rows, columns = np.divmod(pixels, intrinsics.width)
    hits = item.surface.cast(_rays(columns.astype(np.float32), rows.astype(np.float32), camera_to_item, intrinsics))
    chosen = np.flatnonzero(np.isfinite(hits.depth))
    _fill(rendering, item, camera_to_item, hits.at(chosen), pixels[chosen], intrinsics)


def _fill(rendering: Rendering, item: Item, camera_to_item: np.ndarray, hits: Hits, pixels: np.ndarray, intrinsics: Intrinsics) -> None:
    """Write hits into the image at flat ``pixels``."""
    if not len(pixels):
        return
    normals, albedo = _attributes(item.surface, hits, hits.depth / np.float32(intrinsics.fx))
    normals = camera_to_item[:3, :3].T.astype(np.float32) @ normals
    rendering.depth.reshape(-1)[pixels] = hits.depth
    rendering.albedo.reshape(-1, 3)[pixels] = albedo
    for axis in range(3):
        rendering.normals[axis].reshape(-1)[pixels] = normals[axis]
    rendering.gloss.reshape(-1)[pixels] = item.gloss
    rendering.labels.reshape(-1)[pixels] = item.instance


def _rays(x: np.ndarray, y: np.ndarray, camera_to_item: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(..., 6) rays in the item's frame through pixels (x, y).

    Directions have z = 1 in the camera frame, so the hit distance is the z-depth.
    """
    rotation = camera_to_item[:3, :3].astype(np.float32)
    u = (x - np.float32(intrinsics.cx)) / np.float32(intrinsics.fx)
    v = (y - np.float32(intrinsics.cy)) / np.float32(intrinsics.fy)
    rays = np.empty((*np.broadcast_shapes(u.shape, v.shape), 6), np.float32)
    rays[..., :3] = camera_to_item[:3, 3]
    for axis in range(3):
        rays[..., 3 + axis] = u * rotation[axis, 0] + (v * rotation[axis, 1] + rotation[axis, 2])
    return rays


def _image_rectangle(
    corners: np.ndarray, item_to_camera: np.ndarray, intrinsics: Intrinsics, outside: bool
) -> tuple[int, int, int, int] | None:
    """Pixel rectangle of a box; with ``outside`` it may reach one image size beyond the borders. None when it is out of sight."""
    points = corners @ item_to_camera[:3, :3].T + item_to_camera[:3, 3]
    margin_x, margin_y = (intrinsics.width, intrinsics.height) if outside else (0, 0)
    low = np.array([-margin_x, -margin_y])
    high = np.array([intrinsics.width + margin_x, intrinsics.height + margin_y])
    if points[:, 2].max() < 0.05:
        return None
    if points[:, 2].min() > 0.05:
        pixels = points[:, :2] / points[:, 2:] * [intrinsics.fx, intrinsics.fy] + [intrinsics.cx, intrinsics.cy]
        low = np.maximum(low, np.floor(pixels.min(axis=0)).astype(int))
        high = np.minimum(high, np.ceil(pixels.max(axis=0)).astype(int) + 1)
    if (high <= low).any() or low[0] >= intrinsics.width or low[1] >= intrinsics.height or high[0] <= 0 or high[1] <= 0:
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _attributes(surface: Surface, hits: Hits, pixel_size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals (3, n) in the surface's frame and sRGB texture colours (n, 3) at n hits; ``pixel_size`` (n,) metres."""
    normals = np.empty((3, len(hits.face)), np.float32)
    albedo = np.empty((len(hits.face), 3), np.uint8)
    for index in range(len(surface.meshes)):
        chosen = np.flatnonzero(hits.part == index) if len(surface.meshes) > 1 else np.arange(len(hits.face))
        if not len(chosen):
            continue
        face = hits.face.take(chosen)
        second, third = (hits.barycentric[:, column].take(chosen) for column in range(2))
        texels = pixel_size.take(chosen) * surface.texel_density[index].take(face)
        albedo[chosen] = _sample_texture(surface.pyramids[index], _interpolate(surface.uv_frames[index], face, second, third), texels)
        if surface.flat[index]:
            normals[:, chosen] = surface.normal_frames[index][:, 0].take(face, axis=1)
        else:
            smooth = _interpolate(surface.normal_frames[index], face, second, third)
            smooth /= np.sqrt(smooth[0] * smooth[0] + smooth[1] * smooth[1] + smooth[2] * smooth[2] + np.float32(1e-12))
            normals[:, chosen] = smooth
    return normals, albedo


def _sample_texture(pyramid: list[np.ndarray], uv: np.ndarray, texels: np.ndarray) -> np.ndarray:
    """Bilinear colours (n, 3) at (2, n) ``uv``, each from the pyramid level whose texels are about as large as the pixel."""
    level = np.clip(np.rint(np.log2(np.maximum(texels, 1e-6)) + 0.2), 0, len(pyramid) - 1).astype(np.int8)
    colours = np.empty((len(texels), 3), np.uint8)
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
        colours[chosen] = sampled.reshape(-1, 3)[: len(chosen)]
    return colours


def _pyramid(texture: np.ndarray) -> list[np.ndarray]:
    """The texture and its halved copies down to 4 pixels."""
    levels = [np.ascontiguousarray(texture)]
    while min(levels[-1].shape[:2]) >= 8:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return levels


def _texel_density(mesh: TexturedMesh) -> np.ndarray:
    """(F,) float32 texels of the full texture per metre on each face."""
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    edge, other = mesh.uv[:, 1] - mesh.uv[:, 0], mesh.uv[:, 2] - mesh.uv[:, 0]
    texel_area = np.abs(edge[:, 0] * other[:, 1] - edge[:, 1] * other[:, 0]) * mesh.texture.shape[0] * mesh.texture.shape[1]
    return np.sqrt(texel_area / np.maximum(area, 1e-12)).astype(np.float32)
