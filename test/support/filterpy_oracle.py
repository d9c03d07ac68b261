# SPDX-License-Identifier: Apache-2.0
"""filterpy's Kalman filter as the oracle of the tracker's batched filters."""

from __future__ import annotations

import numpy as np
from filterpy.common import kinematic_state_transition
from filterpy.kalman import KalmanFilter


def constant_velocity_filter(
    position: np.ndarray,
    initial_std: tuple[float, float],
    process_std: tuple[float, float],
    measurement_std: float,
) -> KalmanFilter:
    """Filter of one track in n coordinates, at rest at ``position`` (n,), one step a prediction.

    The state is [positions, velocities]. Standard deviations are (of position, of velocity).
    """
    size = len(position)
    filter_ = KalmanFilter(dim_x=2 * size, dim_z=size)
    filter_.x = np.concatenate([position, np.zeros(size)])[:, None]
    filter_.F = np.kron(kinematic_state_transition(order=1, dt=1.0), np.eye(size))
    filter_.H = np.eye(size, 2 * size)
    filter_.P = np.diag(np.repeat(initial_std, size) ** 2)
    filter_.Q = np.diag(np.repeat(process_std, size) ** 2)
    filter_.R = np.eye(size) * measurement_std**2
    return filter_
