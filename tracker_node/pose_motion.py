# SPDX-License-Identifier: Apache-2.0
"""Motion of objects in space: position and orientation with constant velocities.

Orientation is filtered on the rotation manifold (the error-state form of the Kalman filter, Sola
2017, section 5): each track holds a rotation and a small rotation vector relative to it, and the
vector is folded into the rotation after every change. All noise is isotropic, so the covariance of
the vector is the same in every frame and its axes stay independent, as ``ConstantVelocityStates``
needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from tracker_node.config import TrackerConfig
from tracker_node.kalman import ConstantVelocityStates


@dataclass
class PoseStates:
    """Poses of T objects: ``positions`` (T, 3) in metres, ``rotations`` (T, 3, 3) object to
    reference frame, and ``turns`` (T, 3), whose position is the rotation vector relative to
    ``rotations`` (0 between calls) and whose velocity is the angular velocity in radians per step
    about the axes of the reference frame.
    """

    positions: ConstantVelocityStates
    turns: ConstantVelocityStates
    rotations: np.ndarray

    @classmethod
    def unknown(cls, count: int) -> PoseStates:
        """Room for ``count`` poses."""
        return cls(
            *(ConstantVelocityStates(np.zeros((5, count, 3))) for _ in range(2)),
            np.zeros((count, 3, 3)),
        )

    @classmethod
    def start(
        cls, positions: np.ndarray, rotations: np.ndarray, config: TrackerConfig
    ) -> PoseStates:
        """States at rest at measured positions (T, 3) and rotations (T, 3, 3)."""
        rate = config.nominal_frame_rate
        return cls(
            ConstantVelocityStates.start(
                positions, config.pose_noise, config.initial_velocity_noise / rate
            ),
            ConstantVelocityStates.start(
                np.zeros_like(positions),
                config.rotation_noise,
                config.initial_angular_velocity_noise / rate,
            ),
            rotations.copy(),
        )

    def __len__(self) -> int:
        return len(self.rotations)

    def copy(self) -> PoseStates:
        """The same states in arrays of their own."""
        return PoseStates(self.positions.copy(), self.turns.copy(), self.rotations.copy())

    def rows(self, index: np.ndarray) -> PoseStates:
        """A copy of the states that a boolean mask or an array of row numbers selects."""
        return PoseStates(self.positions.rows(index), self.turns.rows(index), self.rotations[index])

    def joined(self, other: PoseStates) -> PoseStates:
        """These states followed by ``other``."""
        rotations = np.concatenate([self.rotations, other.rotations])
        return PoseStates(
            self.positions.joined(other.positions), self.turns.joined(other.turns), rotations
        )

    def replace(self, index: np.ndarray, other: PoseStates) -> None:
        """Put ``other`` in the place of the rows ``index``."""
        self.positions.data[:, index] = other.positions.data
        self.turns.data[:, index] = other.turns.data
        self.rotations[index] = other.rotations

    def predict(self, steps: np.ndarray, config: TrackerConfig) -> None:
        """Move each track ``steps`` (T, 1) nominal frames ahead."""
        rate = config.nominal_frame_rate
        self.positions.predict(
            steps, config.position_process_noise, config.velocity_process_noise / rate
        )
        self.turns.predict(
            steps, config.rotation_process_noise, config.angular_velocity_process_noise / rate
        )
        self._fold()

    def correct(self, positions: np.ndarray, rotations: np.ndarray, config: TrackerConfig) -> None:
        """Take in a measured position (T, 3) and rotation (T, 3, 3) for every track."""
        every = np.arange(len(self))
        turn = Rotation.from_matrix(rotations @ self.rotations.transpose(0, 2, 1)).as_rotvec()
        self.positions.correct(every, positions, config.pose_noise)
        self.turns.correct(every, turn, config.rotation_noise)
        self._fold()

    def squared_distance(
        self, rows: np.ndarray, positions: np.ndarray, config: TrackerConfig
    ) -> np.ndarray:
        """(P,) squared Mahalanobis distances of measured positions (P, 3) from the tracks ``rows``
        (P,).
        """
        variance = self.positions.position_variance[rows] + np.square(config.pose_noise)
        return (np.square(positions - self.positions.position[rows]) / variance).sum(axis=1)

    def _fold(self) -> None:
        """Move the small rotation vectors into the rotations."""
        if len(self):
            self.rotations = Rotation.from_rotvec(self.turns.position).as_matrix() @ self.rotations
            self.turns.position[:] = 0.0
