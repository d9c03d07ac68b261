# SPDX-License-Identifier: Apache-2.0
"""Falls: loss of balance, an accelerating drop, impact, and rest.

The drop is an inverted pendulum's, while the knees give way and the arms reach for the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kit.synth.motion_keyframes import KeyframedMotion, Posture, mirrored, posture
from perception_kit.synth.motion_postures import ON_SIDE, PRONE, SUPINE
from perception_kit.synth.motion_settle import settle_on_floor
from perception_kit.synth.person_skeleton import CHANNEL_INDEX

Keys = list[tuple[float, Posture]]
"""(fraction of the fall's way, posture) in between; written for falls to the right."""

# fmt: off
_FORWARD: Keys = [
    (0.12, {"root_pitch": 14, "neck_flex": -10,
            "hip_flex": 20, "knee": 22, "left_hip_flex": 30, "left_knee": 35,
            "shoulder_flex": 40, "shoulder_abduct": 25, "elbow": 35}),
    (0.50, {"root_pitch": 48, "neck_flex": -25,
            "hip_flex": 22, "knee": 42, "ankle": -5,
            "shoulder_flex": 95, "shoulder_abduct": 20, "elbow": 25}),
    (0.85, {"root_pitch": 78, "neck_flex": -30,
            "hip_flex": 18, "knee": 38, "ankle": -30,
            "shoulder_flex": 110, "shoulder_abduct": 30, "elbow": 40}),
]
_KNEES: Keys = [
    (0.15, {"root_pitch": 4, "spine_flex": 15,
            "hip_flex": 30, "knee": 55, "ankle": 15,
            "shoulder_flex": 20, "elbow": 30}),
    (0.50, {"root_pitch": 12, "spine_flex": 22,
            "hip_flex": 22, "knee": 100, "ankle": -25,
            "shoulder_flex": 55, "elbow": 35}),
    (0.80, {"root_pitch": 58, "neck_flex": -20,
            "hip_flex": 22, "knee": 75, "ankle": -35,
            "shoulder_flex": 105, "elbow": 35}),
]
_BACKWARD: Keys = [
    (0.12, {"root_pitch": -10, "spine_flex": 15,
            "hip_flex": 18, "knee": 28, "ankle": -8,
            "shoulder_flex": 25, "shoulder_abduct": 30, "elbow": 30}),
    (0.50, {"root_pitch": -32, "spine_flex": 28, "neck_flex": 25,
            "hip_flex": 58, "knee": 72,
            "shoulder_flex": -20, "shoulder_abduct": 45, "elbow": 20}),
    (0.82, {"root_pitch": -58, "spine_flex": 28, "neck_flex": 30,
            "hip_flex": 62, "knee": 62,
            "shoulder_flex": -25, "shoulder_abduct": 50, "elbow": 25}),
]
_SIDEWAYS: Keys = [
    (0.12, {"root_roll": 12,
            "right_hip_flex": 22, "right_knee": 35, "left_hip_abduct": 12, "left_knee": 12,
            "shoulder_abduct": 40, "elbow": 25}),
    (0.50, {"root_roll": 44, "neck_side": -15,
            "hip_flex": 32, "knee": 52,
            "right_shoulder_abduct": 75, "left_shoulder_abduct": 60, "elbow": 25}),
    (0.85, {"root_roll": 74, "neck_side": -18,
            "hip_flex": 38, "knee": 52,
            "right_shoulder_abduct": 85, "left_shoulder_abduct": 45, "elbow": 35}),
]
_COLLAPSE: Keys = [
    (0.20, {"root_roll": 3, "spine_flex": 15, "neck_flex": 30,
            "hip_flex": 35, "knee": 55, "ankle": 18}),
    (0.55, {"root_roll": 14, "root_pitch": 8, "spine_flex": 30, "neck_flex": 40,
            "hip_flex": 85, "knee": 115, "ankle": 10}),
    (0.82, {"root_roll": 55, "root_pitch": 5, "spine_flex": 30, "neck_flex": 30,
            "hip_flex": 75, "knee": 100, "ankle": -10,
            "shoulder_abduct": 25}),
]
# fmt: on
_KINDS: dict[str, tuple[Keys, Posture]] = {
    "forward": (_FORWARD, PRONE),
    "knees": (_KNEES, PRONE),
    "backward": (_BACKWARD, SUPINE),
    "sideways": (_SIDEWAYS, ON_SIDE),
    "collapse": (_COLLAPSE, ON_SIDE),
    "collapse backward": (_COLLAPSE[:2], SUPINE),
}
"""The way down of each kind of fall, and the posture at rest."""
FALL_KINDS = tuple(_KINDS)
_ODDS_STANDING = (1.0, 0.9, 1.2, 1.2, 0.9, 0.7)
_ODDS_MOVING = (3.0, 1.5, 0.4, 1.2, 0.8, 0.2)
"""Odds of the kinds: who walks or runs mostly falls forward."""
_MOVING_SPEED = 0.5
"""Speed, m/s, from which on a body counts as moving."""
_PENDULUM_RATE = 2.6
"""Growth rate of the inverted pendulum's lean, times the duration of the drop.

The linear pendulum leans by cosh(rate * t / duration) from rest, by sinh when it is thrown.
"""
_UNEVEN = ("left_knee", "right_knee", "left_shoulder_flex", "right_shoulder_flex", "left_elbow")
"""Joints that no two falls bend alike."""

_ROOT_LEAN = [CHANNEL_INDEX["root_pitch"], CHANNEL_INDEX["root_roll"]]
_ROOT_YAW = CHANNEL_INDEX["root_yaw"]
_JOINTS = slice(_ROOT_YAW + 1, None)


@dataclass
class Fall:
    """One fall as a function of time since balance was lost.

    ``duration`` seconds until the body is at rest.
    """

    kind: str
    duration: float
    motion: KeyframedMotion

    @property
    def lying(self) -> np.ndarray:
        """(channels,) pose at rest."""
        return self.motion(np.array([self.duration]))[0]


def _instant(fraction: float, moving: bool) -> float:
    """Fraction of the drop's time after which the pendulum has made ``fraction`` of its way.

    From rest, or with a speed at the start when ``moving``: the inverse of cosh or sinh.
    """
    if moving:
        return float(np.arcsinh(fraction * np.sinh(_PENDULUM_RATE)) / _PENDULUM_RATE)
    return float(np.arccosh(1 + fraction * (np.cosh(_PENDULUM_RATE) - 1)) / _PENDULUM_RATE)


def sample_fall(
    rng: np.random.Generator, start: np.ndarray, kind: str | None = None, forward_speed: float = 0.0
) -> Fall:
    """Random fall from the pose ``start`` (channels,).

    ``kind`` one of ``FALL_KINDS`` or None for a random one that suits the speed (m/s). Raises
    KeyError for an unknown kind.
    """
    moving = forward_speed > _MOVING_SPEED
    if kind is None:
        odds = np.array(_ODDS_MOVING if moving else _ODDS_STANDING)
        kind = str(rng.choice(FALL_KINDS, p=odds / odds.sum()))
    keys, rest = _KINDS[kind]

    # Whoever collapses takes longer.
    drop = rng.uniform(0.55, 0.95) * (1.15 if "collapse" in kind else 1.0)
    settle = rng.uniform(0.12, 0.35)

    # No two falls look alike: other angles, other sides, and a turn on the way.
    scale = rng.uniform(0.8, 1.2, start.shape)
    flip = mirrored if rng.random() < 0.5 else np.copy
    asymmetry = posture({name: rng.normal(0, 9) for name in _UNEVEN})
    turn = np.deg2rad(rng.normal(0, 22))

    # The pose at rest, lying flat.
    final = flip(posture(rest) * rng.uniform(0.7, 1.25, start.shape) + asymmetry)
    final[_ROOT_LEAN] = flip(posture(rest))[_ROOT_LEAN]
    final[_ROOT_YAW] = start[_ROOT_YAW] + turn
    final = settle_on_floor(final)

    # The way down, timed as the pendulum moves.
    poses, times = [start], [0.0]
    for fraction, key in keys:
        pose = flip(posture(key) * scale + asymmetry)
        pose[_ROOT_YAW] = start[_ROOT_YAW] + fraction * turn
        poses.append(pose)
        times.append(drop * _instant(fraction, moving))

    # At the impact the pelvis lies as at rest, but the joints have not given in yet.
    impact = final.copy()
    impact[_JOINTS] = 0.35 * final[_JOINTS] + 0.65 * poses[-1][_JOINTS]
    poses += [impact, final]
    times += [drop, drop + settle]
    return Fall(kind, drop + settle, KeyframedMotion(times, poses))
