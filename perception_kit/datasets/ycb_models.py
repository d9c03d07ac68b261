# SPDX-License-Identifier: Apache-2.0
"""Models of the YCB-Video data set: one sub-folder per class, in metres.

A sub-folder holds a mesh, or points of the surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh import MESH_FORMATS
from perception_kit.datasets.mesh_colors import MeshColors, colors_of
from perception_kit.datasets.mesh_folder import (
    ObjectFile,
    find_objects,
    has_mesh,
    mesh_of,
    read_all,
)
from perception_kit.datasets.mesh_units import MeshUnit, meters_per_unit
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.symmetries import read_symmetries

# Points of the surface, read where a sub-folder has no mesh.
POINTS = "points.xyz"


@dataclass
class Geometry:
    """``vertices`` (V, 3) float64 in metres, triangles (F, 3) and their colors, with notes.

    F is 0 where only points are known.
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    colors: MeshColors | None
    notes: list[str]
    mesh_path: Path | None = None
    meters_per_unit: float = 1.0


def class_folders(folder: Path, models: str | Path | None = None) -> list[Path]:
    """Sub-folders of ``models``, one per class, in alphabetic order.

    Without ``models``, the ``models`` folder is looked for in ``folder``, beside it and beside its
    parents. Raises DatasetError.
    """
    above = [folder.resolve(), *folder.resolve().parents[:4]]
    candidates = [Path(models)] if models is not None else [parent / "models" for parent in above]
    for candidate in candidates:
        entries = candidate.iterdir() if candidate.is_dir() else ()
        if found := sorted(entry for entry in entries if entry.is_dir()):
            return found

    searched = ", ".join(f"'{candidate}'" for candidate in candidates)
    raise DatasetError(
        f"no folder of models with one sub-folder per class in {searched}:"
        " class numbers cannot be named"
    )


def read_ycb_models(folders: Sequence[Path], unit: MeshUnit = "auto") -> dict[int, ObjectModel]:
    """Models of the class ``folders``, numbered from 1.

    Raises DatasetError that lists the meshes that are missing or corrupt.
    """
    return _models(folders[0].parent, read_all(lambda folder: _geometry(folder, unit), folders))


def read_mesh_models(folder: Path, unit: MeshUnit = "auto") -> dict[int, ObjectModel]:
    """Models of a folder with a sub-folder or a mesh for each class, numbered from 1.

    Raises DatasetError that lists the meshes that are missing or corrupt.
    """
    if not has_mesh(folder):
        return read_ycb_models(class_folders(folder, folder), unit)
    return _models(folder, read_all(lambda file: _surface(file, unit), find_objects(folder)))


def read_object(path: Path, unit: MeshUnit = "auto") -> ObjectModel:
    """The model of one mesh file, or of a folder with one, called as the file or folder is.

    Raises DatasetError for a mesh that is missing or corrupt.
    """
    geometry = (
        _geometry(path, unit) if path.is_dir() else _surface(ObjectFile(path.stem, path), unit)
    )
    return _models(path.parent, [geometry])[1]


def _models(directory: Path, geometries: Sequence[Geometry]) -> dict[int, ObjectModel]:
    """Symmetries are those of the directory's symmetries.json or models_info.json, else the known
    ones of the YCB-Video objects.
    """
    symmetry_of = read_symmetries(directory)
    models = {}
    for number, geometry in enumerate(geometries, start=1):
        model = ObjectModel.from_mesh(
            number,
            geometry.name,
            geometry.vertices,
            geometry.faces,
            symmetry_of(geometry.name, number),
            geometry.colors,
            geometry.notes,
        )
        model.mesh_path, model.meters_per_unit = geometry.mesh_path, geometry.meters_per_unit
        models[number] = model
    return models


def _geometry(folder: Path, unit: MeshUnit) -> Geometry:
    if has_mesh(folder):
        return _surface(ObjectFile(folder.name, mesh_of(folder)), unit)

    points = _read_points(folder / POINTS)
    factor, line = meters_per_unit(folder.name, np.ptp(points, axis=0), unit)
    return Geometry(folder.name, points * factor, np.zeros((0, 3), int), None, [line])


def _surface(file: ObjectFile, unit: MeshUnit) -> Geometry:
    mesh, factor, notes = file.read(unit)
    vertices = mesh.vertices.astype(float)
    return Geometry(file.name, vertices, mesh.faces, colors_of(mesh), notes, file.path, factor)


def _read_points(path: Path) -> np.ndarray:
    """(V, 3) points of a text file. Raises DatasetError."""
    try:
        points = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"'{path.parent}' holds no mesh ({', '.join(MESH_FORMATS)}),"
            f" and '{path.name}' cannot be read either ({error})"
        ) from error
    if points.shape[1] != 3 or len(points) < 4 or not np.isfinite(points).all():
        raise DatasetError(
            f"'{path}' holds values of shape {points.shape}, expected at least 4 lines of x y z"
        )
    return points
