# SPDX-License-Identifier: Apache-2.0
"""Object classes that scenes are made of, and the reader of a folder of meshes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from perception_kit.datasets.diameter import largest_distance
from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.datasets.mesh_folder import find_objects, read_all
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.scaling import scaled_symmetries
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

    @property
    def rotations(self) -> np.ndarray:
        """(K, 3, 3) rotations that stand for all, the identity first."""
        turns = [np.eye(3), *(matrix[:3, :3] for matrix in self.discrete)]
        if self.axis is not None:
            axis = np.array(self.axis) / np.linalg.norm(self.axis)
            turns.append(Rotation.from_rotvec(axis).as_matrix())
        return np.stack(turns)

    def scaled(self, scale: np.ndarray) -> Symmetry:
        """The same symmetry of the object scaled by (3,) factors about its origin."""
        discrete = tuple(scaled_symmetries(np.stack(self.discrete), scale)) if self.discrete else ()
        return replace(self, offset=_vector(scale * self.offset), discrete=discrete)


@dataclass(eq=False)
class ObjectClass:
    """One rigid class: its mesh in metres in the model frame, and what is derived from it.

    ``scale`` (3,) says by which factors along the model's axes the mesh is that of the class, which
    is ``unscaled``.
    """

    class_id: int
    name: str
    mesh: TexturedMesh
    symmetry: Symmetry = field(default_factory=Symmetry)
    scale: np.ndarray = field(default_factory=lambda: np.ones(3))
    unscaled: ObjectClass | None = None

    def scaled(self, scale: np.ndarray) -> ObjectClass:
        """An object of the class whose mesh is scaled by (3,) factors about its origin."""
        mesh, symmetry = self.mesh.scaled(scale), self.symmetry.scaled(scale)
        return replace(self, mesh=mesh, symmetry=symmetry, scale=scale, unscaled=self)

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
        return largest_distance(self.mesh.vertices)

    @cached_property
    def stable_poses(self) -> list[StablePose]:
        """Ways in which it comes to rest on a plane; those of a scaled object rest on the facets
        of its class, for to find them takes ten times as long as to render a frame.
        """
        if self.unscaled is not None:
            return [pose.scaled(self.scale) for pose in self.unscaled.stable_poses]
        return stable_poses(self.mesh.vertices)


def read_classes(directory: Path, unit: MeshUnit = "auto") -> tuple[list[ObjectClass], list[str]]:
    """Classes of a folder of meshes, and lines for the user: how large they are, what they lack.

    The folder has a sub-folder or a mesh for each class, whose sorted names are the class names,
    numbered from 1, or is a BOP models folder. Raises MeshError listing what is missing or corrupt.
    """
    symmetry_of = read_symmetries(directory)
    objects = find_objects(directory)
    read = read_all(lambda file: file.read(unit), objects)

    classes: list[ObjectClass] = []
    notes: list[str] = []
    for number, (file, (mesh, _, lines)) in enumerate(zip(objects, read, strict=True), start=1):
        symmetry = _symmetry(symmetry_of(file.name, file.number or number))
        classes.append(ObjectClass(number, file.name, mesh, symmetry))
        notes += lines
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
