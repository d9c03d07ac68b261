# SPDX-License-Identifier: Apache-2.0
"""Joining a colour image with the depth image and camera information of the same moment."""

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
        """Index of the message that is nearest in time, the earlier one of two equally near; None
        when empty.
        """
        if not self.stamps:
            return None
        after = bisect_left(self.stamps, stamp_ns)
        if after == len(self.stamps) or (
            after > 0 and stamp_ns - self.stamps[after - 1] <= self.stamps[after] - stamp_ns
        ):
            return after - 1
        return after

    def keep_from(self, index: int) -> None:
        del self.stamps[:index]
        del self.messages[:index]


class FrameJoiner:
    """Joins the messages of a leading input with those of its partners by exact stamp, else the
    nearest within ``slop``.

    A partner is taken as soon as no later message can be nearer: its stamp is equal, or a later one
    of the same input has come, or its gap is at most half the smallest frame period seen. Each
    input must come in the order of its stamps; where one goes back, what was kept of it is
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
        """Take a message of input ``name``; returns the newest complete set (input name to
        message), or None while it is incomplete.
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
        leading = self._buffers[self.leader]
        for index in range(len(leading.stamps) - 1, -1, -1):
            chosen = {name: self._partner(name, leading.stamps[index]) for name in self.partners}
            if None in chosen.values():
                continue
            joined = {self.leader: leading.messages[index]}
            for name, position in chosen.items():
                joined[name] = self._buffers[name].messages[position]
                self._buffers[name].keep_from(
                    position
                )  # the next leading message may still share it
            self.dropped += index
            leading.keep_from(index + 1)
            self.smallest_gap_ns = {}
            return joined
        return None

    def _partner(self, name: str, stamp_ns: int) -> int | None:
        """Index of the message of ``name`` that belongs to ``stamp_ns``; None while there is none
        or a nearer one may come.
        """
        buffer = self._buffers[name]
        index = buffer.nearest(stamp_ns)
        if index is None:
            return None
        gap = abs(buffer.stamps[index] - stamp_ns)
        self.smallest_gap_ns[name] = min(gap, self.smallest_gap_ns.get(name, gap))
        if gap > self.slop_ns:
            return None
        periods = [
            other.period_ns for other in self._buffers.values() if other.period_ns is not None
        ]
        is_final = (
            gap == 0 or buffer.stamps[-1] >= stamp_ns or not periods or 2 * gap <= min(periods)
        )
        return index if is_final else None
