# SPDX-License-Identifier: Apache-2.0
"""What a node counts and times about its frames, for its diagnostics."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import numpy as np

_RATE_WINDOW_S = 5.0
_LATENCY_COUNT = 1000
_MAX_PLAUSIBLE_LATENCY_S = 3600.0


class FrameStatistics:
    """Rates over the last 5 seconds, latencies of the last 1000 frames, and counters since the
    start. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._start_s = monotonic()
        self._events: dict[str, deque[float]] = defaultdict(deque)
        self._last_s: dict[str, float] = {}
        self._latencies: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_LATENCY_COUNT))
        self._counts: Counter[str] = Counter()

    def event(self, name: str) -> None:
        """One message was received or published: ``name`` is ``input/NAME`` or ``output/NAME``."""
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
        """One frame took ``seconds`` for ``stage``."""
        with self._lock:
            self._latencies[stage].append(seconds)

    def stamp_latency(self, name: str, seconds: float) -> None:
        """Seconds from a frame's stamp to the publication of result ``name``; ignored where the
        stamps are clearly not of this clock.
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
        """Diagnostics: ``rate_hz/NAME``, ``latency_ms/STAGE p50`` (p95, max) and ``frames_NAME``."""
        now = monotonic()
        window = max(min(_RATE_WINDOW_S, now - self._start_s), 1e-3)
        with self._lock:
            values = {
                f"frames_{name}": str(number) for name, number in sorted(self._counts.items())
            }
            for name, times in sorted(self._events.items()):
                self._forget_old(times, now)
                values[f"rate_hz/{name}"] = f"{len(times) / window:.2f}"
            latencies = {
                stage: np.array(samples) * 1e3 for stage, samples in sorted(self._latencies.items())
            }
        for stage, samples in latencies.items():
            p50, p95 = np.percentile(samples, [50, 95])
            values |= {
                f"latency_ms/{stage} {name}": f"{value:.2f}"
                for name, value in (("p50", p50), ("p95", p95), ("max", samples.max()))
            }
        return values

    @staticmethod
    def _forget_old(times: deque[float], now: float) -> None:
        while times and times[0] < now - _RATE_WINDOW_S:
            times.popleft()
