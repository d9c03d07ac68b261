# SPDX-License-Identifier: Apache-2.0
"""Clips at a fixed frame rate from a live stream of any rate."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

NANOSECONDS = 1_000_000_000
Frame = TypeVar("Frame")


@dataclass(frozen=True)
class Clip(Generic[Frame]):
    """K ``frames``, oldest first, with the stamps of the first and the last in nanoseconds."""

    frames: list[Frame]
    start_ns: int
    end_ns: int


class ClipBuffer(Generic[Frame]):
    """Keeps just the frames that the newest clip of ``length`` frames at ``fps`` needs.

    The clip's instants are ``1 / fps`` apart and end at the newest frame; each takes the frame
    whose stamp is nearest. A camera faster than ``fps`` is thinned out, a slower one repeats
    frames. A gap longer than ``max_gap_s``, or a stamp that goes back, starts a new clip: frames
    from both sides of it never mix.
    """

    def __init__(self, length: int, fps: float, max_gap_s: float = 0.5) -> None:
        if length < 2 or not fps > 0 or not max_gap_s > 0:
            raise ValueError(
                "expected length >= 2, fps > 0 and max_gap_s > 0,"
                f" got {length}, {fps} and {max_gap_s}"
            )
        self.length, self.fps = length, fps

        self._span_ns = round((length - 1) / fps * NANOSECONDS)
        self._half_step_ns = round(0.5 / fps * NANOSECONDS)
        self._max_gap_ns = round(max_gap_s * NANOSECONDS)
        self._frames: deque[tuple[int, Frame]] = deque()

    def push(self, frame: Frame, stamp_ns: int) -> bool:
        """Add a frame; a repeated stamp is ignored.

        Returns False when it started a new clip (first frame, gap, stamp going back).
        """
        if self._frames:
            step = stamp_ns - self._frames[-1][0]
            if step == 0:
                return True
            if step < 0 or step > self._max_gap_ns:
                self.reset()

        continued = bool(self._frames)
        self._frames.append((stamp_ns, frame))

        # The second oldest frame alone reaches back far enough: the oldest is not needed any more.
        while len(self._frames) > 1 and self._frames[1][0] <= stamp_ns - self._span_ns:
            self._frames.popleft()
        return continued

    def clip(self) -> Clip[Frame] | None:
        """The newest clip, or None while the frames do not span one.

        Half a step less than the span is tolerated.
        """
        if not self._frames:
            return None
        stamps = np.array([stamp for stamp, _ in self._frames])
        newest = stamps[-1]
        if newest - stamps[0] < self._span_ns - self._half_step_ns:
            return None

        # The instants that the clip shows, oldest first.
        steps_back = np.arange(self.length - 1, -1, -1)
        instants = newest - np.round(steps_back / self.fps * NANOSECONDS).astype(np.int64)

        # Each takes the frame that is nearest in time.
        nearest = np.abs(stamps[None, :] - instants[:, None]).argmin(axis=1)
        frames = [self._frames[index][1] for index in nearest]
        return Clip(frames, int(stamps[nearest[0]]), int(newest))

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest frame, None without one."""
        return self._frames[-1][0] if self._frames else None

    def reset(self) -> None:
        """Forget all frames."""
        self._frames.clear()
