# SPDX-License-Identifier: Apache-2.0
"""Time budget and schedule of the training commands."""

from __future__ import annotations

import pytest

from perception_kit.training import clock as training_clock
from perception_kit.training.clock import TrainingClock, warmup_cosine


class FakeTime:
    """Stands in for time.monotonic."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    clock = FakeTime()
    monkeypatch.setattr(training_clock.time, "monotonic", clock)
    return clock


def test_progress_follows_whichever_limit_is_nearer(fake_time: FakeTime) -> None:
    clock = TrainingClock(max_minutes=10, steps=100)
    for _ in range(30):
        clock.tick()
    fake_time.now += 60
    assert clock.progress == pytest.approx(0.3)
    fake_time.now += 300
    assert clock.progress == pytest.approx(0.6)
    assert not clock.finished
    fake_time.now += 240
    assert clock.finished


def test_resumed_clock_leaves_out_the_pause(fake_time: FakeTime) -> None:
    first = TrainingClock(max_minutes=10)
    first.tick()
    fake_time.now += 120
    state = first.state_dict()
    fake_time.now += 9999
    second = TrainingClock(max_minutes=10)
    second.load_state_dict(state)
    fake_time.now += 60
    assert second.step == 1
    assert second.elapsed_seconds == pytest.approx(180)


def test_checkpoint_is_due_once_per_interval(fake_time: FakeTime) -> None:
    clock = TrainingClock(max_minutes=100, checkpoint_seconds=120)
    due = []
    for _ in range(5):
        fake_time.now += 60
        due.append(clock.checkpoint_due())
    assert due == [False, True, False, True, False]


@pytest.mark.parametrize(("minutes", "steps"), [(0, None), (-1, 10), (5, 0)])
def test_limits_must_be_positive(minutes: float, steps: int | None) -> None:
    with pytest.raises(ValueError, match="positive limits"):
        TrainingClock(minutes, steps)


@pytest.mark.parametrize(
    ("progress", "step", "expected"),
    [(0.0, 0, 0.1), (0.0, 9, 1.0), (0.5, 500, 0.505), (1.0, 1000, 0.01)],
)
def test_warmup_cosine(progress: float, step: int, expected: float) -> None:
    assert warmup_cosine(progress, step, warmup_steps=10) == pytest.approx(expected)
