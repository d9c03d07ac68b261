# SPDX-License-Identifier: Apache-2.0
"""Puts segments of actions on one time line of poses, with labels.

Transitions are blended, and gaits keep in step with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

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
from perception_kit.synth.person_skeleton import CHANNEL_INDEX, CHANNELS

RATE = 60.0
"""Samples of the time line per second."""
_BLEND = 0.45
"""Seconds over which one upright movement turns into the next."""
_SHORTEST = 0.6
"""Seconds; a posture held for less would be passed through too fast."""
_STANDING_CADENCE = 1.6
"""Steps per second at which the gait phase goes on where nobody walks."""
_FALL_SPEED = {False: 1.1, True: 2.6}
_SLIP_SPEED = {False: 0.5, True: 1.6}
"""Typical speeds, m/s, at the start of a fall and of what is left of it, by whether one runs."""
_SLIP_SECONDS = 0.3
"""Time constant with which that is lost."""
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

Interval = tuple[float, float, str]
"""(start, end, label), seconds."""
Poses = Callable[[np.ndarray], np.ndarray]
"""(T, channels) poses at (T,) seconds since the start of a movement."""


@dataclass
class _Movement:
    """One movement, its label, and how it begins: faded in over ``blend`` seconds.

    A gait is posed by its phase, everything else by the time since its start. Between the seconds
    ``seated`` the label is "sitting".
    """

    label: str
    duration: float
    poses: Poses | GaitStyle
    blend: float = _BLEND
    seated: tuple[float, float] | None = None

    @property
    def gait(self) -> GaitStyle | None:
        """How the body walks or runs, None where it does not."""
        return self.poses if isinstance(self.poses, GaitStyle) else None

    def sample(self, seconds: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """(T, channels) poses at (T,) seconds since its start and gait cycles."""
        if isinstance(self.poses, GaitStyle):
            return self.poses.poses(phase)
        return self.poses(np.clip(seconds, 0, self.duration))

    def intervals(self, start: float, end: float) -> list[Interval]:
        """Labels of the movement between its ``start`` and ``end`` on the time line."""
        if self.seated is None:
            return [(start, end, self.label)]
        sits = start + self.seated[0]
        rises = end if self.seated[1] >= self.duration else start + self.seated[1]
        parts = [(start, sits, self.label), (sits, rises, "sitting"), (rises, end, self.label)]
        return [(first, last, label) for first, last, label in parts if last > first]

    def final_pose(self) -> np.ndarray:
        """(channels,) pose in which it ends, as far as that is known before its gait phase is."""
        return self.sample(np.array([self.duration]), phase=np.array([0.25]))[0]


@dataclass
class Timeline:
    """Sampled at ``RATE``.

    ``channels`` (T, channels); ``mobility`` (T,) 1 where the legs carry the body along, 0
    elsewhere; ``slip`` (T,) forward speed, m/s, that a stumbling body keeps; ``intervals`` (start,
    end, label) seconds; ``seated`` (from, until) seconds between which the body rests on a seat.
    """

    channels: np.ndarray
    mobility: np.ndarray
    slip: np.ndarray
    intervals: list[Interval] = field(default_factory=list)
    seated: list[tuple[float, float]] = field(default_factory=list)

    def label(self, t: float) -> str:
        """Label at ``t`` seconds; the nearest interval's outside."""
        for _, end, label in self.intervals:
            if t < end:
                return label
        return self.intervals[-1][2]


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
    return planner.timeline()


