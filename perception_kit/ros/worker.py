# SPDX-License-Identifier: Apache-2.0
"""A thread that processes frames, so that the executor never waits for a network."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any


class FrameWorker:
    """Calls ``process`` for each submitted item, in order, in a thread of its own.

    At most ``capacity`` items wait: a newer item pushes out the oldest, and ``dropped`` counts
    those. ``busy`` is True while an item is processed. ``process`` must not raise.
    """

    def __init__(self, process: Callable[[Any], None], capacity: int = 1) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.dropped = 0
        self.busy = False

        self._process = process
        self._capacity = capacity
        self._items: deque[Any] = deque()
        self._changed = threading.Condition()
        self._stopping = False

        self._thread = threading.Thread(target=self._run, name="frame_worker", daemon=True)
        self._thread.start()

    def submit(self, item: Any) -> None:
        """Queue one item; never waits."""
        with self._changed:
            if len(self._items) == self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify()

    def flush(self) -> None:
        """Forget the waiting items and return once the one in progress is done."""
        with self._changed:
            self._items.clear()
            self._changed.wait_for(lambda: not self.busy)

    def stop(self) -> None:
        """Forget the waiting items and return once the one in progress is done."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._stopping)
                if self._stopping:
                    return
                item = self._items.popleft()
                self.busy = True

            self._process(item)
            with self._changed:
                self.busy = False
                self._changed.notify_all()
