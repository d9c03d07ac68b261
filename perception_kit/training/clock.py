# SPDX-License-Identifier: Apache-2.0
"""How far a training is, by steps and wall time, and the learning rate that follows from it."""

from __future__ import annotations

import math
import time


class TrainingClock:
    """Counts steps and wall time, over resumes, against the limits of a run.

    ``progress`` grows from 0 to 1 and drives schedules, so that they end with the run whether steps
    or minutes limit it.
    """

    def __init__(
        self, max_minutes: float, steps: int | None = None, checkpoint_seconds: float = 120.0
    ) -> None:
        if max_minutes <= 0 or (steps is not None and steps <= 0):
            raise ValueError(
                f"a run needs positive limits, got max_minutes={max_minutes}, steps={steps}"
            )
        self.max_seconds = max_minutes * 60
        self.max_steps = steps
        self.step = 0
        self._checkpoint_seconds = checkpoint_seconds
        self._earlier_seconds = 0.0
        self._start = self._last_checkpoint = time.monotonic()

    @property
    def elapsed_seconds(self) -> float:
        """Wall time trained so far, without the pauses between a kill and its resume."""
        return self._earlier_seconds + time.monotonic() - self._start

    @property
    def progress(self) -> float:
        """Fraction of the run that is done, 0 to 1."""
        by_steps = self.step / self.max_steps if self.max_steps else 0.0
        return min(1.0, max(by_steps, self.elapsed_seconds / self.max_seconds))

    @property
    def finished(self) -> bool:
        """True once a limit is reached."""
        return self.progress >= 1.0

    def tick(self) -> None:
        """One more step is done."""
        self.step += 1

    def checkpoint_due(self) -> bool:
        """True once every ``checkpoint_seconds``; the answer True starts the next interval."""
        due = time.monotonic() - self._last_checkpoint >= self._checkpoint_seconds
        if due:
            self._last_checkpoint = time.monotonic()
        return due

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs."""
        return {"step": self.step, "elapsed_seconds": self.elapsed_seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from ``state_dict()`` of an earlier process."""
        self.step = int(state["step"])
        self._earlier_seconds = float(state["elapsed_seconds"])
        self._start = time.monotonic()


def warmup_cosine(progress: float, step: int, warmup_steps: int, final: float = 0.01) -> float:
    """Fraction of the peak learning rate.

    Linear over ``warmup_steps``, times a half cosine of ``progress`` from 1 to ``final``.
    """
    cosine = final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))
    return min(1.0, (step + 1) / warmup_steps) * cosine