class _Planner:
    """Collects movements, and remembers the pose of a body that is on the floor."""

    def __init__(self, rng: np.random.Generator, seats: bool, room: float) -> None:
        self._rng = rng
        self._seats = seats
        self._movements: list[_Movement] = []
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
            self._movements.append(_Movement(action, seconds, self._walk))
        elif action == "running":
            self._movements.append(_Movement(action, seconds, self._run))
        elif action == "falling":
            self._fall(seconds)
        elif action == "standing":
            self._stand(seconds)
        elif action == "sitting":
            self._sit(seconds, then)
        else:
            self._everyday(seconds, then)

    def _append(self, label: str, motion: KeyframedMotion, blend: float = _BLEND) -> None:
        self._movements.append(_Movement(label, motion.duration, motion, blend, motion.seated))

    def _lie(self, seconds: float) -> None:
        if self._lying is None:
            self._lying = self._lie_down() if self._movements else self._lying_pose()

        # Restless, more or less.
        amount = self._rng.uniform(0.1, 1.3)
        fidget = Fidget(self._rng, _LYING_FIDGET, rate=0.8)
        poses = _fidgeting(self._lying, fidget, amount, fade_in=1.5)
        self._movements.append(_Movement("lying", seconds, poses, blend=0.2))

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
        before = self._movements[-1] if self._movements else None
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
        self._movements.append(_Movement("standing", seconds, _fidgeting(stand, fidget)))

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

        self._movements.append(_Movement("other", motion.duration, poses, seated=motion.seated))

    def timeline(self) -> Timeline:
        """Blend the movements.

        Gaits share one phase, so that walking turns into running without a change of legs.
        """
        durations = [movement.duration for movement in self._movements]
        ends = np.cumsum(durations)
        starts = ends - durations
        t = np.arange(int(np.floor(ends[-1] * RATE)) + 1) / RATE
        weights = self._weights(t, starts)

        # The common phase: the cadence is the mean of the gaits that are being blended.
        gaits = [movement.gait for movement in self._movements]
        cadences = np.array([gait.cadence if gait else 0.0 for gait in gaits])
        mobility = np.array([gait is not None for gait in gaits], float) @ weights
        mean = (cadences @ weights) / np.maximum(mobility, 1e-6)
        cadence = np.where(mobility > 1e-6, mean, _STANDING_CADENCE)
        phase = self._rng.uniform() + np.cumsum(cadence / 2) / RATE

        channels = np.zeros((len(t), len(CHANNELS)))
        for movement, start, weight in zip(self._movements, starts, weights, strict=True):
            active = np.flatnonzero(weight > 0)
            poses = movement.sample(t[active] - start, phase[active])
            channels[active] += weight[active, None] * poses
        clearance = CHANNEL_INDEX["clearance"]
        channels[:, clearance] = np.maximum(channels[:, clearance], 0)

        intervals: list[Interval] = []
        seated: list[tuple[float, float]] = []
        boundaries = [0.0, *ends.tolist()]
        for movement, (start, end) in zip(self._movements, pairwise(boundaries), strict=True):
            intervals += movement.intervals(start, end)
            if movement.seated is not None:
                sits, rises = movement.seated
                seated.append((start + sits, start + rises))
        return Timeline(channels, mobility, self._slip(t, starts), _merged(intervals), seated)

    def _weights(self, t: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """(movements, T) weights that add up to 1.

        Each movement fades in over its ``blend`` from its start on, over those before it.
        """
        weights = np.zeros((len(self._movements), len(t)))
        weights[0] = 1
        for index in range(1, len(self._movements)):
            movement, start = self._movements[index], starts[index]
            fade = np.clip((t - start) / min(movement.blend, movement.duration), 0, 1)
            fade = fade * fade * (3 - 2 * fade)
            weights[:index] *= 1 - fade
            weights[index] = fade
        return weights

    def _slip(self, t: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """(T,) forward speed that is left of a run or walk when the fall begins, m/s."""
        slip = np.zeros(len(t))
        for index, movement in enumerate(self._movements[1:], start=1):
            gait = self._movements[index - 1].gait
            if movement.label == "falling" and gait is not None:
                since = t - starts[index]
                decay = np.exp(-np.maximum(since, 0) / _SLIP_SECONDS)
                slip += np.where(since >= 0, _SLIP_SPEED[gait.running] * decay, 0.0)
        return gaussian_filter1d(slip, 0.05 * RATE)


def _fidgeting(
    pose: np.ndarray, fidget: Fidget, amount: float = 1.0, fade_in: float | None = None
) -> Poses:
    """A pose (channels,) held with small movements, which may begin over ``fade_in`` seconds."""

    def poses(t: np.ndarray) -> np.ndarray:
        if fade_in is None:
            return pose + amount * fidget(t)
        return pose + amount * np.clip(t / fade_in, 0, 1)[:, None] * fidget(t)

    return poses


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Neighboring intervals of one label made one."""
    merged: list[Interval] = []
    for start, end, label in intervals:
        if merged and merged[-1][2] == label:
            merged[-1] = (merged[-1][0], end, label)
        else:
            merged.append((start, end, label))
    return merged
