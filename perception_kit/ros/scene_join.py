# SPDX-License-Identifier: Apache-2.0
"""Collects what is known about each image, from all nodes, until it can be drawn as one picture."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

_LEADER = "color"
_LONGEST_WAIT_NS = 1_000_000_000


class SceneJoin:
    """Parts of frames by stamp.

    A frame is ready when its image and all awaited parts are there, or when it has waited for a
    second.

    Frames come out in the order of their stamps; what is older than the last is forgotten. A jump
    back by more than a second starts over.
    """

    def __init__(self) -> None:
        self._frames: dict[int, dict[str, Any]] = {}
        self._last_ns: int | None = None

    def add(
        self, name: str, stamp_ns: int, part: Any, awaited: Collection[str]
    ) -> dict[str, Any] | None:
        """Take a part; returns the parts of a frame that is ready, by name, or None.

        An image without any other part is never ready.
        """
        if self._last_ns is not None and stamp_ns <= self._last_ns:
            if self._last_ns - stamp_ns <= _LONGEST_WAIT_NS:
                return None
            self.reset()
        self._frames.setdefault(stamp_ns, {})[name] = part
        if _LEADER in self._frames[stamp_ns] and all(
            other in self._frames[stamp_ns] for other in awaited
        ):
            return self._take(stamp_ns)
        late = [
            other for other in sorted(self._frames) if max(self._frames) - other > _LONGEST_WAIT_NS
        ]
        usable = [
            other
            for other in late
            if _LEADER in self._frames[other]
            and any(name in self._frames[other] for name in awaited)
        ]
        if usable:
            return self._take(usable[-1])
        for other in late:
            del self._frames[other]
        return None

    def reset(self) -> None:
        """Forget everything."""
        self._frames.clear()
        self._last_ns = None

    def _take(self, stamp_ns: int) -> dict[str, Any]:
        frame = self._frames.pop(stamp_ns)
        self._frames = {other: parts for other, parts in self._frames.items() if other > stamp_ns}
        self._last_ns = stamp_ns
        return frame
