# SPDX-License-Identifier: Apache-2.0
"""Parts of a mesh with their own textures or colors, and their union under one texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import trimesh
from trimesh.visual import TextureVisuals
from trimesh.visual.color import linear_to_srgb, to_rgba
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from perception_kit.datasets.mesh import MeshError, TexturedMesh

GRAY = 128
LARGEST_TEXTURE = 8192  # pixels
PATCHES = (8, 64)  # pixels of one color beside textures, at least and at most


@dataclass
class Part:
    """``vertices`` (V, 3) and ``faces`` (F, 3) with ``uv`` (F, 3, 2) in a ``texture``, with
    ``colors`` (F, 3, 3) of the corners, or with neither. ``misses_coordinates`` is True where a
    texture cannot be laid on it.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None
    colors: np.ndarray | None = None
    misses_coordinates: bool = False

    def placed(self, matrix: np.ndarray) -> Part:
        """The part moved by a (4, 4) matrix; its outside stays outside in a mirror image."""
        part = replace(self, vertices=self.vertices @ matrix[:3, :3].T + matrix[:3, 3])
        if np.linalg.det(matrix[:3, :3]) < 0:
            part.faces = part.faces[:, ::-1]
            part.uv = None if part.uv is None else part.uv[:, ::-1]
            part.colors = None if part.colors is None else part.colors[:, ::-1]
        return part


def part_of(geometry: trimesh.Trimesh, linear: bool) -> Part:
    """The part that trimesh read; ``linear``: its colors, not its textures, are linear (glTF).

    Raises MeshError for a texture that cannot be decoded.
    """
    vertices = np.asarray(geometry.vertices, np.float64)
    faces = np.asarray(geometry.faces, np.int64)
    part = Part(vertices, faces)
    visual = geometry.visual
    if isinstance(visual, TextureVisuals):
        texture = _texture(visual.material)
        if texture is not None and visual.uv is not None:
            part.texture, part.uv = texture, np.asarray(visual.uv, np.float64)[faces]
            return part
        part.misses_coordinates = texture is not None
        corners = geometry.vertex_attributes.get("color", visual.vertex_attributes.get("color"))
        if corners is not None and len(corners) == len(vertices):
            part.colors = to_rgba(corners)[faces][..., :3]
        elif (color := _material_color(visual.material)) is not None:
            part.colors = np.broadcast_to(color, (len(faces), 3, 3))
    elif visual is not None and visual.kind == "vertex":
        part.colors = visual.vertex_colors[faces][..., :3]
    elif visual is not None and visual.kind == "face":
        part.colors = np.repeat(visual.face_colors[:, None, :3], 3, axis=1)

    if part.colors is not None and linear:
        part.colors = np.round(linear_to_srgb(part.colors / 255.0) * 255)
    return part


def _texture(material: object) -> np.ndarray | None:
    """(H, W, 3) uint8, None for a material without one."""
    is_pbr = isinstance(material, PBRMaterial)
    image = getattr(material, "baseColorTexture" if is_pbr else "image", None)
    if image is None or image.format is None:  # trimesh's own stand-in is of no format
        return None
    try:
        texture = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise MeshError(f"its texture is damaged ({error}): export the mesh again") from error

    # Converters from OBJ leave gray factors behind; that is brightness, which the light decides.
    factor = getattr(material, "baseColorFactor", None) if is_pbr else None
    if factor is None or np.ptp(to_rgba(factor)[:3]) == 0:
        return texture
    tint = linear_to_srgb(to_rgba(factor)[:3] / 255.0)
    return np.round(texture * tint).astype(np.uint8)


def _material_color(material: object) -> np.ndarray | None:
    """(3,) uint8, None where the file states none."""
    if isinstance(material, PBRMaterial):
        factor = material.baseColorFactor
        return None if factor is None else to_rgba(factor)[:3]
    if isinstance(material, SimpleMaterial) and "kd" in material.kwargs:
        return material.diffuse[:3]
    return None


