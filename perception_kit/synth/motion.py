# SPDX-License-Identifier: Apache-2.0
"""A script of actions as one continuous, labeled movement of a body over the floor.

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

from perception_kit.synth.motion_plan import plan
from perception_kit.synth.motion_timeline import RATE, Interval, Timeline
from perception_kit.synth.person_skeleton import CHANNEL_INDEX, PELVIS_CONTACT, BodyPose, Skeleton
from perception_kit.synth.rejection import best_of

ACTIONS = ("falling", "lying", "other", "running", "sitting", "standing", "walking")
_TRIES = 6
_MAX_SPEED = 4.5
"""Fastest move of the pelvis, m/s; the contact can jump faster than that in a fall."""
_MAX_TURN = 3.2
"""Fastest turn while walking or running, rad/s."""
_CONTACT_SOFTNESS = 0.012
"""Metres above the lowest point over which a point's part in the contact fades."""
_AIRBORNE = 0.004
"""Clearance, metres, from which on the body flies."""

Bounds = tuple[tuple[float, float], tuple[float, float]]
"""((x_min, x_max), (y_min, y_max)), metres."""


@dataclass(frozen=True)
class Seat:
    """A place where the body rests on a seat from ``time`` to ``until``, seconds.

    ``position`` (2,) and ``height`` of the seat's top in metres, ``heading`` in radians.
    """

    time: float
    until: float
    position: np.ndarray
    heading: float
    height: float


class ActionScript:
    """Continuous movement through ``segments`` = [(action, seconds), ...].

    Between segments that do not fit together the missing movement is put in and labeled "other":
    getting up after lying, lying down before lying without a fall, sitting down before sitting and
    standing up after it. ``falling`` lasts as long as the fall takes (0.7 to 1.4 s); seconds left
    over are spent ``lying``. ``other`` are everyday movements with standing between them.

    The body turns before it reaches the ``bounds``. ``start`` (x, y, heading) or None for a random
    place. ``skeleton`` the body that moves. With ``seats`` people also sit down, and somebody has
    to put a seat at each of ``seats``. Raises ValueError for an unknown action, an empty script,
    and for sitting without seats.
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
                f"segments need one or more of the actions {', '.join(ACTIONS)},"
                f" got {unknown or 'no segment'}"
            )

        room = min(high - low for low, high in bounds)
        self._skeleton = skeleton or Skeleton()
        self._timeline = plan(rng, segments, seats, room)
        self._path = _best_path(rng, self._timeline, self._skeleton, bounds, start)

    @property
    def duration(self) -> float:
        """Seconds."""
        return (len(self._path) - 1) / RATE

    @property
    def segments(self) -> list[Interval]:
        """Labeled intervals (start, end, label) that came out, seconds; they cover the script."""
        return self._timeline.intervals

    @property
    def seats(self) -> list[Seat]:
        """Where the body sits, one per time that it sits down."""
        places = []
        for t, until in self._timeline.seated:
            pose = self.at(t)[0]
            points = self._skeleton.contact_points(pose.channels[None])[0]
            height = float(points[PELVIS_CONTACT, 2] - points[:, 2].min())
            places.append(Seat(t, until, pose.position, pose.heading, height))
        return places

    def joints(self, times: np.ndarray) -> np.ndarray:
        """(T, joints, 3) joint positions in the world at (T,) seconds, metres.

        Heights are above the lowest point of the body.
        """
        poses = [self.at(t)[0] for t in times]
        channels = np.stack([pose.channels for pose in poses])
        positions = np.stack([pose.position for pose in poses])
        headings = np.array([pose.heading for pose in poses])

        # From the body's frame to its place on the floor.
        points = self._skeleton.forward_kinematics(channels)[1]
        cos, sin = np.cos(headings)[:, None], np.sin(headings)[:, None]
        x = cos * points[..., 0] - sin * points[..., 1] + positions[:, :1]
        y = sin * points[..., 0] + cos * points[..., 1] + positions[:, 1:]
        lowest = self._skeleton.contact_points(channels)[..., 2].min(axis=1, keepdims=True)
        return np.stack([x, y, points[..., 2] - lowest], axis=-1)

    def at(self, t: float) -> tuple[BodyPose, str]:
        """Pose in the world and action label at ``t`` seconds; held at the ends outside."""
        place = np.clip(t * RATE, 0, len(self._path) - 1)
        first = min(int(place), len(self._path) - 2)
        fraction = place - first

        before, after = self._timeline.channels[first], self._timeline.channels[first + 1]
        channels = before * (1 - fraction) + after * fraction
        path = self._path[first] * (1 - fraction) + self._path[first + 1] * fraction
        return BodyPose(channels, path[:2], float(path[2])), self._timeline.label(t)


def _contact_velocity(channels: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Velocity of the pelvis that keeps the contact with the floor where it is.

    Returns the velocity (T, 2) in the heading frame, m/s, and the place of the contact relative to
    the pelvis (T, 2), m.
    """
    # The contact is the weighted mean of the body's points, of which the lowest weigh most.
    points = skeleton.contact_points(channels)
    height = points[..., 2] - points[..., 2].min(axis=1, keepdims=True)
    weights = np.exp(-height / _CONTACT_SOFTNESS)
    weights /= weights.sum(axis=1, keepdims=True)
    contact = np.einsum("tp,tpi->ti", weights, points[..., :2])

    # The pelvis moves against the points that are on the floor both before and after a step.
    shared = np.minimum(weights[1:], weights[:-1]) + 1e-9
    shared /= shared.sum(axis=1, keepdims=True)
    step = np.einsum("tp,tpi->ti", shared, points[1:, :, :2] - points[:-1, :, :2])
    velocity = np.concatenate([-step[:1], -step]) * RATE

    # In flight it goes on as before.
    grounded = channels[:, CHANNEL_INDEX["clearance"]] < _AIRBORNE
    if grounded.any():
        index = np.arange(len(channels))
        for axis in range(2):
            velocity[:, axis] = np.interp(index, index[grounded], velocity[grounded, axis])

    speed = np.linalg.norm(velocity, axis=1, keepdims=True)
    velocity *= np.minimum(1.0, _MAX_SPEED / np.maximum(speed, 1e-9))
    return gaussian_filter1d(velocity, 0.025 * RATE, axis=0, mode="nearest"), contact


