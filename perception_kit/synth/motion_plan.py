# SPDX-License-Identifier: Apache-2.0
"""From segments of actions to the movements of a body, with the transitions that they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from perception_kit.synth.gait import GaitStyle
from perception_kit.synth.motion_everyday import (
    EVERYDAY,
    get_up,
    lie_down,
    sit_and_rise,
    sit_down,
    sway_posture,
)
from perception_kit.synth.motion_fall import sample_fall
from perception_kit.synth.motion_keyframes import (
    Fidget,
    KeyframedMotion,
    Posture,
    mirrored,
    posture,
)
from perception_kit.synth.motion_postures import ON_SIDE, PRONE, SUPINE
from perception_kit.synth.motion_settle import settle_on_floor
from perception_kit.synth.motion_timeline import BLEND, Movement, Poses, Timeline, blend_movements
from perception_kit.synth.person_skeleton import CHANNEL_INDEX

_SHORTEST = 0.6
"""Seconds; a posture held for less would be passed through too fast."""
_FALL_SPEED = {False: 1.1, True: 2.6}
"""Typical speed, m/s, at the start of a fall, by whether one runs."""
_STANDING_FIDGET: Posture = {
    "spine_side": 3,
    "spine_twist": 5,
    "neck_twist": 25,
    "neck_flex": 8,
    "shoulder_flex": 6,
    "elbow": 8,
    "root_roll": 1.2,
    "root_pitch": 1.5,
}
_SEATED_FIDGET: Posture = {
    "neck_twist": 30,
    "neck_flex": 15,
    "spine_twist": 8,
    "spine_flex": 8,
    "shoulder_flex": 18,
    "shoulder_abduct": 8,
    "elbow": 25,
}
_LYING_FIDGET: Posture = {
    "neck_twist": 14,
    "shoulder_abduct": 8,
    "elbow": 12,
    "hip_flex": 4,
    "knee": 8,
    "spine_twist": 3,
}


def plan(
    rng: np.random.Generator, segments: Sequence[tuple[str, float]], seats: bool, room: float
) -> Timeline:
    """Time line of the segments with the transitions that they need.

    With ``seats`` people also sit down, and fall off their seats. Where ``room`` (the shorter side
    of the floor, m) is small they jog.
    """
    planner = _Planner(rng, seats, room)
    following = [action for action, _ in segments[1:]] + [""]
    for (action, seconds), then in zip(segments, following, strict=True):
        planner.add(action, seconds, then)
    return blend_movements(planner.movements, rng)


class _Planner:
    """Collects movements, and remembers the pose of a body that is on the floor."""

    def __init__(self, rng: np.random.Generator, seats: bool, room: float) -> None:
        self._rng = rng
        self._seats = seats
        self.movements: list[Movement] = []
        self._lying: np.ndarray | None = None

        self._walk = GaitStyle.sample(rng, running=False)
        run = GaitStyle.sample(rng, running=True)
        jogging = float(np.clip(0.3 + 0.18 * room, 0.55, 1.0))
        self._run = replace(run, amplitude=run.amplitude * jogging)

    def add(self, action: str, seconds: float, then: str) -> None:
        """Append an action, after getting up or lying down where needed.

        ``then`` is the action after it.
        """
        if action == "lying":
            self._lie(seconds)
            return

        if self._lying is not None:
            self._append("other", get_up(self._rng, self._lying), blend=0.3)
            self._lying = None

        if action == "walking":
            self.movements.append(Movement(action, seconds, self._walk))
        elif action == "running":
            self.movements.append(Movement(action, seconds, self._run))
        elif action == "falling":
            self._fall(seconds)
        elif action == "standing":
            self._stand(seconds)
        elif action == "sitting":
            self._sit(seconds, then)
        else:
            self._everyday(seconds, then)

    def _append(self, label: str, motion: KeyframedMotion, blend: float = BLEND) -> None:
        self.movements.append(Movement(label, motion.duration, motion, blend, motion.seated))

    def _lie(self, seconds: float) -> None:
        if self._lying is None:
            self._lying = self._lie_down() if self.movements else self._lying_pose()

        # Restless, more or less.
        amount = self._rng.uniform(0.1, 1.3)
        fidget = Fidget(self._rng, _LYING_FIDGET, rate=0.8)
        poses = _fidgeting(self._lying, fidget, amount, fade_in=1.5)
        self.movements.append(Movement("lying", seconds, poses, blend=0.2))

    def _lie_down(self) -> np.ndarray:
        """Append lying down; returns the pose in which that ends."""
        motion = lie_down(self._rng)
        self._append("other", motion)
        return motion(np.array([motion.duration]))[0]

    def _lying_pose(self) -> np.ndarray:
        """A random pose on the floor, of somebody who has been lying there all the time."""
        rest = posture([SUPINE, PRONE, ON_SIDE][self._rng.integers(3)])
        joints = slice(CHANNEL_INDEX["root_yaw"] + 1, None)
        rest[joints] *= self._rng.uniform(0.6, 1.4, len(rest[joints]))
        return settle_on_floor(mirrored(rest) if self._rng.random() < 0.5 else rest)

    def _fall(self, seconds: float) -> None:
        before = self.movements[-1] if self.movements else None
        start = posture({}) if before is None else before.final_pose()
        gait = None if before is None else before.gait
        speed = 0.0 if gait is None else _FALL_SPEED[gait.running]

        fall = sample_fall(self._rng, start, forward_speed=speed)
        self._append("falling", fall.motion, blend=0.22 if gait is None else 0.35)
        self._lying = fall.lying
        if seconds - fall.duration > 0.3:
            self._lie(seconds - fall.duration)

    def _everyday(self, seconds: float, then: str) -> None:
        """Everyday movements with standing in between until the time is used up."""
        # Some fall off their seats.
        if self._seats and then == "falling" and seconds > 1.5 and self._rng.random() < 0.3:
            self._append("other", sit_down(self._rng, seconds))
            return

        choices = [*EVERYDAY, sit_and_rise, sit_and_rise] if self._seats else EVERYDAY
        left = seconds
        while left > 1e-6:
            if left > 1.5 and self._rng.random() < 0.75:
                motion = choices[self._rng.integers(len(choices))](self._rng)
                if motion.duration <= left:
                    self._append("other", motion)
                    left -= motion.duration
                    continue

            pause = max(_SHORTEST, min(left, self._rng.uniform(0.8, 2.0)))
            self._stand(pause)
            left -= pause

    def _stand(self, seconds: float) -> None:
        stand, fidget = sway_posture(self._rng), Fidget(self._rng, _STANDING_FIDGET)
        self.movements.append(Movement("standing", seconds, _fidgeting(stand, fidget)))

    def _sit(self, seconds: float, then: str) -> None:
        """Sit down, stay for so long, and stand up, unless one falls off the seat."""
        if not self._seats:
            raise ValueError("people sit in scripts with seats only")
        if then == "falling":
            motion = sit_down(self._rng, seconds)
        else:
            motion = sit_and_rise(self._rng, seconds)
        assert motion.seated is not None
        sits, rises = motion.seated
        fidget = Fidget(self._rng, _SEATED_FIDGET)

        def poses(t: np.ndarray) -> np.ndarray:
            restless = np.clip(np.minimum(t - sits, rises - t) / 0.5, 0, 1)
            return motion(t) + restless[:, None] * fidget(t)

        self.movements.append(Movement("other", motion.duration, poses, seated=motion.seated))


def _fidgeting(
    pose: np.ndarray, fidget: Fidget, amount: float = 1.0, fade_in: float | None = None
) -> Poses:
    """A pose (channels,) held with small movements, which may begin over ``fade_in`` seconds."""

    def poses(t: np.ndarray) -> np.ndarray:
        if fade_in is None:
            return pose + amount * fidget(t)
        return pose + amount * np.clip(t / fade_in, 0, 1)[:, None] * fidget(t)

    return poses
