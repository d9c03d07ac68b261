# SPDX-License-Identifier: Apache-2.0
"""Object classes that scenes are made of, and the reader of a folder of meshes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from perception_kit.datasets.mesh import MeshError, TexturedMesh, read_obj, scale_to_meters
from perception_kit.datasets.symmetries import read_symmetries
from perception_kit.synth.stable_poses import StablePose, stable_poses
from perception_kit.synth.surface import Surface


@dataclass(frozen=True)
class Symmetry:
    """Motions that leave an object looking the same.

    Any turn about ``axis`` through ``offset`` (metres), and the ``discrete`` (4, 4) transforms.
    """

    axis: tuple[float, float, float] | None = None
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    discrete: tuple[np.ndarray, ...] = ()


@dataclass(eq=False)
class ObjectClass:
    """One rigid class: its mesh in metres in the model frame, and what is derived from it."""

    class_id: int
    name: str
    mesh: TexturedMesh
    symmetry: Symmetry = field(default_factory=Symmetry)

    @cached_property
    def surface(self) -> Surface:
        return Surface([self.mesh])

    @cached_property
    def hull(self) -> np.ndarray:
        """(n, 3) vertices of the convex hull."""
        return self.mesh.vertices[ConvexHull(self.mesh.vertices).vertices].astype(float)

    @cached_property
    def diameter(self) -> float:
        """Largest distance between two points, metres."""
        return float(pdist(self.hull).max())

    @cached_property
    def stable_poses(self) -> list[StablePose]:
        return stable_poses(self.mesh.vertices)


def read_classes(directory: Path) -> tuple[list[ObjectClass], list[str]]:
    """Classes of a folder whose sub-folders each hold a textured OBJ, and notes for the user.

    Sorted sub-folder names are the class names, numbered from 1. Raises MeshError naming what is
    missing or corrupt.
    """
    folders = (
        sorted(path for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
    )
    if not folders:
        raise MeshError(
            f"{directory}: expected a folder with one sub-folder per object, each with a textured"
            " .obj; found none"
        )
    symmetry_of, notes = read_symmetries(directory), []
    classes = []
    for number, folder in enumerate(folders, start=1):
        files = sorted(folder.glob("*.obj"))
        if len(files) != 1:
            raise MeshError(
                f"{folder}: expected one .obj file, found {[path.name for path in files]}"
            )
        mesh, converted = scale_to_meters(read_obj(files[0]))
        if converted:
            notes.append(
                f"{files[0]}: extents of more than 10 units, taken as millimetres and converted to"
                " metres"
            )
        classes.append(
            ObjectClass(number, folder.name, mesh, _symmetry(symmetry_of(folder.name, number)))
        )
    return classes, notes


def _symmetry(entry: dict) -> Symmetry:
    """Symmetry of a BOP models_info entry (offsets and translations in millimetres)."""
    continuous = entry.get("symmetries_continuous", [])
    discrete = []
    for values in entry.get("symmetries_discrete", []):
        matrix = np.asarray(values, float).reshape(4, 4)
        matrix[:3, 3] /= 1000
        discrete.append(matrix)
    if not continuous:
        return Symmetry(discrete=tuple(discrete))
    axis, offset = (
        tuple(float(value) for value in continuous[0][key]) for key in ("axis", "offset")
    )
    return Symmetry(axis, tuple(value / 1000 for value in offset), tuple(discrete))
