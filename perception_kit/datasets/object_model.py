# SPDX-License-Identifier: Apache-2.0
"""Models of object classes: mesh, extents and symmetries, in metres whatever the files' unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import ConvexHull

from perception_kit.datasets.diameter import largest_distance
from perception_kit.datasets.files import DatasetError, numbers, positive
from perception_kit.datasets.mesh import TexturedMesh, refuse_flat
from perception_kit.datasets.mesh_colors import MeshColors, colors_of
from perception_kit.datasets.mesh_units import METERS, MeshUnit, description
from perception_kit.datasets.symmetries import MILLIMETER, symmetry_transforms

# Metres. A smaller diameter was stated in metres where millimetres are expected.
MIN_DIAMETER = 0.002


@dataclass
class SurfaceSamples:
    """``points`` (N, 3) in metres, uniform over a surface, with their outward ``normals`` (N, 3)
    and ``colors`` (N, 3), RGB 0..1; float32. The colors are None where the mesh has none.
    """

    points: np.ndarray
    normals: np.ndarray
    colors: np.ndarray | None


@dataclass
class ObjectModel:
    """Mesh, extents in metres and symmetries of one object class.

    ``size`` (3,) extents of the model's axis-aligned box. ``symmetry`` holds
    ``symmetries_discrete`` and ``symmetries_continuous`` as BOP's models_info.json does
    (millimetres). ``mesh_path`` is a PLY file in units of ``meters_per_unit``. An articulated
    object has no rigid mesh: ``mesh_path`` is None, and extents that are not stated are 0.
    ``notes`` say how large it is by which unit, and what its mesh lacks. Raises DatasetError for
    symmetries that cannot be read.
    """

    class_id: int
    name: str
    diameter: float
    size: np.ndarray
    symmetry: Mapping[str, Any]
    articulated: bool
    mesh_path: Path | None = None
    meters_per_unit: float = MILLIMETER
    notes: list[str] = field(default_factory=list)
    _mesh: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)
    _colors: MeshColors | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            symmetry_transforms(self.symmetry)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"the symmetries stated for object {self.class_id} ('{self.name}')"
                f" cannot be read: {error}"
            ) from error

    @classmethod
    def from_mesh(
        cls,
        class_id: int,
        name: str,
        vertices: np.ndarray,
        faces: np.ndarray,
        symmetry: Mapping[str, Any],
        colors: MeshColors | None = None,
        notes: Sequence[str] = (),
    ) -> ObjectModel:
        """A model of (V, 3) vertices in metres and (F, 3) triangles, with measured extents.

        F may be 0: a model of surface points only.
        """
        return cls(
            class_id,
            name,
            diameter=largest_distance(vertices),
            size=np.ptp(vertices, axis=0).astype(np.float32),
            symmetry=symmetry,
            articulated=False,
            notes=list(notes),
            _mesh=(vertices, faces),
            _colors=colors,
        )

    @cached_property
    def symmetries(self) -> list[np.ndarray]:
        """(4, 4) transforms of the model onto itself in metres, the identity first.

        Continuous symmetries come as equal rotation steps.
        """
        return symmetry_transforms(self.symmetry)

    @property
    def symmetric(self) -> bool:
        """True where at least one transform other than the identity maps the model onto itself."""
        return len(self.symmetries) > 1

    def mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (V, 3) float64 in metres and triangles (F, 3) int.

        F is 0 where only points of the surface are known. Raises DatasetError where the object is
        articulated, the file is damaged or flat, or its unit contradicts ``size``.
        """
        if self._mesh is None:
            if self.mesh_path is None:
                raise DatasetError(
                    f"object {self.class_id} ('{self.name}') is articulated: it has no rigid mesh"
                )
            # Evaluation needs no textures, which take long to read and may be missing.
            mesh = _read(self.mesh_path, appearance=False)
            refuse_flat(self.mesh_path, mesh)
            self._mesh = mesh.vertices.astype(float) * self.meters_per_unit, mesh.faces

            extent = np.ptp(self._mesh[0], axis=0)
            if not np.allclose(extent, self.size, rtol=0.1, atol=0.002):
                raise DatasetError(
                    f"'{self.mesh_path}' is {_in_mm(extent)} mm in size,"
                    f" but its models_info file says {_in_mm(self.size)} mm:"
                    " this layout's models are in millimetres; scale the mesh, correct the file, or"
                    " give --mesh-unit"
                )
        return self._mesh

    @cached_property
    def hull(self) -> np.ndarray:
        """(n, 3) vertices of the convex hull in metres."""
        vertices = self.mesh()[0]
        # QJ (joggled input) accepts flat sets of points, too.
        return vertices[ConvexHull(vertices, qhull_options="QJ").vertices]

    def points(self, count: int, seed: int = 0) -> np.ndarray:
        """(count, 3) float32 points in metres, uniform over the surface.

        The same seed gives the same points.
        """
        vertices, faces = self.mesh()
        rng = np.random.default_rng(seed)
        if len(faces) == 0:
            chosen = rng.choice(len(vertices), count, replace=len(vertices) < count)
            return vertices[chosen].astype(np.float32)

        return self._sample(count, seed)[0].points

    def surface(self, count: int, seed: int = 0) -> SurfaceSamples:
        """The ``points`` of the same arguments, with normals and colors.

        Raises DatasetError for a model without triangles, and for a texture that is missing.
        """
        samples, chosen, weights = self._sample(count, seed)
        if self._colors is None and self.mesh_path is not None:
            self._colors = colors_of(_read(self.mesh_path, appearance=True))
        if self._colors is not None:
            samples.colors = self._colors.at(chosen, weights)
        return samples

    def _sample(self, count: int, seed: int) -> tuple[SurfaceSamples, np.ndarray, np.ndarray]:
        """Samples without colors, their triangles (N,) and barycentric weights (N, 3)."""
        vertices, faces = self.mesh()
        if len(faces) == 0:
            raise DatasetError(
                f"object {self.class_id} ('{self.name}') is known by points only: it has no surface"
            )
        rng = np.random.default_rng(seed)

        # Triangles are drawn in proportion to their areas.
        a, b, c = (vertices[faces[:, k]] for k in range(3))
        cross = np.cross(b - a, c - a)
        area = np.linalg.norm(cross, axis=1)
        chosen = rng.choice(len(faces), count, p=area / area.sum())

        # A point in the far half of the parallelogram is folded back into the triangle.
        u, v = rng.random((2, count, 1))
        folded = u + v > 1
        u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
        points = a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen]

        weights = np.hstack([1 - u - v, u, v])
        normals = (cross[chosen] / area[chosen, None]).astype(np.float32)
        return SurfaceSamples(points.astype(np.float32), normals, None), chosen, weights


