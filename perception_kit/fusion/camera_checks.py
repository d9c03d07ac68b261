# SPDX-License-Identifier: Apache-2.0
"""Why the tracks of a camera cannot be compared with those of the others, in words.

Its clock may be another one than theirs, and its place in the common frame unknown or wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.fusion.config import CameraLimits, FusionConfig
from perception_kit.geometry import is_rotation

_DELAYS = 20  # newest frames of a camera whose shortest delay counts
# What TF rounds and cameras vibrate is no jump: metres and radians.
_STILL_M, _STILL_RAD = 0.05, 0.1


class ClockCheck:
    """Compares the clocks of ``cameras`` by the delay from stamp to arrival.

    ``ahead_ns`` is how far a clock that is named is ahead of that of the others; 0 for the others.
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self.ahead_ns = dict.fromkeys(cameras, 0)
        self._delays_s: dict[str, deque[float]] = {
            camera: deque(maxlen=_DELAYS) for camera in cameras
        }

    def problem(
        self, camera: str, stamp_ns: int, arrival_ns: int, config: FusionConfig
    ) -> str | None:
        """Why the clock of a camera whose frame arrives now is not that of the others.

        ``arrival_ns`` is of one clock for all cameras. The clock that most of them have counts, of
        equally many that of the camera that is listed first.
        """
        self._delays_s[camera].append((arrival_ns - stamp_ns) * 1e-9)
        shortest = {name: min(delays) for name, delays in self._delays_s.items() if delays}
        limit = config.max_clock_difference
        alike = {
            name: sum(abs(delay - other) <= limit for other in shortest.values())
            for name, delay in shortest.items()
        }
        reference = max(alike, key=lambda name: alike[name])
        difference = shortest[reference] - shortest[camera]
        if abs(difference) <= limit:
            self.ahead_ns[camera] = 0
            return None
        self.ahead_ns[camera] = round(difference * 1e9)
        direction = "ahead of" if difference > 0 else "behind"
        return (
            f"the stamps of '{camera}' are {abs(difference):.1f} s {direction} those of"
            f" '{reference}', at most {limit:g} s are expected: synchronize their clocks (chrony,"
            " PTP), or use the driver's host time"
        )


@dataclass(frozen=True)
class _Placed:
    """The newest pose of a camera, and what was said of it."""

    stamp_ns: int
    pose: np.ndarray
    problem: str | None


class JumpCheck:
    """Looks for jumps of the poses of cameras in a frame that stands still."""

    def __init__(self) -> None:
        self._newest: dict[str, _Placed] = {}

    def problem(
        self, camera: str, stamp_ns: int, pose: np.ndarray, limits: CameraLimits
    ) -> str | None:
        """Why the (4, 4) pose of a camera cannot be used; the next is compared with this one.

        A pose of the same stamp gets the same answer, one of an earlier stamp changes nothing.
        """
        if not np.isfinite(pose).all() or not is_rotation(pose[:3, :3]):
            return f"TF of '{camera}' is no rigid transform: {pose.tolist()}"
        newest = self._newest.get(camera)
        if newest is not None and stamp_ns == newest.stamp_ns:
            return newest.problem
        problem = None if newest is None else _jump(camera, stamp_ns, pose, newest, limits)
        if newest is None or stamp_ns > newest.stamp_ns:
            self._newest[camera] = _Placed(stamp_ns, pose, problem)
        return problem


def _jump(
    camera: str, stamp_ns: int, pose: np.ndarray, other: _Placed, limits: CameraLimits
) -> str | None:
    """Why a camera cannot have been at ``pose`` and, at its stamp, at the ``other``."""
    elapsed_s = abs(stamp_ns - other.stamp_ns) * 1e-9
    moved = float(np.linalg.norm(pose[:3, 3] - other.pose[:3, 3]))
    turned = Rotation.from_matrix(pose[:3, :3] @ other.pose[:3, :3].T).magnitude()
    if (
        moved <= _STILL_M + limits.max_camera_speed * elapsed_s
        and turned <= _STILL_RAD + limits.max_camera_turn * elapsed_s
    ):
        return None
    return (
        f"TF of '{camera}' jumps by {moved:.2f} m and {np.degrees(turned):.0f} degrees within"
        f" {elapsed_s:.2f} s: two publishers of one transform, or a localization that corrects"
        " itself; take a frame that does not jump, such as odom"
    )
