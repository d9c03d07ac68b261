# SPDX-License-Identifier: Apache-2.0
"""Lets a lying pose sink onto the floor: weight pulls every part down while the joints resist
leaving their angles.
"""

from __future__ import annotations

import numpy as np

from perception_kit.synth.person_skeleton import CHANNEL_INDEX, CHANNELS, Skeleton

_STEPS = 40
_STIFFNESS = 0.015
"""Cost of a squared radian against a metre of mean height."""
_DIFFERENCE = 0.01
_SOFTNESS = 0.015
"""Metres within which parts of the body share the floor."""
_BODY = Skeleton()
_FREE = np.array([not name.startswith(("clearance", "root_yaw", "neck")) for name in CHANNELS])
_NEVER_NEGATIVE = [
    CHANNEL_INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("knee", "elbow")
]


def _cost(channels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(T,) mean height of head, pelvis, chest and limbs above the lowest of them, and effort, for
    (T, channels) poses.
    """
    heights = _BODY.contact_points(channels)[..., 2]
    # The first three points are head, pelvis and chest: most of the weight.
    masses = np.concatenate([[0.6, 2.0, 2.0], np.full(heights.shape[1] - 3, 0.25)])
    floor = heights.min(axis=1, keepdims=True)
    # A soft minimum: with the plain one only one of two hands that hold the body up would feel the
    # weight.
    floor = floor - _SOFTNESS * np.log(
        np.exp((floor - heights) / _SOFTNESS).sum(axis=1, keepdims=True)
    )
    potential = ((heights - floor) * masses).sum(axis=1) / masses.sum()
    return potential + _STIFFNESS * ((channels - wanted) ** 2).sum(axis=1)


def settle_on_floor(channels: np.ndarray) -> np.ndarray:
    """The pose (channels,) relaxed onto the floor by descending its potential energy; knees and
    elbows never bend backwards.
    """
    wanted = channels.copy()
    wanted[_NEVER_NEGATIVE] = np.maximum(wanted[_NEVER_NEGATIVE], 0)
    pose, step = wanted.copy(), 0.25
    probes = np.diag(np.where(_FREE, _DIFFERENCE, 0.0))[_FREE]
    cost = _cost(pose[None], wanted)[0]
    for _ in range(_STEPS):
        gradient = np.zeros(len(pose))
        gradient[_FREE] = (_cost(pose + probes, wanted) - _cost(pose - probes, wanted)) / (
            2 * _DIFFERENCE
        )
        trials = pose - gradient * (step * np.array([[4.0], [2.0], [1.0], [0.5], [0.2], [0.05]]))
        trials[:, _NEVER_NEGATIVE] = np.maximum(trials[:, _NEVER_NEGATIVE], 0)
        costs = _cost(trials, wanted)
        best = costs.argmin()
        if costs[best] > cost - 1e-5:
            break
        pose, cost = trials[best], costs[best]
    return pose
