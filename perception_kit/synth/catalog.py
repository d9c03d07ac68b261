# SPDX-License-Identifier: Apache-2.0
"""Object classes that scenes are made of, and the reader of a folder of meshes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from perception_kit.datasets.mesh import MeshError, TexturedMesh, read_obj, scale_to_meters
from perception_kit.datasets.symmetries import read_symmetries
from perception_kit.synth.shapes import Vector3
from perception_kit.synth.stable_poses import StablePose, stable_poses
from perception_kit.synth.surface import Surface


@dataclass(frozen=True)
class Symmetry:
    """Motions that leave an object looking the same.

    Any turn about ``axis`` through ``offset`` (metres), and the ``discrete`` (4, 4) transforms.
    """

    axis: Vector3 | None = None
    offset: Vector3 = (0.0, 0.0, 0.0)
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
        """The mesh prepared for ray casting."""
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
        """Ways in which it comes to rest on a plane."""
        return stable_poses(self.mesh.vertices)


def read_classes(directory: Path) -> tuple[list[ObjectClass], list[str]]:
    """Classes of a folder whose sub-folders each hold a textured OBJ, and notes for the user.

    Sorted sub-folder names are the class names, numbered from 1. Raises MeshError naming what is
    missing or corrupt.
    """
    found = directory.iterdir() if directory.is_dir() else []
    folders = sorted(path for path in found if path.is_dir())
    if not folders:
        raise MeshError(
            f"{directory}: expected a folder with one sub-folder per object, each with a textured"
            " .obj; found none"
        )

    symmetry_of = read_symmetries(directory)
    classes: list[ObjectClass] = []
    notes: list[str] = []
    for number, folder in enumerate(folders, start=1):
        files = sorted(folder.glob("*.obj"))
        if len(files) != 1:
            names = [path.name for path in files]
            raise MeshError(f"{folder}: expected one .obj file, found {names}")

        mesh, converted = scale_to_meters(read_obj(files[0]))
        if converted:
            notes.append(
                f"{files[0]}: extents of more than 10 units, taken as millimetres and converted to"
                " metres"
            )
        symmetry = _symmetry(symmetry_of(folder.name, number))
        classes.append(ObjectClass(number, folder.name, mesh, symmetry))
    return classes, notes


def _symmetry(entry: Mapping[str, Any]) -> Symmetry:
    """Symmetry of a BOP models_info entry (offsets and translations in millimetres)."""
    discrete = []
    for values in entry.get("symmetries_discrete", []):
        matrix = np.asarray(values, float).reshape(4, 4)
        matrix[:3, 3] /= 1000
        discrete.append(matrix)

    continuous = entry.get("symmetries_continuous", [])
    if not continuous:
        return Symmetry(discrete=tuple(discrete))
    axis = _vector(float(value) for value in continuous[0]["axis"])
    offset = _vector(float(value) / 1000 for value in continuous[0]["offset"])
    return Symmetry(axis, offset, tuple(discrete))


def _vector(values: Iterable[float]) -> Vector3:
    x, y, z = values
    return x, y, z
