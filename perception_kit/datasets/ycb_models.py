# SPDX-License-Identifier: Apache-2.0
"""Models of the YCB-Video data set: one sub-folder per class with a textured OBJ, or points of its
surface, in metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh import MILLIMETER_EXTENT, MeshError, read_obj
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.symmetries import MILLIMETER, read_symmetries

POINTS = "points.xyz"


def class_folders(folder: Path, models: str | Path | None = None) -> list[Path]:
    """Sub-folders, one per class, of ``models``; without it, of the ``models`` folder in ``folder``
    or beside it or one of its parents.

    Raises DatasetError.
    """
    above = [folder.resolve(), *folder.resolve().parents[:4]]
    candidates = [Path(models)] if models is not None else [parent / "models" for parent in above]
    for candidate in candidates:
        found = (
            sorted(item for item in candidate.iterdir() if item.is_dir())
            if candidate.is_dir()
            else []
        )
        if found:
            return found
    looked = ", ".join(f"'{candidate}'" for candidate in candidates)
    raise DatasetError(
        f"no folder of models with one sub-folder per class in {looked}: class numbers cannot be"
        " named"
    )


def read_ycb_models(folders: Sequence[Path]) -> tuple[dict[int, ObjectModel], list[str]]:
    """Models of the class ``folders``, numbered from 1, and notes on those that were converted from
    millimetres.

    Symmetries are those of the folder's symmetries.json or models_info.json, else the known ones of
    the YCB-Video objects. Raises DatasetError for a mesh that is missing or corrupt.
    """
    models, notes = {}, []
    try:
        symmetry_of = read_symmetries(folders[0].parent)
        geometries = [_geometry(folder) for folder in folders]
    except MeshError as error:
        raise DatasetError(str(error)) from error
    for number, (folder, (path, vertices, faces)) in enumerate(
        zip(folders, geometries, strict=True), start=1
    ):
        extent = np.ptp(vertices, axis=0).max()
        if extent > MILLIMETER_EXTENT:
            notes.append(
                f"'{path}' is {extent:.0f} units long: taken as millimetres and converted to metres"
            )
            vertices = vertices * MILLIMETER
        models[number] = ObjectModel.from_mesh(
            number, folder.name, vertices, faces, symmetry_of(folder.name, number)
        )
    return models, notes


def _geometry(folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """File, vertices (V, 3) float64 and triangles (F, 3); a folder of points only has no triangles."""
    meshes = sorted(folder.glob("*.obj"))
    path = next(
        (file for file in meshes if file.stem == "textured"),
        meshes[0] if meshes else folder / POINTS,
    )
    if path.name == POINTS:
        return path, _read_points(path), np.zeros((0, 3), int)
    mesh = read_obj(path)
    return path, mesh.vertices.astype(float), mesh.faces


def _read_points(path: Path) -> np.ndarray:
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
