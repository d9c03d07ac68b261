# SPDX-License-Identifier: Apache-2.0
"""Reads object meshes: OBJ, PLY, STL (text and binary) and GLB."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.exchange.load import mesh_loaders

from perception_kit.budgets import parse_json
from perception_kit.datasets.mesh import MESH_FORMATS, MeshError, TexturedMesh
from perception_kit.datasets.mesh_assets import MATERIALS, ONLY_MATERIAL, Assets, read_content
from perception_kit.datasets.mesh_parts import Part, part_of, union
from perception_kit.datasets.mesh_ply import prepare_ply
from perception_kit.datasets.mesh_text import Prepared, prepare_obj, prepare_stl

# What it cannot read is named by MeshError; it would print a traceback of each as well.
logging.getLogger("trimesh").setLevel(logging.CRITICAL)

# The unit that a format prescribes.
FORMAT_UNITS = {".glb": "m"}


@dataclass
class MeshFile:
    """A mesh in the unit of its file, with notes on what it lacks."""

    path: Path
    mesh: TexturedMesh
    notes: list[str]

    @property
    def unit(self) -> str | None:
        """The unit that the format prescribes."""
        return FORMAT_UNITS.get(self.path.suffix.lower())


@np.errstate(invalid="ignore", over="ignore")  # of vertices that are not finite, refused below
def read_mesh(path: Path, appearance: bool = True) -> MeshFile:
    """Read a mesh with its textures or colors; with neither it is gray.

    Polygons become triangle fans, and the parts of a scene one mesh. Without ``appearance`` the
    mesh is gray, too, and its textures may be missing. Raises MeshError, which names the file and
    says what to do.
    """
    kind = path.suffix.lower()
    if kind not in MESH_FORMATS:
        raise MeshError(f"{path}: is no {', '.join(MESH_FORMATS)} file: convert it to one of them")
    content = read_content(path)
    assets = Assets(path)
    try:
        prepared = _prepare(content, kind, assets, appearance)
        parts = _parts(prepared.content, kind, assets, appearance)
    except MeshError as error:
        if str(path.parent) in str(error):
            raise
        raise MeshError(f"{path}: {error}") from error
    except (ValueError, LookupError, OverflowError, MemoryError) as error:  # of a damaged header
        raise MeshError(f"{path}: is damaged ({error}): copy or export it again") from error

    mesh = _checked(path, parts, prepared.triangles)
    notes = []
    if appearance and any(part.texture is None and part.colors is None for part in parts):
        some = "a part of it" if mesh.painted else "it"
        notes.append(f"{path}: {some} has neither a texture nor colors, and is gray")
    if appearance and any(part.misses_coordinates for part in parts):
        notes.append(
            f"{path}: a texture is not used, for faces of its material have no texture coordinates"
        )
    return MeshFile(path, mesh, notes)


def _prepare(content: bytes, kind: str, assets: Assets, appearance: bool) -> Prepared:
    if kind == ".glb":
        _check_glb(content, appearance)
        return Prepared(content)
    if kind == ".ply":
        return prepare_ply(content)
    if kind == ".stl":
        return prepare_stl(content)

    prepared = prepare_obj(content, MATERIALS, ONLY_MATERIAL)
    for name in prepared.libraries if appearance else ():
        assets.add_materials(name)
    return prepared


def _parts(content: bytes, kind: str, assets: Assets, appearance: bool) -> list[Part]:
    """The surfaces that trimesh finds, at their places in the scene."""
    try:
        loaded = mesh_loaders[kind[1:]](
            file_obj=io.BytesIO(content),
            file_type=kind[1:],
            resolver=assets,
            skip_materials=not appearance,
        )
        for geometry in loaded.get("geometry", {"": loaded}).values():
            # Vertices stay as they are, and colors of 16 bits become shares of 1.
            geometry["process"] = False
            colors = geometry.get("vertex_colors")
            if colors is not None and np.asarray(colors).dtype == np.uint16:
                geometry["vertex_colors"] = np.asarray(colors) / 65535
        scene = trimesh.load_scene(loaded)
        placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
    except Exception as error:  # trimesh and its formats raise anything
        if assets.errors:
            raise assets.errors[0] from error
        raise MeshError(
            f"cannot be read ({type(error).__name__}: {error}): the file is damaged, or of a form"
            " that is not supported; export it again"
        ) from error

    if assets.errors:
        raise assets.errors[0]
    parts = []
    for matrix, name in placed:
        geometry = scene.geometry[name]
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
            part = part_of(geometry, linear=kind == ".glb")
            parts.append((part if appearance else Part(part.vertices, part.faces)).placed(matrix))
    return parts


def _checked(path: Path, parts: list[Part], triangles: int) -> TexturedMesh:
    """The parts as one mesh. Raises MeshError where it has no surface."""
    count = sum(len(part.faces) for part in parts)
    if count < triangles:
        raise MeshError(
            f"{path}: declares {triangles} faces, but {count} could be read: the file is damaged;"
            " copy or export it again"
        )
    if count == 0:
        raise MeshError(
            f"{path}: has no faces: a surface is needed, not points or lines; export it as a mesh"
        )
    for part in parts:
        if part.faces.min() < 0 or part.faces.max() >= len(part.vertices):
            raise MeshError(
                f"{path}: has a triangle with vertex {part.faces.max()}, but {len(part.vertices)}"
                " vertices: the file is damaged; copy or export it again"
            )

    # trimesh splits vertices of OBJ files where textures meet, which would show as edges.
    mesh = union(parts, weld=path.suffix.lower() == ".obj")
    if not np.isfinite(mesh.vertices).all():
        raise MeshError(
            f"{path}: has vertices that are not finite (NaN or infinite): repair or export it again"
        )
    first, second, third = mesh.vertices[mesh.faces].astype(float).transpose(1, 0, 2)
    if np.linalg.norm(np.cross(second - first, third - first), axis=1).max() <= 1e-12 * (
        mesh.size.max() ** 2
    ):
        raise MeshError(f"{path}: all of its triangles are degenerate (without an area)")
    return mesh


def _check_glb(content: bytes, appearance: bool) -> None:
    """Raises MeshError for what trimesh would leave out: compressed parts and damaged images."""
    size = int.from_bytes(content[12:16], "little")
    try:
        header = parse_json(content[20 : 20 + size])
    except ValueError as error:
        raise MeshError("is damaged or no GLB file: copy or export it again") from error
    if not (content.startswith(b"glTF") and isinstance(header, Mapping)):
        raise MeshError("is damaged or no GLB file: copy or export it again")

    supported = ("KHR_materials", "KHR_texture_transform")
    required = header.get("extensionsRequired", [])
    if foreign := [name for name in required if not name.startswith(supported)]:
        raise MeshError(f"needs the extensions {', '.join(foreign)}: export it without compression")
    if appearance:
        for image in header.get("images", []):
            _check_image(image, header, content[28 + size :])


def _check_image(image: Mapping[str, Any], header: Mapping[str, Any], binary: bytes) -> None:
    from PIL import Image

    if "bufferView" not in image:
        if not str(image.get("uri", "")).startswith("data:"):
            raise MeshError(f"names an image outside of it ({image.get('uri')}): embed textures")
        return
    view = header["bufferViews"][image["bufferView"]]
    start = view.get("byteOffset", 0)
    try:
        Image.open(io.BytesIO(binary[start : start + view["byteLength"]])).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise MeshError("has a damaged texture: copy or export it again") from error
