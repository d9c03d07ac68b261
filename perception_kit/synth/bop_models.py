# SPDX-License-Identifier: Apache-2.0
"""Writes the BOP models folder: one PLY per rigid class in millimetres, and models_info.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open3d as o3d

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.scene import PERSON


def write_models(directory: Path, classes: list[ObjectClass], with_person: bool) -> None:
    """Write ``obj_000001.ply`` … with vertex colours, and ``models_info.json`` with names, extents
    and symmetries.
    """
    directory.mkdir(parents=True, exist_ok=True)
    info = {}
    for thing in classes:
        info[str(thing.class_id)] = _info(thing)
        _write_ply(directory / f"obj_{thing.class_id:06d}.ply", thing.mesh)
    if with_person:
        info[str(len(classes) + 1)] = {"name": PERSON, "articulated": True}
    (directory / "models_info.json").write_text(json.dumps(info, indent=2) + "\n")


def _info(thing: ObjectClass) -> dict:
    low, size = thing.mesh.vertices.min(axis=0) * 1000, np.ptp(thing.mesh.vertices, axis=0) * 1000
    entry: dict = {"name": thing.name, "diameter": thing.diameter * 1000}
    for axis, name in enumerate("xyz"):
        entry[f"min_{name}"] = float(low[axis])
        entry[f"size_{name}"] = float(size[axis])
    if thing.symmetry.axis is not None:
        offset = [value * 1000 for value in thing.symmetry.offset]
        entry["symmetries_continuous"] = [{"axis": list(thing.symmetry.axis), "offset": offset}]
    if thing.symmetry.discrete:
        matrices = [matrix.copy() for matrix in thing.symmetry.discrete]
        for matrix in matrices:
            matrix[:3, 3] *= 1000
        entry["symmetries_discrete"] = [matrix.reshape(-1).tolist() for matrix in matrices]
    return entry


def _write_ply(path: Path, mesh: TexturedMesh) -> None:
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
    if not o3d.io.write_triangle_mesh(str(path), model):
        raise OSError(f"{path}: could not be written")
