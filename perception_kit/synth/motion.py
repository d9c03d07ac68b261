# SPDX-License-Identifier: Apache-2.0
"""A script of actions as one continuous, labelled movement of a body over the floor.

Poses come from the gaits, falls and everyday movements. The way over the floor is not prescribed:
whatever part of the body touches the floor stays where it is, and the rest moves relative to it, so
feet hardly slide and a falling body pivots about its feet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from perception_kit.synth.motion_plan import RATE, Timeline, plan
from perception_kit.synth.person_skeleton import CHANNEL_INDEX, PELVIS_CONTACT, BodyPose, Skeleton

ACTIONS = ("falling", "lying", "other", "running", "walking")
_TRIES = 6
_MAX_SPEED = 4.5
"""Fastest move of the pelvis, m/s; the contact with the floor can jump faster than that in a fall.
"""
_MAX_TURN = 3.2
"""Fastest turn while walking or running, rad/s."""
Bounds = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Seat:
    """A place where the body rests on a seat from ``time`` seconds on.

    ``position`` (2,) and ``height`` of the seat's top in metres, ``heading`` in radians.
    """

    time: float
    position: np.ndarray
    heading: float
    height: float


class ActionScript:
    """Continuous movement through ``segments`` = [(action, seconds), ...].

    Between segments that do not fit together the missing movement is put in and labelled "other":
    getting up after lying, lying down before lying without a fall. ``falling`` lasts as long as the
    fall takes (0.7 to 1.4 s); seconds left over are spent ``lying``. ``bounds`` ((x_min, x_max),
    (y_min, y_max)) metres: the body turns before it reaches them. ``start`` (x, y, heading) or None
    for a random place. ``skeleton`` the body that moves. With ``seats`` people also sit down, and
    somebody has to put a seat at each of ``seats``. Raises ValueError for an unknown action or an
    empty script.

    ``duration`` seconds; ``segments`` the labelled intervals [(start, end, label), ...] that really
    came out.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        segments: Sequence[tuple[str, float]],
        bounds: Bounds = ((-2.0, 2.0), (-2.0, 2.0)),
        start: tuple[float, float, float] | None = None,
        skeleton: Skeleton | None = None,
        seats: bool = False,
    ) -> None:
        unknown = sorted({action for action, _ in segments} - set(ACTIONS))
        if unknown or not segments:
            raise ValueError(
                f"segments need one or more of the actions {', '.join(ACTIONS)}, got"
                f" {unknown or 'no segment'}"
            )
        timeline = plan(rng, segments, seats, room=min(high - low for low, high in bounds))
        self._skeleton = skeleton or Skeleton()
        self._timeline = timeline
        self._path = _best_path(rng, timeline, self._skeleton, bounds, start)

    @property
    def duration(self) -> float:
        """Seconds."""
        return (len(self._path) - 1) / RATE

    @property
    def segments(self) -> list[tuple[float, float, str]]:
        """Labelled intervals (start, end, label) in seconds that cover the script."""
        return self._timeline.intervals

    @property
    def seats(self) -> list[Seat]:
        """Where the body sits, one per time that it sits down."""
        places = []
        for t in self._timeline.seated:
            pose = self.at(t)[0]
            points = self._skeleton.contact_points(pose.channels[None])[0]
            pelvis = points[PELVIS_CONTACT]
            places.append(
                Seat(t, pose.position, pose.heading, float(pelvis[2] - points[:, 2].min()))
            )
        return places

    def joints(self, times: np.ndarray) -> np.ndarray:
        """(T, joints, 3) joint positions in the world at (T,) seconds, metres; heights are above
        the lowest point of the body.
        """
        poses = [self.at(t)[0] for t in times]
        channels = np.stack([pose.channels for pose in poses])
        headings = np.array([pose.heading for pose in poses])
        points = self._skeleton.forward_kinematics(channels)[1]
        cos, sin = np.cos(headings)[:, None], np.sin(headings)[:, None]
        x, y = (
            cos * points[..., 0] - sin * points[..., 1],
            sin * points[..., 0] + cos * points[..., 1],
        )
        place = np.stack([pose.position for pose in poses])
        height = points[..., 2] - self._skeleton.contact_points(channels)[..., 2].min(
            axis=1, keepdims=True
        )
        return np.stack([x + place[:, :1], y + place[:, 1:], height], axis=-1)

    def at(self, t: float) -> tuple[BodyPose, str]:
        """Pose in the world and action label at ``t`` seconds; held at the ends outside the script."""
        place = np.clip(t * RATE, 0, len(self._path) - 1)
        first = min(int(place), len(self._path) - 2)
        fraction = place - first
        channels = (
            self._timeline.channels[first] * (1 - fraction)
            + self._timeline.channels[first + 1] * fraction
        )
        path = self._path[first] * (1 - fraction) + self._path[first + 1] * fraction
        return BodyPose(channels, path[:2], float(path[2])), self._timeline.label(t)