def union(parts: list[Part], weld: bool) -> TexturedMesh:
    """One mesh of all parts; ``weld`` makes one vertex of those at the same place.

    It has corner colors where no part has a texture, else all parts share one texture: there a face
    of colors has their mean.
    """
    offsets = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    faces = np.concatenate([p.faces + offset for p, offset in zip(parts, offsets, strict=True)])
    used, index = np.unique(faces, return_inverse=True)
    vertices = np.concatenate([part.vertices for part in parts])[used].astype(np.float32)
    if weld:
        vertices, welded = np.unique(vertices, axis=0, return_inverse=True)
        index = welded.reshape(-1)[index]
    mesh = TexturedMesh(
        vertices,
        index.reshape(-1, 3).astype(np.int32),
        np.zeros((len(faces), 3, 2), np.float32),
        np.full((1, 1, 3), GRAY, np.uint8),
        painted=any(part.texture is not None or part.colors is not None for part in parts),
    )

    if any(part.texture is not None for part in parts):
        mesh.uv, mesh.texture = _shared_texture(parts)
    elif mesh.painted:
        mesh.colors = np.concatenate([_colors(part) for part in parts])
    return mesh


def _colors(part: Part) -> np.ndarray:
    if part.colors is None:
        return np.full((len(part.faces), 3, 3), GRAY, np.uint8)
    return part.colors.astype(np.uint8)


def _shared_texture(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Texture coordinates (F, 3, 2) and the texture of all parts, one below the other."""
    tiles: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    coordinates = []
    for number, part in enumerate(parts):
        if part.texture is not None and part.uv is not None:
            uv, image = _repeated(part.uv, part.texture)
        else:
            uv, image = _palette(_colors(part).mean(axis=1).round().astype(np.uint8))
        coordinates.append(uv)
        key = image.tobytes() + repr(image.shape).encode()
        tiles.setdefault(key, (image, []))[1].append(number)
    if len(tiles) == 1:
        return np.concatenate(coordinates).astype(np.float32), next(iter(tiles.values()))[0]

    # Too large a texture is halved.
    images = [image for image, _ in tiles.values()]
    smallest = PATCHES[1]
    while sum(len(image) for image in images) > LARGEST_TEXTURE:
        images = [_halved(image) if min(image.shape[:2]) > smallest else image for image in images]
        smallest = max(smallest // 2, 1)
    # Around each is a border of its own, for blurred and smaller copies of the texture.
    margin = 16 + sum(len(image) for image in images) // 64
    width = max(image.shape[1] for image in images) + 2 * margin
    height = sum(len(image) + 2 * margin for image in images)

    rows, top = [], 0
    for image, (_, members) in zip(images, tiles.values(), strict=True):
        lines, columns = image.shape[:2]
        edges = (margin, margin, margin, width - margin - columns)
        rows.append(cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE))
        for number in members:
            u, v = np.moveaxis(coordinates[number], -1, 0)
            row = top + margin + (1 - v) * lines
            coordinates[number] = np.stack(
                [(margin + u * columns) / width, 1 - row / height], axis=-1
            )
        top += len(rows[-1])
    return np.concatenate(coordinates).astype(np.float32), np.concatenate(rows)


def _repeated(uv: np.ndarray, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in [0, 1] and the texture, repeated as often as a face crosses its border."""
    if not np.isfinite(uv).all():
        raise MeshError("has texture coordinates that are not finite")
    # A face keeps its place within the texture, wherever it lies.
    uv = uv - np.floor(uv.min(axis=1, keepdims=True) + 1e-6)
    times = np.maximum(np.ceil(uv.max(axis=(0, 1)) - 1e-6), 1).astype(int)
    if times.max() == 1:
        return uv.clip(0, 1), texture

    repeats = int(times[0]), int(times[1])
    while max(texture.shape[0] * repeats[1], texture.shape[1] * repeats[0]) > LARGEST_TEXTURE:
        if min(texture.shape[:2]) < 4:
            raise MeshError(f"has a face with {repeats[0]} x {repeats[1]} copies of its texture")
        texture = _halved(texture)
    return (uv / times).clip(0, 1), np.tile(texture, (repeats[1], repeats[0], 1))


def _halved(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def _palette(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, 3, 2) coordinates of the (F, 3) colors of faces in an image of a patch for each color."""
    different, index = np.unique(colors, axis=0, return_inverse=True)
    side = int(np.ceil(np.sqrt(len(different))))
    image = np.zeros((side * side, 3), np.uint8)
    image[: len(different)] = different
    patch = int(np.clip(1024 // side, *PATCHES))
    image = image.reshape(side, side, 3).repeat(patch, axis=0).repeat(patch, axis=1)

    row, column = np.divmod(index.reshape(-1), side)
    center = np.stack([(column + 0.5) / side, 1 - (row + 0.5) / side], axis=-1)
    return np.repeat(center[:, None], 3, axis=1), image
