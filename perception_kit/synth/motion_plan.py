# SPDX-License-Identifier: Apache-2.0
"""Puts segments of actions on one time line of poses with blended transitions, gaits in step with
each other, and labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

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
from perception_kit.synth.motion_keyframes import Fidget, KeyframedMotion, mirrored, posture
from perception_kit.synth.motion_postures import ON_SIDE, PRONE, SUPINE
from perception_kit.synth.motion_settle import settle_on_floor
from perception_kit.synth.person_skeleton import CHANNEL_INDEX, CHANNELS

RATE = 60.0
"""Samples of the time line per second."""
_BLEND = 0.45
"""Seconds over which one upright movement turns into the next."""
_SHORTEST = 0.6
"""Seconds; a posture held for less would be passed through too fast."""
_STANDING_FIDGET = {
    "spine_side": 3,
    "spine_twist": 5,
    "neck_twist": 25,
    "neck_flex": 8,
    "shoulder_flex": 6,
    "elbow": 8,
    "root_roll": 1.2,
    "root_pitch": 1.5,
}
_LYING_FIDGET = {
    "neck_twist": 14,
    "shoulder_abduct": 8,
    "elbow": 12,
    "hip_flex": 4,
    "knee": 8,
    "spine_twist": 3,
}

Poses = Callable[[np.ndarray], np.ndarray]


@dataclass
class _Piece:
    """One movement: ``poses`` of seconds since its start, its label, and how it begins.

    ``gait`` replaces ``poses`` in locomotion.
    """

    label: str
    duration: float
    poses: Poses | None = None
    gait: GaitStyle | None = None
    blend: float = _BLEND
    seated_at: float | None = None


@dataclass
class Timeline:
    """Sampled at ``RATE``.

    ``channels`` (T, channels); ``mobility`` (T,) 1 where the legs carry the body along, 0
    elsewhere; ``slip`` (T,) forward speed, m/s, that a stumbling body keeps; ``intervals`` (start,
    end, label) seconds; ``seated`` seconds at which the body rests on a seat.
    """

    channels: np.ndarray
    mobility: np.ndarray
    slip: np.ndarray
    intervals: list[tuple[float, float, str]] = field(default_factory=list)
    seated: list[float] = field(default_factory=list)

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
    builder = _PlanBuilder(rng, seats, room)
    following = [action for action, _ in segments[1:]] + [""]
    for (action, seconds), then in zip(segments, following, strict=True):
        builder.add(action, seconds, then)
    return builder.timeline()


class _PlanBuilder:
    """Collects pieces; keeps track of whether the body is upright and of its pose on the floor."""

    def __init__(self, rng: np.random.Generator, seats: bool, room: float) -> None:
        self._rng = rng
        self._seats = seats
        self._pieces: list[_Piece] = []
        self._lying: np.ndarray | None = None
        self._walk = GaitStyle.sample(rng, running=False)
        run = GaitStyle.sample(rng, running=True)
        self._run = replace(
            run, amplitude=run.amplitude * float(np.clip(0.3 + 0.18 * room, 0.55, 1.0))
        )

    def add(self, action: str, seconds: float, then: str) -> None:
        """Append an action, with getting up or lying down before it where needed; ``then`` is the
        action after it.
        """
        if action == "lying":
            self._lie(seconds)
            return
        if self._lying is not None:
            motion = get_up(self._rng, self._lying)
            self._pieces.append(_Piece("other", motion.duration, motion, blend=0.3))
            self._lying = None
        if action in ("walking", "running"):
            self._pieces.append(
                _Piece(action, seconds, gait=self._walk if action == "walking" else self._run)
            )
        elif action == "falling":
            self._fall(seconds)
        else:
            self._everyday(seconds, then)

    def _lie(self, seconds: float) -> None:
        if self._lying is None and self._pieces:
            motion = lie_down(self._rng)
            self._pieces.append(_Piece("other", motion.duration, motion))
            self._lying = motion(np.array([motion.duration]))[0]
        elif self._lying is None:
            rest = posture([SUPINE, PRONE, ON_SIDE][self._rng.integers(3)])
            rest[4:] *= self._rng.uniform(0.6, 1.4, len(rest) - 4)
            self._lying = settle_on_floor(mirrored(rest) if self._rng.random() < 0.5 else rest)
        rest, restless = self._lying, self._rng.uniform(0.1, 1.3)
        fidget = Fidget(self._rng, _LYING_FIDGET, rate=0.8)
        self._pieces.append(
            _Piece(
                "lying",
                seconds,
                lambda t: rest + restless * np.clip(t / 1.5, 0, 1)[:, None] * fidget(t),
                blend=0.2,
            )
        )

    def _fall(self, seconds: float) -> None:
        before = self._pieces[-1] if self._pieces else None
        moving = before is not None and before.gait is not None
        speed = 0.0 if not moving else (2.6 if before.gait.running else 1.1)
        start = posture({}) if before is None else self._final_pose(before)
        fall = sample_fall(self._rng, start, forward_speed=speed)
        self._pieces.append(
            _Piece("falling", fall.duration, fall.motion, blend=0.35 if moving else 0.22)
        )
        self._lying = fall.lying
        if seconds - fall.duration > 0.3:
            self._lie(seconds - fall.duration)

    def _everyday(self, seconds: float, then: str) -> None:
        """Everyday movements with standing in between until the time is used up."""
        left = seconds
        if self._seats and then == "falling" and seconds > 1.5 and self._rng.random() < 0.3:
            self._append_keyframed(sit_down(self._rng, seconds))
            return
        choices = [*EVERYDAY, sit_and_rise, sit_and_rise] if self._seats else EVERYDAY
        while left > 1e-6:
            if left > 1.5 and self._rng.random() < 0.75:
                motion = choices[self._rng.integers(len(choices))](self._rng)
                if motion.duration <= left:
                    self._append_keyframed(motion)
                    left -= motion.duration
                    continue
            time = max(_SHORTEST, min(left, self._rng.uniform(0.8, 2.0)))
            stand, fidget = sway_posture(self._rng), Fidget(self._rng, _STANDING_FIDGET)
            self._pieces.append(_Piece("other", time, lambda t, s=stand, f=fidget: s + f(t)))
            left -= time

    def _append_keyframed(self, motion: KeyframedMotion) -> None:
        self._pieces.append(_Piece("other", motion.duration, motion, seated_at=motion.seated_at))

    def _final_pose(self, piece: _Piece) -> np.ndarray:
        """Pose in which a piece ends, as far as it is known before its gait phase is."""
        if piece.gait is not None:
            return piece.gait.poses(np.array([0.25]))[0]
        return piece.poses(np.array([piece.duration]))[0]

    def timeline(self) -> Timeline:
        """Blend the pieces.

        Gaits share one phase, so that walking turns into running without a change of legs.
        """
        ends = np.cumsum([piece.duration for piece in self._pieces])
        starts = ends - [piece.duration for piece in self._pieces]
        t = np.arange(int(np.floor(ends[-1] * RATE)) + 1) / RATE
        weights = self._weights(t, starts, ends)
        cadences = np.array([piece.gait.cadence if piece.gait else 0.0 for piece in self._pieces])
        moving = np.array([piece.gait is not None for piece in self._pieces], float)
        fraction = moving @ weights
        cadence = np.where(fraction > 1e-6, (cadences @ weights) / np.maximum(fraction, 1e-6), 1.6)
        phase = self._rng.uniform() + np.cumsum(cadence / 2) / RATE
        channels = np.zeros((len(t), len(CHANNELS)))
        for piece, start, weight in zip(self._pieces, starts, weights, strict=True):
            active = np.flatnonzero(weight > 0)
            values = (
                piece.gait.poses(phase[active])
                if piece.gait
                else piece.poses(np.clip(t[active] - start, 0, piece.duration))
            )
            channels[active] += weight[active, None] * values
        channels[:, CHANNEL_INDEX["clearance"]] = np.maximum(
            channels[:, CHANNEL_INDEX["clearance"]], 0
        )
        intervals = _merge(
            [
                (float(a), float(b), piece.label)
                for a, b, piece in zip(starts, ends, self._pieces, strict=True)
            ]
        )
        seated = [
            float(start + piece.seated_at)
            for start, piece in zip(starts, self._pieces, strict=True)
            if piece.seated_at is not None
        ]
        return Timeline(channels, fraction, self._slip(t, starts), intervals, seated)

    def _weights(self, t: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """(pieces, T) shares that add up to 1; each piece fades in over its ``blend`` from its
        start on.
        """
        weights = np.zeros((len(self._pieces), len(t)))
        for index, (piece, start) in enumerate(zip(self._pieces, starts, strict=True)):
            fade = (
                np.ones(len(t))
                if index == 0
                else np.clip((t - start) / min(piece.blend, piece.duration), 0, 1)
            )
            fade = fade * fade * (3 - 2 * fade)
            weights[:index] *= 1 - fade
            weights[index] = fade
        return weights

    def _slip(self, t: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Forward speed that is left of a run or walk when the fall begins."""
        slip = np.zeros(len(t))
        for before, piece, start in zip(
            self._pieces[:-1], self._pieces[1:], starts[1:], strict=True
        ):
            if piece.label == "falling" and before.gait is not None:
                speed = 1.6 if before.gait.running else 0.5
                since = t - start
                slip += np.where(since >= 0, speed * np.exp(-np.maximum(since, 0) / 0.3), 0.0)
        return gaussian_filter1d(slip, 0.05 * RATE)


def _merge(intervals: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Neighbouring intervals of one label made one."""
    merged: list[tuple[float, float, str]] = []
    for start, end, label in intervals:
        if merged and merged[-1][2] == label:
            merged[-1] = (merged[-1][0], end, label)
        else:
            merged.append((start, end, label))
    return merged
