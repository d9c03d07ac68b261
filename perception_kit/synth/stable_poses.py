# SPDX-License-Identifier: Apache-2.0
"""Stable poses of a rigid object on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

FACET_ANGLE = np.deg2rad(3.0)
MARGIN = 0.002
"""Metres that the centre of mass must lie inside the support."""


@dataclass(frozen=True)
class StablePose:
    """``rotation`` (3, 3) turns the model so that it rests on z = 0 once lifted by ``height``
    metres; ``weight`` is its share.
    """

    rotation: np.ndarray
    height: float
    weight: float


def stable_poses(vertices: np.ndarray, keep: int = 24) -> list[StablePose]:
    """Poses on those facets of the convex hull that hold the centre of the hull's volume above
    them, the widest facets first; the most stable one when none is safe (a ball).
    """
    hull = ConvexHull(vertices.astype(float))
    center = _center_of_volume(hull)
    normals, areas = hull.equations[:, :3], _areas(hull)
    free = np.ones(len(normals), bool)
    candidates = []
    for index in np.argsort(-areas):
        if not free[index]:
            continue
        facet = free & (normals @ normals[index] > np.cos(FACET_ANGLE))
        free &= ~facet
        normal = (normals[facet] * areas[facet, None]).sum(axis=0)
        normal /= np.linalg.norm(normal)
        rotation = Rotation.align_vectors([[0, 0, -1]], [normal])[0].as_matrix()
        turned = hull.points[hull.vertices] @ rotation.T
        candidates.append(
            (
                _margin(turned, rotation @ center),
                StablePose(rotation, float(-turned[:, 2].min()), float(areas[facet].sum())),
            )
        )
    enough = min(MARGIN, max(margin for margin, _ in candidates))
    poses = sorted(
        (pose for margin, pose in candidates if margin >= enough), key=lambda pose: -pose.weight
    )[:keep]
    total = sum(pose.weight for pose in poses)
    return [StablePose(pose.rotation, pose.height, pose.weight / total) for pose in poses]


def _margin(points: np.ndarray, center: np.ndarray, tolerance: float = 0.003) -> float:
    """Metres that the centre lies inside the outline of the lowest points seen from above; negative
    outside.

    The lowest points are those within ``tolerance`` metres of the lowest one.
    """
    support = points[points[:, 2] < points[:, 2].min() + tolerance][:, :2]
    if len(support) < 3 or np.linalg.matrix_rank(support - support[0], tol=1e-3) < 2:
        return -np.inf
    base = ConvexHull(support, qhull_options="QJ")
    return float(-(base.equations[:, :2] @ center[:2] + base.equations[:, 2]).max())


def _areas(hull: ConvexHull) -> np.ndarray:
    corners = hull.points[hull.simplices]
    return (
        np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        )
        / 2
    )


def _center_of_volume(hull: ConvexHull) -> np.ndarray:
    inside = hull.points[hull.vertices].mean(axis=0)
    corners = hull.points[hull.simplices]
    volumes = np.abs(
        np.einsum(
            "ij,ij->i",
            corners[:, 0] - inside,
            np.cross(corners[:, 1] - inside, corners[:, 2] - inside),
        )
    )
    return ((corners.sum(axis=1) + inside) / 4 * volumes[:, None]).sum(axis=0) / volumes.sum()
