# SPDX-License-Identifier: Apache-2.0
"""Writes the BOP models folder: one PLY per rigid class in millimetres, and models_info.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.json_output import write_json
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.scene import PERSON


def write_models(directory: Path, classes: list[ObjectClass], with_person: bool) -> None:
    """Write ``obj_000001.ply`` … with textures, as BOP's YCB-V has them, and ``models_info.json``.

    A PLY file has texture coordinates and names its ``obj_000001.png``, or has vertex colours where
    the mesh has no texture. The latter file holds names, extents and symmetries; the person comes
    last, without a shape. Raises OSError for a file that cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    info = {}
    for object_class in classes:
        info[str(object_class.class_id)] = _info(object_class)
        _write_ply(directory / f"obj_{object_class.class_id:06d}.ply", object_class.mesh)
    if with_person:
        info[str(len(classes) + 1)] = {"name": PERSON, "articulated": True}
    write_json(directory / "models_info.json", info)


def _info(object_class: ObjectClass) -> dict[str, Any]:
    """The class's entry of ``models_info.json``, millimetres."""
    entry: dict[str, Any] = {"name": object_class.name, "diameter": object_class.diameter * 1000}
    vertices = object_class.mesh.vertices
    low, size = vertices.min(axis=0) * 1000, np.ptp(vertices, axis=0) * 1000
    for axis, name in enumerate("xyz"):
        entry[f"min_{name}"] = float(low[axis])
        entry[f"size_{name}"] = float(size[axis])

    symmetry = object_class.symmetry
    if symmetry.axis is not None:
        offset = [value * 1000 for value in symmetry.offset]
        entry["symmetries_continuous"] = [{"axis": list(symmetry.axis), "offset": offset}]
    if symmetry.discrete:
        matrices = [matrix.copy() for matrix in symmetry.discrete]
        for matrix in matrices:
            matrix[:3, 3] *= 1000
        entry["symmetries_discrete"] = [matrix.reshape(-1).tolist() for matrix in matrices]
    return entry


def _write_ply(path: Path, mesh: TexturedMesh) -> None:
    """The mesh with a texture beside it, or with colors, or with neither where none are known."""
    textured = mesh.painted and mesh.colors is None
    corners = mesh.uv if mesh.colors is None else mesh.colors

    # PLY has texture coordinates and colors by vertex: one where they meet becomes several.
    rows = np.column_stack([mesh.faces.reshape(-1), corners.reshape(-1, corners.shape[-1])])
    rows, index = np.unique(rows.astype(np.float64), axis=0, return_inverse=True)
    origin, values = rows[:, 0].astype(int), rows[:, 1:]
    colors = None
    if mesh.colors is not None:
        colors = values.astype(np.uint8)
    elif textured:
        colors = _texture_colors(mesh.texture, values)
    model = trimesh.Trimesh(
        mesh.vertices[origin] * np.float32(1000),
        index.reshape(-1, 3),
        vertex_normals=mesh.vertex_normals()[origin],
        vertex_colors=colors,
        process=False,
    )
    if textured:
        model.vertex_attributes["texture_u"] = values[:, 0].astype(np.float32)
        model.vertex_attributes["texture_v"] = values[:, 1].astype(np.float32)

    content = trimesh.exchange.ply.export_ply(model, vertex_normal=True)
    if textured:
        picture = path.with_suffix(".png")
        if not cv2.imwrite(str(picture), mesh.texture[..., ::-1]):
            raise OSError(f"{picture}: could not be written")
        comment = f"comment TextureFile {picture.name}\nend_header\n".encode()
        content = content.replace(b"end_header\n", comment, 1)
    path.write_bytes(content)


def _texture_colors(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(N, 3) the texture's pixels at (N, 2) coordinates, for programs that show no textures."""
    height, width = texture.shape[:2]
    column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return texture[row, column]
