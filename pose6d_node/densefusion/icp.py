# SPDX-License-Identifier: Apache-2.0
"""Point-to-plane ICP as a last step after the refiner.

Chen and Medioni, "Object modelling by registration of multiple range images", 1992.
"""

from __future__ import annotations

import numpy as np
import open3d

MAX_DISTANCE = 0.1  # of the diameter: measured points further from the model are left out
NEIGHBORS = 12  # model points that a plane is fitted to
ITERATIONS = 20  # at most; the refined pose is near, and ICP mostly converges in fewer


class IcpModel:
    """Surface points of one object with the planes through them.

    ``points`` (M, 3) and ``diameter`` in metres.
    """

    def __init__(self, points: np.ndarray, diameter: float) -> None:
        self._target = _cloud(points)
        # The sign of the normals does not matter to ICP.
        self._target.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(NEIGHBORS))
        self._max_distance = MAX_DISTANCE * diameter

    def refine(
        self, measured: np.ndarray, rotation: np.ndarray, translation: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pose moved so that the measured points lie on the model.

        The pose (3, 3), (3,) in metres takes the model to the camera; ``measured`` (N, 3) are
        points in the camera frame. A pose that no measured point is near to is returned as it is.
        """
        registration = open3d.pipelines.registration
        found = registration.registration_icp(
            _cloud((measured - translation) @ rotation),
            self._target,
            self._max_distance,
            np.eye(4),
            registration.TransformationEstimationPointToPlane(),
            registration.ICPConvergenceCriteria(max_iteration=ITERATIONS),
        )

        # ``transformation`` moves the measured points in the model's frame; the pose is corrected
        # by its inverse.
        turn, shift = found.transformation[:3, :3], found.transformation[:3, 3]
        return rotation @ turn.T, translation - rotation @ turn.T @ shift


def _cloud(points: np.ndarray) -> open3d.geometry.PointCloud:
    return open3d.geometry.PointCloud(open3d.utility.Vector3dVector(np.asarray(points, np.float64)))