def _contact_velocity(channels: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Velocity (T, 2) of the pelvis over the floor in the heading frame, m/s, and (T, 2) the place
    of the contact relative to it, m.
    """
    points = skeleton.contact_points(channels)
    height = points[..., 2] - points[..., 2].min(axis=1, keepdims=True)
    weights = np.exp(-height / 0.012)
    weights /= weights.sum(axis=1, keepdims=True)
    contact = np.einsum("tp,tpi->ti", weights, points[..., :2])
    shared = np.minimum(weights[1:], weights[:-1]) + 1e-9
    shared /= shared.sum(axis=1, keepdims=True)
    step = np.einsum("tp,tpi->ti", shared, points[1:, :, :2] - points[:-1, :, :2])
    velocity = np.concatenate([-step[:1], -step]) * RATE
    grounded = channels[:, CHANNEL_INDEX["clearance"]] < 0.004
    if grounded.any():
        index = np.arange(len(channels))
        for axis in range(2):
            velocity[:, axis] = np.interp(index, index[grounded], velocity[grounded, axis])
    velocity *= np.minimum(
        1.0, _MAX_SPEED / np.maximum(np.linalg.norm(velocity, axis=1, keepdims=True), 1e-9)
    )
    return gaussian_filter1d(velocity, 0.025 * RATE, axis=0, mode="nearest"), contact


def _best_path(
    rng: np.random.Generator,
    timeline: Timeline,
    skeleton: Skeleton,
    bounds: Bounds,
    start: tuple[float, float, float] | None,
) -> np.ndarray:
    """(T, 3) x, y, heading of the pelvis: the first of a few ways that stays inside ``bounds``, or
    that leaves them least.
    """
    velocity, contact = _contact_velocity(timeline.channels, skeleton)
    velocity[:, 0] += timeline.slip
    low, high = np.array(bounds, float).T
    best, least = None, np.inf
    for _ in range(_TRIES):
        origin = start or (
            *rng.uniform(low + 0.25 * (high - low), high - 0.25 * (high - low)),
            rng.uniform(-np.pi, np.pi),
        )
        path = _travel(rng, velocity, contact, timeline.mobility, bounds, origin)
        excess = max((low - path[:, :2]).max(), (path[:, :2] - high).max())
        if excess < least:
            best, least = path, excess
        if excess <= 0:
            break
    return best


def _travel(
    rng: np.random.Generator,
    velocity: np.ndarray,
    contact: np.ndarray,
    mobility: np.ndarray,
    bounds: Bounds,
    start: Sequence[float],
) -> np.ndarray:
    """(T, 3) x, y, heading: steps along the contact velocity, wandering a little and steering away
    from the bounds.
    """
    count = len(velocity)
    wander = gaussian_filter1d(rng.normal(0, 1, count), 0.8 * RATE, mode="nearest")
    wander *= 0.35 / max(wander.std(), 1e-9)
    path = np.empty((count, 3))
    x, y, heading, rate = *start, 0.0
    # Plain numbers: this loop cannot be vectorised, and NumPy scalars would make it ten times
    # slower.
    rows = zip(velocity.tolist(), contact.tolist(), mobility.tolist(), wander.tolist(), strict=True)
    for k, ((forward, left), (contact_x, contact_y), carried, drift) in enumerate(rows):
        path[k] = x, y, heading
        speed = carried * abs(forward)
        wanted = _steer(x, y, heading, bounds, speed) + drift * min(speed, 1.0)
        rate += (max(-_MAX_TURN, min(_MAX_TURN, wanted)) * carried - rate) * min(1.0, 8.0 / RATE)
        turn = rate / RATE
        cos, sin = math.cos(heading), math.sin(heading)
        # A body that stands turns about its contact with the floor instead of about its pelvis.
        ahead = forward / RATE + (1 - carried) * turn * contact_y
        aside = left / RATE - (1 - carried) * turn * contact_x
        x, y, heading = x + cos * ahead - sin * aside, y + sin * ahead + cos * aside, heading + turn
    return path


def _steer(x: float, y: float, heading: float, bounds: Bounds, speed: float) -> float:
    """Turn rate, rad/s, that bends the way back inside before the bounds are reached."""
    (x_min, x_max), (y_min, y_max) = bounds
    reach = 0.3 + 0.5 * speed
    center_x, center_y = (x_min + x_max) / 2, (y_min + y_max) / 2
    half_x, half_y = max((x_max - x_min) / 2, 1e-6), max((y_max - y_min) / 2, 1e-6)
    excess_x = abs(x + reach * math.cos(heading) - center_x) / half_x
    excess_y = abs(y + reach * math.sin(heading) - center_y) / half_y
    urgency = max(0.0, min(1.0, (max(excess_x, excess_y) - 0.5) / 0.4))
    error = (math.atan2((center_y - y) / half_y, (center_x - x) / half_x) - heading + math.pi) % (
        2 * math.pi
    ) - math.pi
    return urgency * _MAX_TURN * min(1.0, speed) * max(-1.0, min(1.0, error / 0.4))
