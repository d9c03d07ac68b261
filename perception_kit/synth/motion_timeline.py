# SPDX-License-Identifier: Apache-2.0
"""Movements of a body blended on one time line of poses, with labels.

Each fades in over those before it, and gaits keep in step with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

from perception_kit.synth.gait import GaitStyle
from perception_kit.synth.person_skeleton import CHANNEL_INDEX, CHANNELS

RATE = 60.0
"""Samples of the time line per second."""
BLEND = 0.45
"""Seconds over which one upright movement turns into the next."""
_STANDING_CADENCE = 1.6
"""Steps per second at which the gait phase goes on where nobody walks."""
_SLIP_SPEED = {False: 0.5, True: 1.6}
"""Typical speed, m/s, that a walk or a run leaves to the fall after it, by whether one runs."""
_SLIP_SECONDS = 0.3
"""Time constant with which that is lost."""

Interval = tuple[float, float, str]
"""(start, end, label), seconds."""
Poses = Callable[[np.ndarray], np.ndarray]
"""(T, channels) poses at (T,) seconds since the start of a movement."""


@dataclass
class Movement:
    """One movement, its label, and how it begins: faded in over ``blend`` seconds.

    A gait is posed by its phase, everything else by the time since its start. Between the seconds
    ``seated`` the label is "sitting".
    """

    label: str
    duration: float
    poses: Poses | GaitStyle
    blend: float = BLEND
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


def blend_movements(movements: Sequence[Movement], rng: np.random.Generator) -> Timeline:
    """The movements on one time line, one after the other.

    Gaits share one phase, so that walking turns into running without a change of legs.
    """
    durations = [movement.duration for movement in movements]
    ends = np.cumsum(durations)
    starts = ends - durations
    t = np.arange(int(np.floor(ends[-1] * RATE)) + 1) / RATE
    weights = _weights(movements, t, starts)

    # The common phase: the cadence is the mean of the gaits that are being blended.
    gaits = [movement.gait for movement in movements]
    cadences = np.array([gait.cadence if gait else 0.0 for gait in gaits])
    mobility = np.array([gait is not None for gait in gaits], float) @ weights
    mean = (cadences @ weights) / np.maximum(mobility, 1e-6)
    cadence = np.where(mobility > 1e-6, mean, _STANDING_CADENCE)
    phase = rng.uniform() + np.cumsum(cadence / 2) / RATE

    channels = np.zeros((len(t), len(CHANNELS)))
    for movement, start, weight in zip(movements, starts, weights, strict=True):
        active = np.flatnonzero(weight > 0)
        poses = movement.sample(t[active] - start, phase[active])
        channels[active] += weight[active, None] * poses
    clearance = CHANNEL_INDEX["clearance"]
    channels[:, clearance] = np.maximum(channels[:, clearance], 0)

    intervals: list[Interval] = []
    seated: list[tuple[float, float]] = []
    boundaries = [0.0, *ends.tolist()]
    for movement, (start, end) in zip(movements, pairwise(boundaries), strict=True):
        intervals += movement.intervals(start, end)
        if movement.seated is not None:
            sits, rises = movement.seated
            seated.append((start + sits, start + rises))
    return Timeline(channels, mobility, _slip(movements, t, starts), _merged(intervals), seated)


def _weights(movements: Sequence[Movement], t: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(movements, T) weights that add up to 1.

    Each movement fades in over its ``blend`` from its start on, over those before it.
    """
    weights = np.zeros((len(movements), len(t)))
    weights[0] = 1
    for index in range(1, len(movements)):
        movement, start = movements[index], starts[index]
        fade = np.clip((t - start) / min(movement.blend, movement.duration), 0, 1)
        fade = fade * fade * (3 - 2 * fade)
        weights[:index] *= 1 - fade
        weights[index] = fade
    return weights


def _slip(movements: Sequence[Movement], t: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(T,) forward speed that is left of a run or walk when the fall begins, m/s."""
    slip = np.zeros(len(t))
    for index, movement in enumerate(movements[1:], start=1):
        gait = movements[index - 1].gait
        if movement.label == "falling" and gait is not None:
            since = t - starts[index]
            decay = np.exp(-np.maximum(since, 0) / _SLIP_SECONDS)
            slip += np.where(since >= 0, _SLIP_SPEED[gait.running] * decay, 0.0)
    return gaussian_filter1d(slip, 0.05 * RATE)


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Neighboring intervals of one label made one."""
    merged: list[Interval] = []
    for start, end, label in intervals:
        if merged and merged[-1][2] == label:
            merged[-1] = (merged[-1][0], end, label)
        else:
            merged.append((start, end, label))
    return merged
