# SPDX-License-Identifier: Apache-2.0
"""Motion of a track's box in the image (Wojke 2017, section 2.1).

The measurement is center x, center y, aspect (width / height) and height. The state has these four
and their velocities.
"""

from __future__ import annotations

import numpy as np

from tracker_node.config import TrackerConfig
from tracker_node.kalman import ConstantVelocityStates

# Standard deviations of the aspect's velocity and of a measured aspect, which do not scale with the
# height; the values are those of the published implementation.
ASPECT_VELOCITY_STD = 1e-5
ASPECT_MEASUREMENT_STD = 1e-1

# Noise scales with height. A lost track may shrink to nothing, and zero noise would make the filter
# blind.
MIN_NOISE_HEIGHT_PX = 1.0


def boxes_to_measurements(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) center x, center y, aspect, height of (N, 4) boxes.

    Boxes are x_min, y_min, x_max, y_max with positive sizes.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    center = boxes[:, :2] + size / 2
    return np.concatenate([center, size[:, :1] / size[:, 1:], size[:, 1:]], axis=1)


def measurements_to_boxes(measurements: np.ndarray) -> np.ndarray:
    """(N, 4) boxes of (N, 4) measurements.

    A predicted height or aspect below zero gives a box without area.
    """
    half = np.maximum(measurements[:, 2:], 0.0)
    half[:, 0] *= half[:, 1]
    half /= 2
    return np.concatenate([measurements[:, :2] - half, measurements[:, :2] + half], axis=1)


def box_velocities(states: ConstantVelocityStates) -> np.ndarray:
    """(T, 4) velocities of x_min, y_min, x_max, y_max in pixels per step."""
    position, velocity = states.position, states.velocity
    half = velocity[:, 2:] / 2
    half[:, 0] = (velocity[:, 2] * position[:, 3] + position[:, 2] * velocity[:, 3]) / 2
    return np.concatenate([velocity[:, :2] - half, velocity[:, :2] + half], axis=1)


def start(measurements: np.ndarray, config: TrackerConfig) -> ConstantVelocityStates:
    """States of new tracks at rest at the ``measurements`` (N, 4).

    They have 2 times the position noise and 10 times the velocity noise of one step, as in the
    published implementation.
    """
    heights = measurements[:, 3]
    position_std = _scaled(2 * config.position_weight, config.aspect_noise, heights)
    velocity_std = _scaled(10 * config.velocity_weight, ASPECT_VELOCITY_STD, heights)
    return ConstantVelocityStates.start(measurements, position_std, velocity_std)


def predict(states: ConstantVelocityStates, steps: float, config: TrackerConfig) -> None:
    """Predict all tracks ``steps`` nominal frames ahead."""
    heights = states.position[:, 3]
    position_std = _scaled(config.position_weight, config.aspect_noise, heights)
    velocity_std = _scaled(config.velocity_weight, ASPECT_VELOCITY_STD, heights)
    states.predict(steps, position_std, velocity_std)


def correct(
    states: ConstantVelocityStates,
    rows: np.ndarray,
    measurements: np.ndarray,
    config: TrackerConfig,
) -> None:
    """Update the M tracks ``rows`` with the measurements (M, 4) that they were matched with."""
    states.correct(rows, measurements, measurement_std(states.position[rows], config))


def innovation_variance(
    states: ConstantVelocityStates, rows: np.ndarray, config: TrackerConfig
) -> np.ndarray:
    """(M, 4) diagonal of S_i of equation (1) for the tracks ``rows``."""
    return states.position_variance[rows] + np.square(
        measurement_std(states.position[rows], config)
    )


def measurement_std(positions: np.ndarray, config: TrackerConfig) -> np.ndarray:
    """(N, 4) standard deviations of measurements expected at ``positions`` (N, 4)."""
    return _scaled(config.position_weight, ASPECT_MEASUREMENT_STD, positions[:, 3])


def _scaled(weight: float, aspect_std: float, heights: np.ndarray) -> np.ndarray:
    """(N, 4) standard deviations: ``weight`` times the height, except for the aspect."""
    std = np.empty((len(heights), 4))
    std[:] = weight * np.maximum(heights, MIN_NOISE_HEIGHT_PX)[:, None]
    std[:, 2] = aspect_std
    return std
