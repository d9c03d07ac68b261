# SPDX-License-Identifier: Apache-2.0
"""Kalman filter of a position in space whose velocity fades while nothing is measured."""

from __future__ import annotations

import numpy as np

# Seconds in which the velocity of what is not seen fades to a third (1 / e).
FADING_S = 1.0


class PositionFilter:
    """Position (3,) m and velocity (3,) m/s at ``stamp_ns``, from a first ``position``.

    All axes share one (2, 2) covariance of position and velocity. The velocity is an
    Ornstein-Uhlenbeck process of standard deviation ``speed`` m/s: what stays unseen comes to rest
    where it was last, instead of flying on.
    """

    def __init__(self, position: np.ndarray, deviation: float, speed: float, stamp_ns: int) -> None:
        self.position = np.array(position, np.float64)
        self.velocity = np.zeros(3)
        self.covariance = np.diag([deviation**2, speed**2])
        self.stamp_ns = stamp_ns
        self._speed = speed

    def position_at(self, stamp_ns: int) -> np.ndarray:
        """(3,) predicted position; the present one for an earlier stamp."""
        return self.position + self.velocity * _reach_s(self._elapsed_s(stamp_ns))

    def update(self, position: np.ndarray, deviation: float, stamp_ns: int) -> None:
        """Take a measured position (3,) m with its standard deviation along each axis, m."""
        elapsed_s = self._elapsed_s(stamp_ns)
        reach_s, fading = _reach_s(elapsed_s), np.exp(-elapsed_s / FADING_S)

        # Prediction
        self.position = self.position + self.velocity * reach_s
        self.velocity = self.velocity * fading
        motion = np.array([[1.0, reach_s], [0.0, fading]])
        self.covariance = motion @ self.covariance @ motion.T + self._process_noise(elapsed_s)
        self.stamp_ns = max(stamp_ns, self.stamp_ns)

        # Update
        gain = self.covariance[:, 0] / (self.covariance[0, 0] + deviation**2)
        innovation = position - self.position
        self.position = self.position + gain[0] * innovation
        self.velocity = self.velocity + gain[1] * innovation
        self.covariance = self.covariance - np.outer(gain, self.covariance[0])

    def _elapsed_s(self, stamp_ns: int) -> float:
        """Seconds since the state; 0 for a camera that is behind."""
        return max(0.0, (stamp_ns - self.stamp_ns) * 1e-9)

    def _process_noise(self, elapsed_s: float) -> np.ndarray:
        """(2, 2) of white noise on the acceleration, so strong that it keeps up the speed."""
        strength = 2 * self._speed**2 / FADING_S
        elapsed_s = min(elapsed_s, FADING_S)
        cross = elapsed_s**2 / 2
        return strength * np.array([[elapsed_s**3 / 3, cross], [cross, elapsed_s]])


def _reach_s(elapsed_s: float) -> float:
    """Seconds for which a fading velocity would have to last to get as far."""
    return FADING_S * (1 - np.exp(-elapsed_s / FADING_S))
