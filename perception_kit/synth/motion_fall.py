# SPDX-License-Identifier: Apache-2.0
"""Falls: loss of balance, an accelerating drop like an inverted pendulum's while the knees give way
and the arms reach, impact, rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kit.synth.motion_keyframes import KeyframedMotion, Posture, mirrored, posture
from perception_kit.synth.motion_postures import ON_SIDE, PRONE, SUPINE
from perception_kit.synth.motion_settle import settle_on_floor

# : For each kind of fall: (share of the fall's way, posture) in between, and the posture at rest.
# Written for falls to the right.
_FORWARD: list[tuple[float, Posture]] = [
    (
        0.12,
        {
            "root_pitch": 14,
            "hip_flex": 20,
            "knee": 22,
            "left_hip_flex": 30,
            "left_knee": 35,
            "shoulder_flex": 40,
            "elbow": 35,
            "shoulder_abduct": 25,
            "neck_flex": -10,
        },
    ),
    (
        0.50,
        {
            "root_pitch": 48,
            "hip_flex": 22,
            "knee": 42,
            "ankle": -5,
            "shoulder_flex": 95,
            "elbow": 25,
            "shoulder_abduct": 20,
            "neck_flex": -25,
        },
    ),
    (
        0.85,
        {
            "root_pitch": 78,
            "hip_flex": 18,
            "knee": 38,
            "ankle": -30,
            "shoulder_flex": 110,
            "elbow": 40,
            "shoulder_abduct": 30,
            "neck_flex": -30,
        },
    ),
]
_KNEES: list[tuple[float, Posture]] = [
    (
        0.15,
        {
            "root_pitch": 4,
            "hip_flex": 30,
            "knee": 55,
            "ankle": 15,
            "spine_flex": 15,
            "shoulder_flex": 20,
            "elbow": 30,
        },
    ),
    (
        0.50,
        {
            "root_pitch": 12,
            "hip_flex": 22,
            "knee": 100,
            "ankle": -25,
            "spine_flex": 22,
            "shoulder_flex": 55,
            "elbow": 35,
        },
    ),
    (
        0.80,
        {
            "root_pitch": 58,
            "hip_flex": 22,
            "knee": 75,
            "ankle": -35,
            "shoulder_flex": 105,
            "elbow": 35,
            "neck_flex": -20,
        },
    ),
]
_BACKWARD: list[tuple[float, Posture]] = [
    (
        0.12,
        {
            "root_pitch": -10,
            "hip_flex": 18,
            "knee": 28,
            "spine_flex": 15,
            "shoulder_flex": 25,
            "elbow": 30,
            "shoulder_abduct": 30,
            "ankle": -8,
        },
    ),
    (
        0.50,
        {
            "root_pitch": -32,
            "hip_flex": 58,
            "knee": 72,
            "spine_flex": 28,
            "shoulder_flex": -20,
            "shoulder_abduct": 45,
            "elbow": 20,
            "neck_flex": 25,
        },
    ),
    (
        0.82,
        {
            "root_pitch": -58,
            "hip_flex": 62,
            "knee": 62,
            "spine_flex": 28,
            "shoulder_flex": -25,
            "shoulder_abduct": 50,
            "elbow": 25,
            "neck_flex": 30,
        },
    ),
]
_SIDEWAYS: list[tuple[float, Posture]] = [
    (
        0.12,
        {
            "root_roll": 12,
            "right_hip_flex": 22,
            "right_knee": 35,
            "left_hip_abduct": 12,
            "left_knee": 12,
            "shoulder_abduct": 40,
            "elbow": 25,
        },
    ),
    (
        0.50,
        {
            "root_roll": 44,
            "hip_flex": 32,
            "knee": 52,
            "right_shoulder_abduct": 75,
            "left_shoulder_abduct": 60,
            "elbow": 25,
            "neck_side": -15,
        },
    ),
    (
        0.85,
        {
            "root_roll": 74,
            "hip_flex": 38,
            "knee": 52,
            "right_shoulder_abduct": 85,
            "left_shoulder_abduct": 45,
            "elbow": 35,
            "neck_side": -18,
        },
    ),
]
_COLLAPSE: list[tuple[float, Posture]] = [
    (
        0.20,
        {
            "hip_flex": 35,
            "knee": 55,
            "ankle": 18,
            "spine_flex": 15,
            "neck_flex": 30,
            "root_roll": 3,
        },
    ),
    (
        0.55,
        {
            "hip_flex": 85,
            "knee": 115,
            "ankle": 10,
            "spine_flex": 30,
            "neck_flex": 40,
            "root_roll": 14,
            "root_pitch": 8,
        },
    ),
    (
        0.82,
        {
            "hip_flex": 75,
            "knee": 100,
            "ankle": -10,
            "spine_flex": 30,
            "neck_flex": 30,
            "root_roll": 55,
            "root_pitch": 5,
            "shoulder_abduct": 25,
        },
    ),
]
_KINDS: dict[str, tuple[list[tuple[float, Posture]], Posture]] = {
    "forward": (_FORWARD, PRONE),
    "knees": (_KNEES, PRONE),
    "backward": (_BACKWARD, SUPINE),
    "sideways": (_SIDEWAYS, ON_SIDE),
    "collapse": (_COLLAPSE, ON_SIDE),
    "collapse backward": (_COLLAPSE[:2], SUPINE),
}
FALL_KINDS = tuple(_KINDS)
# : Growth of the inverted pendulum's lean over the fall: cosh(rate * t / duration), sinh for a body
# that is thrown.
_PENDULUM_RATE = 2.6


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
    """Part of the drop's time after which the pendulum has made ``share`` of its way, from rest or
    with a speed at the start.
    """
    if moving:
        return float(np.arcsinh(fraction * np.sinh(_PENDULUM_RATE)) / _PENDULUM_RATE)
    return float(np.arccosh(1 + fraction * (np.cosh(_PENDULUM_RATE) - 1)) / _PENDULUM_RATE)


def sample_fall(
    rng: np.random.Generator, start: np.ndarray, kind: str | None = None, forward_speed: float = 0.0
) -> Fall:
    """Random fall from the pose ``start`` (channels,); ``kind`` one of ``FALL_KINDS`` or None for a
    random one that suits the speed (m/s).

    Raises KeyError for an unknown kind.
    """
    if kind is None:
        odds = (
            np.array([3.0, 1.5, 0.4, 1.2, 0.8, 0.2])
            if forward_speed > 0.5
            else np.array([1.0, 0.9, 1.2, 1.2, 0.9, 0.7])
        )
        kind = str(rng.choice(FALL_KINDS, p=odds / odds.sum()))
    path, rest = _KINDS[kind]
    drop = rng.uniform(0.55, 0.95) * (1.15 if "collapse" in kind else 1.0)
    settle = rng.uniform(0.12, 0.35)
    scale = rng.uniform(0.8, 1.2, start.shape)
    flip = mirrored if rng.random() < 0.5 else np.copy
    asymmetry = posture(
        {
            name: rng.normal(0, 9)
            for name in (
                "left_knee",
                "right_knee",
                "left_shoulder_flex",
                "right_shoulder_flex",
                "left_elbow",
            )
        }
    )
    turn = np.deg2rad(rng.normal(0, 22))
    final = flip(posture(rest) * rng.uniform(0.7, 1.25, start.shape) + asymmetry)
    final[1:3] = flip(posture(rest))[1:3]
    final[3] = start[3] + turn
    final = settle_on_floor(final)
    poses, times = [start], [0.0]
    for fraction, key in path:
        pose = flip(posture(key) * scale + asymmetry)
        pose[3] = start[3] + fraction * turn
        poses.append(pose)
        times.append(drop * _instant(fraction, forward_speed > 0.5))
    impact = final.copy()
    impact[4:] = 0.35 * final[4:] + 0.65 * poses[-1][4:]
    poses += [impact, final]
    times += [drop, drop + settle]
    return Fall(kind, drop + settle, KeyframedMotion(times, poses))