def _best_path(
    rng: np.random.Generator,
    timeline: Timeline,
    skeleton: Skeleton,
    bounds: Bounds,
    start: tuple[float, float, float] | None,
) -> np.ndarray:
    """(T, 3) x, y, heading of the pelvis.

    The first of a few ways that stays inside ``bounds``, or the one that leaves them least.
    """
    velocity, contact = _contact_velocity(timeline.channels, skeleton)
    velocity[:, 0] += timeline.slip
    low, high = np.array(bounds, float).T

    def draw() -> np.ndarray:
        origin = start
        if origin is None:
            margin = 0.25 * (high - low)
            x, y = rng.uniform(low + margin, high - margin)
            origin = (x, y, rng.uniform(-np.pi, np.pi))
        return _travel(rng, velocity, contact, timeline.mobility, bounds, origin)

    def score(path: np.ndarray) -> float:
        """Metres to the bounds, negative outside."""
        return -max((low - path[:, :2]).max(), (path[:, :2] - high).max())

    return best_of(_TRIES, draw, score, lambda distance: distance >= 0)


def _travel(
    rng: np.random.Generator,
    velocity: np.ndarray,
    contact: np.ndarray,
    mobility: np.ndarray,
    bounds: Bounds,
    start: Sequence[float],
) -> np.ndarray:
    """(T, 3) x, y, heading: the contact velocity integrated over time.

    The heading wanders a little and steers away from the bounds.
    """
    count = len(velocity)
    wander = gaussian_filter1d(rng.normal(0, 1, count), 0.8 * RATE, mode="nearest")
    wander *= 0.35 / max(wander.std(), 1e-9)

    path = np.empty((count, 3))
    # Plain numbers: this loop cannot be vectorised, and NumPy scalars make it ten times slower.
    x, y, heading = (float(value) for value in start)
    rate = 0.0
    rows = zip(velocity.tolist(), contact.tolist(), mobility.tolist(), wander.tolist(), strict=True)
    for k, ((forward, left), (contact_x, contact_y), carried, drift) in enumerate(rows):
        path[k] = x, y, heading

        # The turn rate follows the wanted one with a delay; only legs that walk can turn.
        speed = carried * abs(forward)
        wanted = _steer(x, y, heading, bounds, speed) + drift * min(speed, 1.0)
        limited = max(-_MAX_TURN, min(_MAX_TURN, wanted))
        rate += (limited * carried - rate) * min(1.0, 8.0 / RATE)
        turn = rate / RATE

        # A body that stands turns about its contact with the floor instead of about its pelvis.
        ahead = forward / RATE + (1 - carried) * turn * contact_y
        aside = left / RATE - (1 - carried) * turn * contact_x
        cos, sin = math.cos(heading), math.sin(heading)
        x, y = x + cos * ahead - sin * aside, y + sin * ahead + cos * aside
        heading += turn
    return path


def _steer(x: float, y: float, heading: float, bounds: Bounds, speed: float) -> float:
    """Turn rate, rad/s, that bends the way back inside before the bounds are reached."""
    (x_min, x_max), (y_min, y_max) = bounds
    center_x, center_y = (x_min + x_max) / 2, (y_min + y_max) / 2
    half_x, half_y = max((x_max - x_min) / 2, 1e-6), max((y_max - y_min) / 2, 1e-6)

    # Urgent is a place ahead near the bounds: 0 halfway from the middle, 1 at nine tenths.
    reach = 0.3 + 0.5 * speed
    excess_x = abs(x + reach * math.cos(heading) - center_x) / half_x
    excess_y = abs(y + reach * math.sin(heading) - center_y) / half_y
    urgency = max(0.0, min(1.0, (max(excess_x, excess_y) - 0.5) / 0.4))

    # Turn towards the middle, the shorter way around.
    wanted = math.atan2((center_y - y) / half_y, (center_x - x) / half_x)
    error = (wanted - heading + math.pi) % (2 * math.pi) - math.pi
    return urgency * _MAX_TURN * min(1.0, speed) * max(-1.0, min(1.0, error / 0.4))
