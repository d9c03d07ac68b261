# SPDX-License-Identifier: Apache-2.0
"""Stable poses of a rigid object on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

FACET_ANGLE = np.deg2rad(3.0)
"""Neighbouring triangles whose normals differ less make up one facet."""
MARGIN = 0.002
"""Metres that the centre of mass must lie inside the support."""


@dataclass(frozen=True)
class StablePose:
    """One way in which an object rests on a plane.

    ``rotation`` (3, 3) turns the model so that it rests on z = 0 once lifted by ``height`` metres;
    ``weight`` is the area of the facet below as a fraction of that of all stable poses.
    """

    rotation: np.ndarray
    height: float
    weight: float

    def scaled(self, scale: np.ndarray) -> StablePose:
        """The same facet of the object scaled by (3,) factors about its origin.

        With one factor it is as stable as before.
        """
        down = -self.rotation[2] / scale
        length = float(np.linalg.norm(down))
        turn = Rotation.align_vectors([[0, 0, -1]], [self.rotation @ down / length])[0]
        return StablePose(turn.as_matrix() @ self.rotation, self.height / length, self.weight)


def stable_poses(vertices: np.ndarray, keep: int = 24) -> list[StablePose]:
    """Poses on those facets of the convex hull that hold the centre of its volume above them.

    The widest facets come first, at most ``keep``; the most stable pose when none is safe (a ball).
    """
    hull = ConvexHull(vertices.astype(float))
    center = _center_of_volume(hull)
    normals, areas = hull.equations[:, :3], _areas(hull)

    # Triangles of about one normal are a facet; each belongs to the facet of the largest of them.
    free = np.ones(len(normals), bool)
    candidates: list[tuple[float, StablePose]] = []
    for index in np.argsort(-areas):
        if not free[index]:
            continue
        facet = free & (normals @ normals[index] > np.cos(FACET_ANGLE))
        free &= ~facet

        # The facet faces down.
        normal = (normals[facet] * areas[facet, None]).sum(axis=0)
        normal /= np.linalg.norm(normal)
        rotation = Rotation.align_vectors([[0, 0, -1]], [normal])[0].as_matrix()
        turned = hull.points[hull.vertices] @ rotation.T
        pose = StablePose(rotation, float(-turned[:, 2].min()), float(areas[facet].sum()))
        candidates.append((_margin(turned, rotation @ center), pose))

    # Those that do not tip over.
    enough = min(MARGIN, max(margin for margin, _ in candidates))
    stable = [pose for margin, pose in candidates if margin >= enough]
    widest = sorted(stable, key=lambda pose: -pose.weight)[:keep]
    total = sum(pose.weight for pose in widest)
    return [StablePose(pose.rotation, pose.height, pose.weight / total) for pose in widest]


def _margin(points: np.ndarray, center: np.ndarray, tolerance: float = 0.003) -> float:
    """Metres that the centre lies inside the support, seen from above; negative outside.

    The support is the outline of the points within ``tolerance`` metres of the lowest one.
    """
    support = points[points[:, 2] < points[:, 2].min() + tolerance][:, :2]
    if len(support) < 3 or np.linalg.matrix_rank(support - support[0], tol=1e-3) < 2:
        return -np.inf
    base = ConvexHull(support, qhull_options="QJ")
    return float(-(base.equations[:, :2] @ center[:2] + base.equations[:, 2]).max())


def _areas(hull: ConvexHull) -> np.ndarray:
    """(F,) areas of the hull's triangles, m²."""
    first, second, third = hull.points[hull.simplices].transpose(1, 0, 2)
    return np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2


def _center_of_volume(hull: ConvexHull) -> np.ndarray:
    """(3,) weighted mean of the centres of tetrahedra from a point inside to each triangle."""
    inside = hull.points[hull.vertices].mean(axis=0)
    corners = hull.points[hull.simplices]
    first, second, third = (corners[:, corner] - inside for corner in range(3))
    volumes = np.abs(np.einsum("ij,ij->i", first, np.cross(second, third)))
    centers = (corners.sum(axis=1) + inside) / 4
    return (centers * volumes[:, None]).sum(axis=0) / volumes.sum()
