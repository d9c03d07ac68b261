# SPDX-License-Identifier: Apache-2.0
"""Joins the results of several nodes for one image by stamp, for whom none may be lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Results that come later than this after newer ones are not waited for, by the stamps.
WAIT_NS = 1_000_000_000


class ResultJoin:
    """Results of ``inputs`` by stamp.

    An image is ready when all inputs have sent its result, or when a newer image is ready: each
    input comes in the order of its stamps. An input that has been missing for a second, by the
    stamps, is not waited for until it comes again. What comes after its image was ready counts as
    ``late`` and is left out. A jump back by more than a second starts over.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        self.late = 0
        self._inputs = tuple(inputs)
        self._waiting: dict[int, dict[str, Any]] = {}
        self._newest_ns: dict[str, int] = {}
        self._missing_since_ns: dict[str, int] = {}
        self._ready_ns: int | None = None

    def add(self, name: str, stamp_ns: int, result: Any) -> list[tuple[int, dict[str, Any]]]:
        """Add a result; returns the stamps and results of the images that are ready, in order."""
        if self._ready_ns is not None and stamp_ns < self._ready_ns - WAIT_NS:
            self.reset()
        self._note(name, stamp_ns)
        if self._ready_ns is not None and stamp_ns <= self._ready_ns:
            self.late += 1
            return []
        self._waiting.setdefault(stamp_ns, {})[name] = result

        newest_ns = max(self._newest_ns.values())
        awaited = {
            entry
            for entry in self._inputs
            if newest_ns - self._missing_since_ns.get(entry, newest_ns) <= WAIT_NS
        }
        # The newest image that is complete, or has waited too long, takes the older ones along.
        ready = [
            ns
            for ns, results in self._waiting.items()
            if awaited <= results.keys() or newest_ns - ns > WAIT_NS
        ]
        return self._take(max(ready)) if ready else []

    def rest(self) -> list[tuple[int, dict[str, Any]]]:
        """What still waits, in order: nothing more will come."""
        return self._take(max(self._waiting)) if self._waiting else []

    def reset(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self._newest_ns.clear()
        self._missing_since_ns.clear()
        self._ready_ns = None

    def _note(self, name: str, stamp_ns: int) -> None:
        """Keep since when each input has been missing."""
        self._newest_ns[name] = max(stamp_ns, self._newest_ns.get(name, stamp_ns))
        self._missing_since_ns.pop(name, None)
        for other in self._inputs:
            newest_ns = self._newest_ns.get(other)
            if newest_ns is None or newest_ns < stamp_ns:
                self._missing_since_ns.setdefault(other, stamp_ns)

    def _take(self, until_ns: int) -> list[tuple[int, dict[str, Any]]]:
        self._ready_ns = until_ns
        return [(ns, self._waiting.pop(ns)) for ns in sorted(self._waiting) if ns <= until_ns]
