# SPDX-License-Identifier: Apache-2.0
"""Lets a lying pose sink onto the floor.

Weight pulls every part of the body down while the joints resist leaving their angles.
"""

from __future__ import annotations

import numpy as np

from perception_kit.synth.person_skeleton import CHANNEL_INDEX, CHANNELS, Skeleton

_STEPS = 40
_STEP_SIZES = 0.25 * np.array([[4.0], [2.0], [1.0], [0.5], [0.2], [0.05]])
"""Steps along the gradient that the line search compares, radians² per metre of mean height."""
_ENOUGH = 1e-5
"""Gain in cost, metres, below which the descent ends."""
_STIFFNESS = 0.015
"""Cost of a squared radian against a metre of mean height."""
_DIFFERENCE = 0.01
"""Radians between a pose and its neighbours of which the gradient is the central difference."""
_SOFTNESS = 0.015
"""Metres within which parts of the body share the floor."""
_BODY = Skeleton()
_FREE = np.array([not name.startswith(("clearance", "root_yaw", "neck")) for name in CHANNELS])
_NEVER_NEGATIVE = [
    CHANNEL_INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("knee", "elbow")
]


def _cost(channels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(T,) potential energy per weight and effort of the joints, metres, of (T, channels) poses.

    The first is the mean height of the parts of the body above the lowest of them.
    """
    # The first three points are head, pelvis and chest: most of the weight.
    heights = _BODY.contact_points(channels)[..., 2]
    masses = np.concatenate([[0.6, 2.0, 2.0], np.full(heights.shape[1] - 3, 0.25)])

    # A soft minimum: with the plain one only one of two hands that hold the body up would feel the
    # weight.
    lowest = heights.min(axis=1, keepdims=True)
    supports = np.exp((lowest - heights) / _SOFTNESS).sum(axis=1, keepdims=True)
    floor = lowest - _SOFTNESS * np.log(supports)

    potential = ((heights - floor) * masses).sum(axis=1) / masses.sum()
    return potential + _STIFFNESS * ((channels - wanted) ** 2).sum(axis=1)


def settle_on_floor(channels: np.ndarray) -> np.ndarray:
    """The pose (channels,) relaxed onto the floor by descending its potential energy.

    Knees and elbows never bend backwards.
    """
    wanted = channels.copy()
    wanted[_NEVER_NEGATIVE] = np.maximum(wanted[_NEVER_NEGATIVE], 0)
    pose = wanted.copy()
    cost = _cost(pose[None], wanted)[0]

    probes = np.diag(np.where(_FREE, _DIFFERENCE, 0.0))[_FREE]
    for _ in range(_STEPS):
        # The gradient by central differences.
        gradient = np.zeros(len(pose))
        change = _cost(pose + probes, wanted) - _cost(pose - probes, wanted)
        gradient[_FREE] = change / (2 * _DIFFERENCE)

        # The best of several steps along it, projected onto what joints can do.
        trials = pose - gradient * _STEP_SIZES
        trials[:, _NEVER_NEGATIVE] = np.maximum(trials[:, _NEVER_NEGATIVE], 0)
        costs = _cost(trials, wanted)
        best = costs.argmin()
        if costs[best] > cost - _ENOUGH:
            break
        pose, cost = trials[best], costs[best]
    return pose
