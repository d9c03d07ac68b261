# SPDX-License-Identifier: Apache-2.0
"""Joins a colour image with the depth image and camera information of the same moment."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

KEPT_S = 2.0  # how long a message waits for its partners, by the stamps
LATE_S = 0.5  # from which on a partner that arrives after its colour image is called late
_MOST_KEPT = 128  # messages of an input, whatever their stamps are
_REMEMBERED = 1024  # arrivals of leading messages


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

    def forget_old(self) -> int:
        """Keep what is not too old, and the newest message; returns how many were forgotten."""
        oldest_ns = self.stamps[-1] - round(KEPT_S * 1e9)
        excess = max(bisect_left(self.stamps, oldest_ns), len(self.stamps) - _MOST_KEPT)
        self.keep_from(max(0, excess))
        return max(0, excess)


class FrameJoiner:
    """Joins the messages of a leading input with those of its partners.

    A partner has the same stamp, or else the nearest within ``slop`` seconds. It is taken as soon
    as no later message can be nearer: its stamp is equal, or a later one of the same input has
    come, or its gap is at most half the smallest frame period seen. Of the inputs ``lasting``,
    whose messages hold until the next one, the newest is taken where none comes for each leading
    message: it came once, seldom, or with stamps of its own.

    Each input must come in the order of its stamps; where one goes back, what was kept of it is
    forgotten. Messages wait for their partners for ``KEPT_S``; only the newest leading messages
    that can be joined are kept. ``dropped`` counts the others. ``lateness_s`` are the seconds by
    which each partner arrived after the leading message of its stamp, by ``clock``.
    """

    def __init__(
        self,
        leader: str,
        partners: Sequence[str],
        slop: float = 0.03,
        lasting: Sequence[str] = (),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.leader = leader
        self.partners = tuple(partners)
        self.slop_ns = round(slop * 1e9)
        self.dropped = 0
        self.smallest_gap_ns: dict[str, int] = {}
        self.lateness_s: dict[str, float] = {}
        self._lasting, self._clock = frozenset(lasting), clock
        self._arrivals: dict[int, float] = {}  # of leading messages, by stamp
        self._buffers = {name: _Buffer() for name in (leader, *partners)}

    def add(self, name: str, stamp_ns: int, message: Any) -> dict[str, Any] | None:
        """Add a message of input ``name``.

        Returns the newest complete set (input name to message), or None while it is incomplete.
        """
        self._note_arrival(name, stamp_ns)
        buffer = self._buffers[name]
        buffer.add(stamp_ns, message)
        joined = self._newest_joined()

        if buffer.stamps:
            forgotten = buffer.forget_old()
            self.dropped += forgotten if name == self.leader else 0
        return joined

    def reset(self) -> None:
        """Forget all kept messages and gaps."""
        self._buffers = {name: _Buffer() for name in self._buffers}
        self.smallest_gap_ns, self.lateness_s = {}, {}
        self._arrivals.clear()

    def _note_arrival(self, name: str, stamp_ns: int) -> None:
        """Measure how much later than its leading message a partner arrives."""
        if name == self.leader:
            self._arrivals[stamp_ns] = self._clock()
            for partner in self.partners:
                if self._buffers[partner].newest_ns == stamp_ns:  # it was first
                    self.lateness_s.pop(partner, None)
            if len(self._arrivals) > _REMEMBERED:
                del self._arrivals[next(iter(self._arrivals))]
        elif stamp_ns in self._arrivals:
            self.lateness_s[name] = self._clock() - self._arrivals[stamp_ns]

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
            if name not in self._lasting or self._may_come(name, stamp_ns):
                return None
            earlier = bisect_right(buffer.stamps, stamp_ns)
            return earlier - 1 if earlier else len(buffer.stamps) - 1

        if gap == 0 or buffer.stamps[-1] >= stamp_ns:
            return index
        known = [entry.period_ns for entry in self._buffers.values()]
        periods = [period_ns for period_ns in known if period_ns is not None]
        return index if 2 * gap <= min(periods, default=2 * gap) else None

    def _may_come(self, name: str, stamp_ns: int) -> bool:
        """Whether a message of ``name`` for ``stamp_ns`` is still to be expected.

        So it is where they came as often as the leading ones until shortly before.
        """
        newest_ns, period_ns = self._buffers[name].newest_ns, self._buffers[name].period_ns
        leading_ns = self._buffers[self.leader].period_ns
        if newest_ns is None or period_ns is None or leading_ns is None:
            return False
        return period_ns <= 1.5 * leading_ns and 0 < stamp_ns - newest_ns <= 3 * period_ns
