# SPDX-License-Identifier: Apache-2.0
"""How long something that was started has been waiting for its result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic


class ResultDeadline:
    """Time from the first ``expect`` since the last ``met`` on.

    Frames that come again and again without a result are overdue, whether one hangs, all fail or
    the thread that should work on them is gone. Safe to use from several threads.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since_s: float | None = None
        self._lock = threading.Lock()

    def expect(self) -> None:
        """A result is to come from now on, where none was expected before."""
        with self._lock:
            if self._since_s is None:
                self._since_s = self._clock()

    def met(self) -> None:
        """A result came, or none is expected any more."""
        with self._lock:
            self._since_s = None

    def waiting_s(self) -> float:
        """Seconds since a result has been expected; 0 while none is."""
        with self._lock:
            return 0.0 if self._since_s is None else self._clock() - self._since_s
