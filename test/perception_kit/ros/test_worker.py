# SPDX-License-Identifier: Apache-2.0
"""The worker keeps order, drops the oldest, and stops after the item in progress."""

from __future__ import annotations

import threading

import pytest

from perception_kit.ros.worker import FrameWorker

LIMIT_S = 30.0


class Slow:
    """Processes an item each time ``go`` is released, and remembers what it got."""

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.done: list[int] = []

    def __call__(self, item: int) -> None:
        self.started.release()
        assert self.go.acquire(timeout=LIMIT_S)
        self.done.append(item)


@pytest.mark.parametrize(
    ("capacity", "processed", "dropped"),
    [(1, [0, 5], 4), (3, [0, 3, 4, 5], 2), (10, [0, 1, 2, 3, 4, 5], 0)],
)
def test_newest_items_are_processed_in_order(
    capacity: int, processed: list[int], dropped: int
) -> None:
    slow = Slow()
    worker = FrameWorker(slow, capacity)
    worker.submit(0)
    assert slow.started.acquire(timeout=LIMIT_S)
    for item in range(1, 6):  # while item 0 is in progress
        worker.submit(item)
    for _ in range(len(processed) - 1):
        slow.go.release()
        assert slow.started.acquire(timeout=LIMIT_S)
    slow.go.release()
    worker.stop()
    assert (slow.done, worker.dropped) == (processed, dropped)


def test_stop_finishes_the_item_in_progress_and_forgets_the_rest() -> None:
    slow = Slow()
    worker = FrameWorker(slow, capacity=5)
    for item in range(3):
        worker.submit(item)
    assert slow.started.acquire(timeout=LIMIT_S)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    stopper.join(timeout=0.05)
    assert stopper.is_alive(), "item 0 is still in progress"
    assert worker.busy
    slow.go.release()
    stopper.join(timeout=LIMIT_S)
    assert not stopper.is_alive()
    assert not worker.busy
    assert slow.done == [0]


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="got 0"):
        FrameWorker(print, capacity=0)


def test_flush_finishes_the_item_in_progress_and_forgets_the_rest() -> None:
    slow = Slow()
    worker = FrameWorker(slow, capacity=5)
    for item in range(3):
        worker.submit(item)
    assert slow.started.acquire(timeout=LIMIT_S)
    flusher = threading.Thread(target=worker.flush)
    flusher.start()
    flusher.join(timeout=0.05)
    assert flusher.is_alive(), "item 0 is still in progress"
    slow.go.release()
    flusher.join(timeout=LIMIT_S)

    slow.go.release()
    worker.submit(3)
    assert slow.started.acquire(timeout=LIMIT_S)
    worker.stop()
    assert slow.done == [0, 3]
