# SPDX-License-Identifier: Apache-2.0
"""Point-to-plane ICP as a last step after the refiner (Chen, Medioni, "Object modeling by
registration of multiple range images", 1992).
"""

from __future__ import annotations

import numpy as np
import open3d

MAX_DISTANCE = 0.1  # of the diameter: measured points further from the model are left out
NEIGHBORS = 12
ITERATIONS = 20


class IcpModel:
    """Surface points of one object, (M, 3) metres, with the planes through them; ``diameter`` in
    metres.
    """

    def __init__(self, points: np.ndarray, diameter: float) -> None:
        self._target = _cloud(points)
        self._target.estimate_normals(
            open3d.geometry.KDTreeSearchParamKNN(NEIGHBORS)
        )  # their sign does not matter to ICP
        self._max_distance = MAX_DISTANCE * diameter

    def refine(
        self, measured: np.ndarray, rotation: np.ndarray, translation: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pose (3, 3), (3,) metres, model to camera, moved so that the (N, 3) ``measured``
        points (camera frame) lie on the model.

        A pose that no measured point is near to is returned as it is.
        """
        found = open3d.pipelines.registration.registration_icp(
            _cloud((measured - translation) @ rotation),
            self._target,
            self._max_distance,
            np.eye(4),
            open3d.pipelines.registration.TransformationEstimationPointToPlane(),
            open3d.pipelines.registration.ICPConvergenceCriteria(max_iteration=ITERATIONS),
        )
        # ``transformation`` moves the measured points in the model's frame; the pose is corrected
        # by its inverse.
        turn, shift = found.transformation[:3, :3], found.transformation[:3, 3]
        return rotation @ turn.T, translation - rotation @ turn.T @ shift


def _cloud(points: np.ndarray) -> open3d.geometry.PointCloud:
    return open3d.geometry.PointCloud(open3d.utility.Vector3dVector(np.asarray(points, np.float64)))
