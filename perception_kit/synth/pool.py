# SPDX-License-Identifier: Apache-2.0
"""Renders numbered frames in worker processes.

A frame depends on its number only, so the result is the same for any number of workers.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

import cv2

from perception_kit.processes import ignoring_interrupts

FRAMES_AHEAD = 8
"""Finished frames that may wait for the reader, per worker."""

Frame = TypeVar("Frame")

_render: Callable[[int], Any] | None = None
"""What a worker process calls; None in the process that started it."""


def _start(build: Callable[[], Callable[[int], Any]]) -> None:
    global _render
    cv2.setNumThreads(1)
    _render = build()


def _frame(index: int) -> Any:
    if _render is None:
        raise RuntimeError("the worker process was not initialised")
    return _render(index)


def render_frames(
    build: Callable[[], Callable[[int], Frame]], count: int, workers: int
) -> Iterator[Frame]:
    """Results of ``build()(index)`` for index 0 to ``count`` - 1, in order.

    ``build`` is called once in each worker and must be picklable. An error in a worker is raised
    here.
    """
    if workers <= 1:
        yield from map(build(), range(count))
        return

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start, initargs=(build,)
    ) as pool:
        waiting: deque[Future[Frame]] = deque()
        try:
            for index in range(count):
                with ignoring_interrupts():  # the first submission starts the workers
                    waiting.append(pool.submit(_frame, index))
                if len(waiting) >= workers * FRAMES_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
