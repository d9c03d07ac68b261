# SPDX-License-Identifier: Apache-2.0
"""Why the tracks of a camera cannot be compared with those of the others, in words.

Its clock may be another one than theirs, and its place in the common frame unknown or wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.fusion.config import FusionConfig
from perception_kit.geometry import is_rotation

_DELAYS = 20  # newest frames of a camera whose shortest delay counts
# What TF rounds and cameras vibrate is no jump: metres and radians.
_STILL_M, _STILL_RAD = 0.05, 0.1


class ClockCheck:
    """Compares the clocks of ``cameras`` by the delay from stamp to arrival."""

    def __init__(self, cameras: Sequence[str]) -> None:
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
            return None
        direction = "ahead of" if difference > 0 else "behind"
        return (
            f"the stamps of '{camera}' are {abs(difference):.1f} s {direction} those of"
            f" '{reference}', at most {limit:g} s are expected: synchronize their clocks (chrony,"
            " PTP), or use the driver's host time"
        )


class JumpCheck:
    """Looks for jumps of the poses of cameras in the common frame."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, np.ndarray]] = {}

    def problem(
        self, camera: str, stamp_ns: int, pose: np.ndarray, config: FusionConfig
    ) -> str | None:
        """Why the (4, 4) pose of a camera cannot be used; the next is compared with this one."""
        if not np.isfinite(pose).all() or not is_rotation(pose[:3, :3]):
            return f"TF of '{camera}' is no rigid transform: {pose.tolist()}"
        last, self._last[camera] = self._last.get(camera), (stamp_ns, pose)
        if last is None:
            return None

        elapsed_s = max(0.0, (stamp_ns - last[0]) * 1e-9)
        moved = float(np.linalg.norm(pose[:3, 3] - last[1][:3, 3]))
        turned = Rotation.from_matrix(pose[:3, :3] @ last[1][:3, :3].T).magnitude()
        if (
            moved <= _STILL_M + config.max_camera_speed * elapsed_s
            and turned <= _STILL_RAD + config.max_camera_turn * elapsed_s
        ):
            return None
        return (
            f"TF of '{camera}' jumps by {moved:.2f} m and {np.degrees(turned):.0f} degrees within"
            f" {elapsed_s:.2f} s: two publishers of one transform, or a localization that corrects"
            " itself; take a frame that does not jump, such as odom"
        )
