# SPDX-License-Identifier: Apache-2.0
"""Cameras that look about, drive through the room or circle the table, instead of a hand's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from perception_kit.geometry import look_at

COMMON_FRAME = "odom"
"""TF frame that stands still: the world of the scene."""

_MOUNT_YAW, _MOUNT_OFFSET = 0.42, 0.08
"""Radians and metres by which each of two cameras is turned and moved from the middle.

A view is 0.96 radians wide, so that the two overlap by a little.
"""
_LOOK_YAW, _LOOK_PERIOD = 0.4, 14.0
"""Radians and seconds of a robot that looks from side to side."""
# Drive: part of the time, x, y (metres), yaw from the view of the table, pitch down (radians).
_DRIVE = np.array(
    [
        (0.00, -0.25, -1.15, -0.12, 0.42),
        (0.14, 0.15, -1.10, 0.08, 0.42),
        (0.20, 0.60, -1.40, -1.40, 0.20),
        (0.32, 1.60, -2.10, -2.90, 0.10),
        (0.48, 0.60, -2.30, -3.60, 0.10),
        (0.64, -1.20, -2.20, -3.20, 0.10),
        (0.80, -1.20, -1.60, -4.60, 0.20),
        (0.86, -0.55, -1.15, -5.90, 0.40),
        (1.00, 0.05, -1.05, -6.30, 0.42),
    ]
)
_DRIVE_HEIGHT = 0.95
_CIRCLE_RADIUS, _CIRCLE_HEIGHT, _CIRCLE_WAVE = 0.85, 0.5, 0.08
"""Metres from the table's middle and above its top, and by which the height changes."""


class Path(Protocol):
    """Where a camera is."""

    def at(self, seconds: float) -> np.ndarray:
        """(4, 4) camera-to-world pose of the optical frame."""


@dataclass(frozen=True)
class RigPath:
    """The camera ``number`` of two on a robot that looks from side to side.

    ``base`` is the path of the middle between them, ``phase`` of the look in radians.
    """

    base: Path
    number: int
    phase: float

    def at(self, seconds: float) -> np.ndarray:
        """(4, 4) camera-to-world pose of the optical frame."""
        side = -1 if self.number == 0 else 1
        look = _LOOK_YAW * np.sin(2 * np.pi * seconds / _LOOK_PERIOD + self.phase)
        pose = self.base.at(seconds)
        turn = Rotation.from_rotvec([0, 0, look - side * _MOUNT_YAW]).as_matrix()
        pose[:3, 3] += side * _MOUNT_OFFSET * pose[:3, 0]
        pose[:3, :3] = turn @ pose[:3, :3]
        return pose


class DrivePath:
    """Looks at the table, drives about with the table out of sight, and comes back in the end.

    The table is out of sight for about 0.6 of ``seconds``.
    """

    def __init__(self, seconds: float, rng: np.random.Generator) -> None:
        corners = _DRIVE.copy()
        corners[:, 1:3] += rng.uniform(-0.05, 0.05, (len(corners), 2))
        self._track = PchipInterpolator(corners[:, 0] * seconds, corners[:, 1:])

    def at(self, seconds: float) -> np.ndarray:
        """(4, 4) camera-to-world pose of the optical frame."""
        x, y, yaw, pitch = self._track(seconds)
        eye = np.array([x, y, _DRIVE_HEIGHT])
        ahead = np.array([-np.sin(yaw), np.cos(yaw), -np.tan(pitch)])
        return look_at(eye, eye + ahead)


class CirclePath:
    """Goes once round the middle of a table and looks at it, as LineMOD's camera does.

    ``table_height`` in metres; one round takes ``seconds``.
    """

    def __init__(self, table_height: float, seconds: float, rng: np.random.Generator) -> None:
        self._target = np.array([0.0, 0.0, table_height])
        self._seconds = seconds
        self._start, self._wave = rng.uniform(0, 2 * np.pi, 2)

    def at(self, seconds: float) -> np.ndarray:
        """(4, 4) camera-to-world pose of the optical frame."""
        angle = 2 * np.pi * seconds / self._seconds
        height = _CIRCLE_HEIGHT + _CIRCLE_WAVE * np.sin(3 * angle + self._wave)
        around = np.cos(self._start + angle), np.sin(self._start + angle)
        offset = np.array([_CIRCLE_RADIUS * around[0], _CIRCLE_RADIUS * around[1], height])
        return look_at(self._target + offset, self._target)
