# SPDX-License-Identifier: Apache-2.0
"""Motion of objects in space: position and orientation with constant velocities.

This is the project's extension to Deep SORT, which knows boxes only.

Orientation is filtered on the rotation manifold (the error-state form of the Kalman filter, Sola
2017, sections 5 and 6): each track holds a rotation and a small rotation vector relative to it, and
the vector is injected into the rotation after every change. All noise is isotropic, so the
covariance of the vector is the same in every frame and its axes stay independent, as
``ConstantVelocityStates`` needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation

from tracker_node.config import TrackerConfig
from tracker_node.kalman import ConstantVelocityStates


@dataclass
class PoseStates:
    """Poses of T objects.

    ``positions`` (T, 3) in metres; ``rotations`` (T, 3, 3) object to reference frame; ``turns``
    (T, 3), the error state: its position is the rotation vector relative to ``rotations`` (0
    between calls), its velocity the angular velocity in radians per step about the axes of the
    reference frame.
    """

    positions: ConstantVelocityStates
    turns: ConstantVelocityStates
    rotations: np.ndarray

    @classmethod
    def unknown(cls, count: int) -> PoseStates:
        """Room for ``count`` poses."""
        return cls(
            positions=ConstantVelocityStates(np.zeros((5, count, 3))),
            turns=ConstantVelocityStates(np.zeros((5, count, 3))),
            rotations=np.zeros((count, 3, 3)),
        )

    @classmethod
    def start(
        cls, positions: np.ndarray, rotations: np.ndarray, config: TrackerConfig
    ) -> PoseStates:
        """States at rest at measured positions (T, 3) and rotations (T, 3, 3)."""
        velocity_std = config.initial_velocity_noise / config.nominal_frame_rate
        turn_rate_std = config.initial_angular_velocity_noise / config.nominal_frame_rate

        no_turn = np.zeros_like(positions)
        return cls(
            ConstantVelocityStates.start(positions, config.pose_noise, velocity_std),
            ConstantVelocityStates.start(no_turn, config.rotation_noise, turn_rate_std),
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
        """Predict each track ``steps`` (T, 1) nominal frames ahead."""
        rate = config.nominal_frame_rate
        velocity_std = velocity_process_std(config.velocity_process_noise, rate)
        turn_rate_std = velocity_process_std(config.angular_velocity_process_noise, rate)
        self.positions.predict(steps, config.position_process_noise, velocity_std)
        self.turns.predict(steps, config.rotation_process_noise, turn_rate_std)
        self._inject_error()

    def correct(self, positions: np.ndarray, rotations: np.ndarray, config: TrackerConfig) -> None:
        """Update every track with a measured position (T, 3) and rotation (T, 3, 3)."""
        every = np.arange(len(self))
        self.positions.correct(every, positions, config.pose_noise)

        # The measured error is the rotation from the predicted to the measured orientation.
        turn = Rotation.from_matrix(rotations @ self.rotations.transpose(0, 2, 1)).as_rotvec()
        self.turns.correct(every, turn, config.rotation_noise)
        self._inject_error()

    def squared_distance(
        self, rows: np.ndarray, positions: np.ndarray, config: TrackerConfig
    ) -> np.ndarray:
        """(P,) squared Mahalanobis distances of positions (P, 3) from the tracks ``rows`` (P,).

        The positions are measured ones: Wojke 2017, equation (1), in space.
        """
        variance = self.positions.position_variance[rows] + np.square(config.pose_noise)
        return (np.square(positions - self.positions.position[rows]) / variance).sum(axis=1)

    def _inject_error(self) -> None:
        """Inject the error into the rotations and reset it (Sola 2017, sections 6.2 and 6.3)."""
        if len(self):
            self.rotations = Rotation.from_rotvec(self.turns.position).as_matrix() @ self.rotations
            self.turns.position[:] = 0.0


@lru_cache(maxsize=16)
def velocity_process_std(gain: float, frame_rate: float) -> float:
    """Standard deviation that a velocity gains in one step, in units per step.

    ``gain`` is what it gains in one nominal frame in units per second. White noise drives the
    velocity (filterpy's continuous model); only the velocity's block of Q is used, as the noise of
    a step moves the position from the next one on (see ``ConstantVelocityStates.predict``).
    """
    # Imports scipy.stats, which would double the time that importing the tracker takes.
    from filterpy.common import Q_continuous_white_noise

    period_s = 1.0 / frame_rate
    noise = Q_continuous_white_noise(dim=2, dt=period_s, spectral_density=gain**2 / period_s)
    return math.sqrt(noise[1, 1]) * period_s
