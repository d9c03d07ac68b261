# SPDX-License-Identifier: Apache-2.0
"""Shapes of the objects that the viewer shows at their poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull

from perception_kit.datasets.mesh_folder import read_all
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.opener import open_models


@dataclass(frozen=True)
class Shape:
    """``vertices`` (V, 3) metres in the object's frame and ``faces`` (F, 3)."""

    vertices: np.ndarray
    faces: np.ndarray

    @property
    def extents(self) -> np.ndarray:
        """(3,) metres along the axes of the object's frame."""
        return np.ptp(self.vertices, axis=0)


def load_shapes(
    models: Path | None, pose_model: Path | None, mesh_unit: MeshUnit = "auto"
) -> dict[str, Shape]:
    """Shapes by class name, in metres.

    They are the meshes of the folder ``models``, in ``mesh_unit``, else the convex hulls of the
    points in the file ``pose_model``. Raises DatasetError or ModelFileError where these cannot be
    read.
    """
    if models is not None:
        opened = open_models(models, mesh_unit).values()
        read_all(lambda model: model.mesh(), [m for m in opened if not m.articulated])
        rigid = [model for model in opened if not model.articulated]
        return {model.name: Shape(*model.mesh()) for model in rigid}

    if pose_model is None:
        return {}
    from perception_kit.networks.model_file import read_model  # PyTorch takes seconds to import

    tensors, metadata = read_model(pose_model, "pose")
    points = tensors["model_points"].numpy().astype(float)
    return {name: _hull(points[k]) for k, name in enumerate(metadata["class_names"])}


def _hull(points: np.ndarray) -> Shape:
    """Convex hull of (N, 3) points, whose faces are counter-clockwise as seen from outside."""
    hull = ConvexHull(points, qhull_options="QJ")  # joggled, so that all faces are triangles
    normals = np.cross(*_edges(points, hull.simplices))
    outward = np.einsum("ij,ij->i", normals, hull.equations[:, :3]) > 0
    faces = np.where(outward[:, None], hull.simplices, hull.simplices[:, ::-1])
    return Shape(points, faces)


def _edges(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two (F, 3) edges of each triangle, from its first corner."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    return b - a, c - a


def flat_shaded(shape: Shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (3 F, 3), faces (F, 3) and normals (3 F, 3) of triangles that have none in common.

    So edges show.
    """
    normals = np.cross(*_edges(shape.vertices, shape.faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return (
        shape.vertices[shape.faces].reshape(-1, 3),
        np.arange(3 * len(shape.faces)).reshape(-1, 3),
        np.repeat(normals, 3, axis=0),
    )
