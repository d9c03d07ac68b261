# SPDX-License-Identifier: Apache-2.0
"""Constant-velocity Kalman filters of many tracks at once (Wojke 2017, section 2.1).

All noise of the filter acts on each coordinate by itself, so the textbook's (2n, 2n) covariance of
a track never couples two coordinates: it is n blocks of 2x2 (position, velocity). Keeping only
these blocks turns matrix algebra into array arithmetic over all tracks, exactly. Time is counted in
nominal frames ("steps") and velocity in units per step; one step is the filter of Deep SORT.
"""

from __future__ import annotations

import numpy as np


class ConstantVelocityStates:
    """States of T tracks in n coordinates.

    ``data`` (5, T, n) float64 holds position, velocity (units per step), variance of position,
    covariance of position and velocity, and variance of velocity.
    """

    def __init__(self, data: np.ndarray) -> None:
        self.data = data

    @classmethod
    def start(
        cls,
        position: np.ndarray,
        position_std: float | np.ndarray,
        velocity_std: float | np.ndarray,
    ) -> ConstantVelocityStates:
        """States at rest at ``position`` (T, n); standard deviations broadcast to (T, n)."""
        data = np.zeros((5, *position.shape))
        data[0] = position
        data[2] = np.square(position_std)
        data[4] = np.square(velocity_std)
        return cls(data)

    def __len__(self) -> int:
        return self.data.shape[1]

    @property
    def position(self) -> np.ndarray:
        """(T, n) view."""
        return self.data[0]

    @property
    def velocity(self) -> np.ndarray:
        """(T, n) view, units per step."""
        return self.data[1]

    @property
    def position_variance(self) -> np.ndarray:
        """(T, n) view."""
        return self.data[2]

    @property
    def velocity_variance(self) -> np.ndarray:
        """(T, n) view, squared units per squared step."""
        return self.data[4]

    def copy(self) -> ConstantVelocityStates:
        """The same states in an array of their own."""
        return ConstantVelocityStates(self.data.copy())

    def rows(self, index: np.ndarray) -> ConstantVelocityStates:
        """A copy of the states that a boolean mask or an array of row numbers selects."""
        return ConstantVelocityStates(self.data[:, index])

    def joined(self, other: ConstantVelocityStates) -> ConstantVelocityStates:
        """These states followed by ``other``."""
        return ConstantVelocityStates(np.concatenate([self.data, other.data], axis=1))

    def covariance(self) -> np.ndarray:
        """(T, 2n, 2n) covariance of [positions, velocities], as textbooks write it."""
        _, count, size = self.data.shape
        matrix = np.zeros((count, 2 * size, 2 * size))
        axes = np.arange(size)

        matrix[:, axes, axes] = self.data[2]
        matrix[:, axes, axes + size] = matrix[:, axes + size, axes] = self.data[3]
        matrix[:, axes + size, axes + size] = self.data[4]
        return matrix

    def predict(
        self,
        steps: float | np.ndarray,
        position_std: float | np.ndarray,
        velocity_std: float | np.ndarray,
    ) -> None:
        """Predict ``steps`` nominal frames ahead: a scalar or (T, 1), at least 0.

        The standard deviations are those gained in one step. A whole number of steps equals that
        many predictions of one step, so a dropped frame costs nothing. A fraction of a step adds
        that fraction of the noise.
        """
        position, velocity, variance, covariance, velocity_variance = self.data
        position_noise, velocity_noise = np.square(position_std), np.square(velocity_std)

        # Velocity noise that came k steps ago has moved the position for k steps: Q of several
        # steps holds the sums of k and of k² for k below ``steps``. Neither the continuous nor the
        # discrete white-noise model of textbooks has this form, as both move the position within
        # the step itself.
        earlier = np.maximum(steps, 1.0) - 1.0
        sum_k = earlier * (earlier + 1.0) / 2.0
        sum_k_squared = sum_k * (2.0 * earlier + 1.0) / 3.0

        # Mean: x <- F x, with F = [[1, steps], [0, 1]] for each coordinate.
        position += steps * velocity

        # Covariance: P <- F P F^T + Q.
        variance += (
            steps * (2.0 * covariance + steps * velocity_variance + position_noise)
            + sum_k_squared * velocity_noise
        )
        covariance += steps * velocity_variance + sum_k * velocity_noise
        velocity_variance += steps * velocity_noise

    def correct(
        self, rows: np.ndarray, measurement: np.ndarray, measurement_std: float | np.ndarray
    ) -> None:
        """Update the M different ``rows`` with a measured position (M, n) each.

        The variances are written as products, not differences, wherever that is possible: they stay
        positive in spite of rounding.
        """
        state = self.data[:, rows]
        position, velocity, variance, covariance, velocity_variance = state
        noise = np.square(measurement_std)

        # Innovation y = z - H x, weighted by the inverse of its variance S = H P H^T + R.
        inverse = 1.0 / (variance + noise)
        innovation = (measurement - position) * inverse

        # Mean: x <- x + P H^T S^-1 y.
        position += variance * innovation
        velocity += covariance * innovation

        # Covariance: P <- P - P H^T S^-1 H P; the first two as P R / S.
        velocity_variance -= np.square(covariance) * inverse
        variance *= noise * inverse
        covariance *= noise * inverse
        self.data[:, rows] = state
