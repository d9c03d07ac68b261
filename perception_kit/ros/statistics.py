# SPDX-License-Identifier: Apache-2.0
"""Counters, rates and latencies of a node's frames, for its diagnostics."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import numpy as np

_RATE_WINDOW_S = 5.0
_LATENCY_COUNT = 1000
_MAX_PLAUSIBLE_LATENCY_S = 3600.0  # above it the stamps are of another clock


class FrameStatistics:
    """Rates of 5 seconds, latencies of 1000 frames, and counters since the start.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._start_s = monotonic()
        self._events: dict[str, deque[float]] = defaultdict(deque)
        self._last_s: dict[str, float] = {}
        self._latencies: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_LATENCY_COUNT))
        self._counts: Counter[str] = Counter()

    def event(self, name: str) -> None:
        """Note a message that was received (``input/NAME``) or published (``output/NAME``)."""
        now = monotonic()
        with self._lock:
            self._last_s[name] = now
            self._events[name].append(now)
            self._forget_old(self._events[name], now)

    def count(self, name: str, number: int = 1) -> None:
        """Add ``number`` to the counter ``name``."""
        with self._lock:
            self._counts[name] += number

    def latency(self, stage: str, seconds: float) -> None:
        """Note that a frame took ``seconds`` for ``stage``."""
        with self._lock:
            self._latencies[stage].append(seconds)

    def stamp_latency(self, name: str, seconds: float) -> None:
        """Note the seconds from a frame's stamp to the publication of result ``name``.

        They are ignored where the stamps are clearly not of this clock.
        """
        if 0 <= seconds < _MAX_PLAUSIBLE_LATENCY_S:
            self.latency(f"stamp_to_{name}", seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a ``with`` block as stage ``name``; a block that raises is not counted."""
        start = monotonic()
        yield
        self.latency(name, monotonic() - start)

    def seconds_since(self, name: str) -> float | None:
        """Seconds since the last event ``name``; None when there was none."""
        with self._lock:
            return monotonic() - self._last_s[name] if name in self._last_s else None

    def values(self) -> dict[str, str]:
        """Values for the diagnostics.

        They are ``frames_NAME``, ``rate_hz/NAME`` and ``latency_ms/STAGE p50`` (p95, max).
        """
        now = monotonic()
        window_s = max(min(_RATE_WINDOW_S, now - self._start_s), 1e-3)

        values: dict[str, str] = {}
        with self._lock:
            for name, number in sorted(self._counts.items()):
                values[f"frames_{name}"] = str(number)
            for name, times in sorted(self._events.items()):
                self._forget_old(times, now)
                values[f"rate_hz/{name}"] = f"{len(times) / window_s:.2f}"
            latencies = {stage: np.array(times) for stage, times in self._latencies.items()}

        # Percentiles take a while: without the lock
        for stage, seconds in sorted(latencies.items()):
            p50, p95 = np.percentile(seconds, [50, 95])
            for name, value in (("p50", p50), ("p95", p95), ("max", seconds.max())):
                values[f"latency_ms/{stage} {name}"] = f"{value * 1e3:.2f}"
        return values

    @staticmethod
    def _forget_old(times: deque[float], now: float) -> None:
        while times and times[0] < now - _RATE_WINDOW_S:
            times.popleft()
