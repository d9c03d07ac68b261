# SPDX-License-Identifier: Apache-2.0
"""Joins a colour image with the depth image and camera information of the same moment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_BUFFER_LENGTH = 16


@dataclass
class _Buffer:
    """Messages of one input in ascending stamp order, oldest first; bounded."""

    stamps: list[int] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    newest_ns: int | None = None  # also when it is not kept any more
    period_ns: int | None = None  # smallest gap between two messages in a row

    def add(self, stamp_ns: int, message: Any) -> None:
        gap = 0 if self.newest_ns is None else stamp_ns - self.newest_ns
        self.newest_ns = stamp_ns

        if gap < 0:  # a jump back in time: nothing that is kept belongs to what comes now
            self.keep_from(len(self.stamps))
        elif gap > 0:
            self.period_ns = gap if self.period_ns is None else min(gap, self.period_ns)

        if self.stamps and gap == 0:  # the same stamp again: the newer message counts
            self.messages[-1] = message
            return
        self.stamps.append(stamp_ns)
        self.messages.append(message)

    def nearest(self, stamp_ns: int) -> int | None:
        """Index of the message nearest in time, the earlier of two equally near; None if empty."""
        if not self.stamps:
            return None
        after = bisect_left(self.stamps, stamp_ns)
        candidates = range(len(self.stamps))[max(0, after - 1) : after + 1]
        return min(candidates, key=lambda index: abs(self.stamps[index] - stamp_ns))

    def keep_from(self, index: int) -> None:
        del self.stamps[:index]
        del self.messages[:index]


class FrameJoiner:
    """Joins the messages of a leading input with those of its partners.

    A partner has the same stamp, or else the nearest within ``slop`` seconds. It is taken as soon
    as no later message can be nearer: its stamp is equal, or a later one of the same input has
    come, or its gap is at most half the smallest frame period seen.

    Each input must come in the order of its stamps; where one goes back, what was kept of it is
    forgotten. Only the newest leading messages that can be joined are kept; ``dropped`` counts the
    others.
    """

    def __init__(self, leader: str, partners: Sequence[str], slop: float = 0.03) -> None:
        self.leader = leader
        self.partners = tuple(partners)
        self.slop_ns = round(slop * 1e9)
        self.dropped = 0
        self.smallest_gap_ns: dict[str, int] = {}
        self._buffers = {name: _Buffer() for name in (leader, *partners)}

    def add(self, name: str, stamp_ns: int, message: Any) -> dict[str, Any] | None:
        """Add a message of input ``name``.

        Returns the newest complete set (input name to message), or None while it is incomplete.
        """
        buffer = self._buffers[name]
        buffer.add(stamp_ns, message)
        joined = self._newest_joined()

        excess = len(buffer.stamps) - _BUFFER_LENGTH
        if excess > 0:
            self.dropped += excess if name == self.leader else 0
            buffer.keep_from(excess)
        return joined

    def reset(self) -> None:
        """Forget all kept messages and gaps."""
        self._buffers = {name: _Buffer() for name in self._buffers}
        self.smallest_gap_ns = {}

    def _newest_joined(self) -> dict[str, Any] | None:
        """The newest leading message that has all its partners; older ones are dropped."""
        leading = self._buffers[self.leader]
        for index in range(len(leading.stamps) - 1, -1, -1):
            partners = self._find_partners(leading.stamps[index])
            if partners is None:
                continue

            joined = {self.leader: leading.messages[index]}
            for name, position in partners.items():
                buffer = self._buffers[name]
                joined[name] = buffer.messages[position]
                buffer.keep_from(position)  # the next leading message may have the same partner

            self.dropped += index
            leading.keep_from(index + 1)
            self.smallest_gap_ns = {}
            return joined
        return None

    def _find_partners(self, stamp_ns: int) -> dict[str, int] | None:
        """Index of each partner of a leading message; None while one is missing."""
        found = {name: self._partner(name, stamp_ns) for name in self.partners}
        complete = {name: index for name, index in found.items() if index is not None}
        return complete if len(complete) == len(found) else None

    def _partner(self, name: str, stamp_ns: int) -> int | None:
        """Index of the message of ``name`` that belongs to ``stamp_ns``.

        None while there is none within the slop, or while a nearer one may come.
        """
        buffer = self._buffers[name]
        index = buffer.nearest(stamp_ns)
        if index is None:
            return None

        gap = abs(buffer.stamps[index] - stamp_ns)
        self.smallest_gap_ns[name] = min(gap, self.smallest_gap_ns.get(name, gap))
        if gap > self.slop_ns:
            return None

        if gap == 0 or buffer.stamps[-1] >= stamp_ns:
            return index
        known = [entry.period_ns for entry in self._buffers.values()]
        periods = [period_ns for period_ns in known if period_ns is not None]
        return index if 2 * gap <= min(periods, default=2 * gap) else None
