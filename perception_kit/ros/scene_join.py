# SPDX-License-Identifier: Apache-2.0
"""Joins an image with the results of all nodes for it, by stamp."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

_LEADER = "color"
_LONGEST_WAIT_NS = 1_000_000_000


class SceneJoin:
    """Messages of frames by stamp.

    A frame is ready when its image and all awaited messages are there, or when it has waited for a
    second. Frames come out in the order of their stamps; what is older than the last one is
    forgotten. A jump back by more than a second starts over.
    """

    def __init__(self) -> None:
        self._frames: dict[int, dict[str, Any]] = {}
        self._last_ns: int | None = None

    def add(
        self, name: str, stamp_ns: int, message: Any, awaited: Collection[str]
    ) -> dict[str, Any] | None:
        """Add a message; returns the messages of a frame that is ready, by name, or None.

        An image without any other message is never ready.
        """
        if self._last_ns is not None and stamp_ns <= self._last_ns:
            if self._last_ns - stamp_ns <= _LONGEST_WAIT_NS:
                return None
            self.reset()

        # The frame of this message may be complete now.
        frame = self._frames.setdefault(stamp_ns, {})
        frame[name] = message
        if _LEADER in frame and all(result in frame for result in awaited):
            return self._take(stamp_ns)

        # Of those that have waited for too long, the newest that can be drawn is taken.
        newest_ns = max(self._frames)
        late = [ns for ns in sorted(self._frames) if newest_ns - ns > _LONGEST_WAIT_NS]
        for late_ns in reversed(late):
            frame = self._frames[late_ns]
            if _LEADER in frame and any(result in frame for result in awaited):
                return self._take(late_ns)

        for late_ns in late:
            del self._frames[late_ns]
        return None

    def reset(self) -> None:
        """Forget everything."""
        self._frames.clear()
        self._last_ns = None

    def _take(self, stamp_ns: int) -> dict[str, Any]:
        """The frame of this stamp, and none of the older ones any more."""
        frame = self._frames.pop(stamp_ns)
        self._frames = {ns: later for ns, later in self._frames.items() if ns > stamp_ns}
        self._last_ns = stamp_ns
        return frame
