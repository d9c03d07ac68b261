# SPDX-License-Identifier: Apache-2.0
"""Models of the YCB-Video data set: one sub-folder per class, in metres.

A sub-folder holds a textured OBJ file, or points of the surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh import MILLIMETER_EXTENT, MeshError, read_obj
from perception_kit.datasets.mesh_colors import MeshColors, TextureColors
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.symmetries import MILLIMETER, read_symmetries

# Points of the surface, read where a sub-folder has no mesh.
POINTS = "points.xyz"


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


def read_ycb_models(folders: Sequence[Path]) -> tuple[dict[int, ObjectModel], list[str]]:
    """Models of the class ``folders`` (or OBJ files), numbered from 1, and notes for the user.

    The notes name what was converted from millimetres. Symmetries are those of the folder's
    symmetries.json or models_info.json, else the known ones of the YCB-Video objects. Raises
    DatasetError for a mesh that is missing or corrupt.
    """
    try:
        symmetry_of = read_symmetries(folders[0].parent)
        geometries = [_geometry(folder) for folder in folders]
    except MeshError as error:
        raise DatasetError(str(error)) from error

    models, notes = {}, []
    for number, folder in enumerate(folders, start=1):
        path, vertices, faces, colors = geometries[number - 1]
        extent = np.ptp(vertices, axis=0).max()
        if extent > MILLIMETER_EXTENT:
            notes.append(
                f"'{path}' is {extent:.0f} units long: taken as millimetres and converted to metres"
            )
            vertices = vertices * MILLIMETER

        name = folder.name if folder.is_dir() else folder.stem
        symmetry = symmetry_of(name, number)
        models[number] = ObjectModel.from_mesh(number, name, vertices, faces, symmetry, colors)
    return models, notes


def _geometry(folder: Path) -> tuple[Path, np.ndarray, np.ndarray, MeshColors | None]:
    """File, vertices (V, 3) float64, triangles (F, 3) and their colors of a folder or OBJ file.

    A folder of points only has no triangles.
    """
    files = sorted(folder.glob("*.obj")) if folder.is_dir() else [folder]
    if not files:
        path = folder / POINTS
        return path, _read_points(path), np.zeros((0, 3), int), None

    path = next((file for file in files if file.stem == "textured"), files[0])
    mesh = read_obj(path)
    colors = TextureColors(mesh.uv, mesh.texture)
    return path, mesh.vertices.astype(float), mesh.faces, colors


def _read_points(path: Path) -> np.ndarray:
    """(V, 3) points of a text file. Raises DatasetError."""
    try:
        points = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"'{path.parent}' holds no .obj file, and '{path.name}' cannot be read either ({error})"
        ) from error
    if points.shape[1] != 3 or len(points) < 4 or not np.isfinite(points).all():
        raise DatasetError(
            f"'{path}' holds values of shape {points.shape}, expected at least 4 lines of x y z"
        )
    return points
