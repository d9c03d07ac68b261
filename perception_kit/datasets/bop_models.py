# SPDX-License-Identifier: Apache-2.0
"""Object classes of a BOP models folder: ``models_info.json`` and a mesh of each class.

Files are in millimetres by the definition of the format; everything returned here is in metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.datasets.files import DatasetError, by_number, read_json
from perception_kit.datasets.mesh_colors import colors_of
from perception_kit.datasets.mesh_folder import ObjectFile, numbered_mesh, numbered_meshes, read_all
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel, model_from_entry
from perception_kit.datasets.symmetries import MILLIMETER


def read_models(folder: str | Path, unit: MeshUnit = "auto") -> dict[int, ObjectModel]:
    """Object classes of a BOP models folder, by class id in ascending order.

    The folder is the one that holds ``models_info.json``; without that file, sizes are measured on
    the meshes, and no object is symmetric. A class without a ``name`` key (as in the published
    datasets) is called ``obj_000001``. Meshes are in millimetres, or ``unit``. Raises DatasetError
    for a missing file or key, and for two classes of one name.
    """
    path = Path(folder) / "models_info.json"
    if not path.is_file() and (meshes := numbered_meshes(path.parent)):
        return _measured_models(meshes, unit)
    models = {}
    for class_id, entry in by_number(read_json(path), path):
        if not isinstance(entry, Mapping):
            raise DatasetError(
                f"'{path}' holds {entry!r:.60} for object {class_id}, expected its extents by name"
            )
        name = entry.get("name", f"obj_{class_id:06d}")
        if entry.get("articulated", False):
            models[class_id] = _articulated_model(class_id, name, entry)
        else:
            mesh_path = numbered_mesh(path.parent, class_id)
            models[class_id] = model_from_entry(class_id, name, entry, mesh_path, path, unit)

    names = [model.name for model in models.values()]
    if len(set(names)) < len(names):
        raise DatasetError(f"'{path}' gives several objects the same name: {names}")
    return models


def _measured_models(meshes: Mapping[int, Path], unit: MeshUnit) -> dict[int, ObjectModel]:
    """Models of ``meshes`` by number whose sizes no file states."""

    def read(numbered: tuple[int, Path]) -> ObjectModel:
        class_id, path = numbered
        mesh, factor, notes = ObjectFile(path.stem, path, "mm", class_id).read(unit)
        notes = [*notes, f"{path.stem}: taken as not symmetric, for there is no models_info.json"]
        vertices, colors = mesh.vertices.astype(float), colors_of(mesh)
        model = ObjectModel.from_mesh(class_id, path.stem, vertices, mesh.faces, {}, colors, notes)
        model.mesh_path, model.meters_per_unit = path, factor
        return model

    return {model.class_id: model for model in read_all(read, list(meshes.items()))}


def _articulated_model(class_id: int, name: str, entry: Mapping[str, Any]) -> ObjectModel:
    """A model without a mesh; extents that the entry does not state are 0."""
    size_mm = np.array([entry.get(f"size_{axis}", 0.0) for axis in "xyz"], np.float32)
    size = size_mm * np.float32(MILLIMETER)
    diameter = entry.get("diameter", 0.0) * MILLIMETER
    return ObjectModel(class_id, name, diameter, size, entry, articulated=True)