def model_from_entry(
    class_id: int,
    name: str,
    entry: Mapping[str, Any],
    mesh_path: Path,
    info_path: Path,
    unit: MeshUnit = "auto",
) -> ObjectModel:
    """The rigid model of an entry of models_info.json or models_info.yml (millimetres).

    ``unit`` is that of the mesh, millimetres too by default.

    Raises DatasetError for a missing key or file, and for lengths that contradict each other or are
    in metres.
    """
    if not mesh_path.is_file():
        raise DatasetError(
            f"'{info_path}' lists object {class_id}, but '{mesh_path}' does not exist"
        )

    sides_mm = [numbers(entry, f"size_{axis}", 1, info_path)[0] for axis in "xyz"]
    size = np.array(sides_mm) * MILLIMETER
    diameter = positive(entry, "diameter", info_path) * MILLIMETER

    # A diameter lies between the longest side and the diagonal of the box; half and twice leave
    # room for rough values, but not for another unit.
    if diameter < MIN_DIAMETER or not size.max() / 2 <= diameter <= 2 * np.linalg.norm(size):
        raise DatasetError(
            f"'{info_path}': object {class_id} has the diameter {diameter / MILLIMETER:.4g} mm"
            f" and the size {_in_mm(size)} mm:"
            " all lengths of this layout, those of the meshes too, are in millimetres"
        )
    known, reason = ("mm", "of its format") if unit == "auto" else (unit, "as given")
    return ObjectModel(
        class_id,
        name,
        diameter,
        size.astype(np.float32),
        entry,
        articulated=False,
        mesh_path=mesh_path,
        meters_per_unit=METERS[known],
        notes=[description(name, size, known, reason)],
    )


def _read(path: Path, appearance: bool) -> TexturedMesh:
    from perception_kit.datasets.mesh_file import read_mesh  # importing trimesh takes a second

    return read_mesh(path, appearance).mesh


def _in_mm(extent: np.ndarray) -> str:
    return " x ".join(f"{value / MILLIMETER:.1f}" for value in extent)
