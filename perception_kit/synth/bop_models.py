# SPDX-License-Identifier: Apache-2.0
"""Writes the BOP models folder: one PLY per rigid class in millimetres, and models_info.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open3d as o3d

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.scene import PERSON


def write_models(directory: Path, classes: list[ObjectClass], with_person: bool) -> None:
    """Write ``obj_000001.ply`` … with vertex colours, and ``models_info.json``.

    The latter holds names, extents and symmetries; the person comes last, without a shape. Raises
    OSError for a file that cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    info = {}
    for object_class in classes:
        info[str(object_class.class_id)] = _info(object_class)
        _write_ply(directory / f"obj_{object_class.class_id:06d}.ply", object_class.mesh)
    if with_person:
        info[str(len(classes) + 1)] = {"name": PERSON, "articulated": True}
    (directory / "models_info.json").write_text(json.dumps(info, indent=2) + "\n")


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
    # The colour of a vertex is that of the texture's pixel at its coordinates.
    height, width = mesh.texture.shape[:2]
    uv = mesh.vertex_uv()
    column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)

    model = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices.astype(float) * 1000),
        o3d.utility.Vector3iVector(mesh.faces.astype(np.int32)),
    )
    model.vertex_normals = o3d.utility.Vector3dVector(mesh.vertex_normals().astype(float))
    model.vertex_colors = o3d.utility.Vector3dVector(mesh.texture[row, column] / 255.0)
    if not o3d.io.write_triangle_mesh(path, model):
        raise OSError(f"{path}: could not be written")
