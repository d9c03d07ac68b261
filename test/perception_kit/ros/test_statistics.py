# SPDX-License-Identifier: Apache-2.0
"""Counters, rates and latencies, with a clock that the test moves."""

from __future__ import annotations

import pytest

from perception_kit.ros import statistics
from perception_kit.ros.statistics import FrameStatistics


class Clock:
    """Replaces ``monotonic``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(statistics, "monotonic", clock)
    return clock


def test_rate_is_that_of_the_last_five_seconds(clock: Clock) -> None:
    counted = FrameStatistics()
    for _ in range(100):
        clock.now += 0.1
        counted.event("input/color")
    assert float(counted.values()["rate_hz/input/color"]) == pytest.approx(10, abs=0.3)
    clock.now += 4.0
    assert float(counted.values()["rate_hz/input/color"]) == pytest.approx(2, abs=0.3)
    clock.now += 4.0
    assert float(counted.values()["rate_hz/input/color"]) == 0


def test_rate_is_right_from_the_start(clock: Clock) -> None:
    counted = FrameStatistics()
    for _ in range(5):
        clock.now += 0.1
        counted.event("output/tracks")
    assert float(counted.values()["rate_hz/output/tracks"]) == pytest.approx(10)


def test_stage_times_are_given_in_milliseconds(clock: Clock) -> None:
    counted = FrameStatistics()
    for milliseconds in range(1, 101):
        with counted.stage("pose"):
            clock.now += milliseconds * 1e-3
    values = counted.values()
    shown = [float(values[f"latency_ms/pose {name}"]) for name in ("p50", "p95", "max")]
    assert shown == pytest.approx([50.5, 95.05, 100], abs=0.01)


def test_a_stage_that_fails_is_not_timed(clock: Clock) -> None:
    counted = FrameStatistics()
    with pytest.raises(RuntimeError), counted.stage("pose"):
        raise RuntimeError
    assert counted.values() == {}


@pytest.mark.parametrize(("seconds", "is_shown"), [(0.05, True), (-0.1, False), (50e6, False)])
def test_stamps_of_another_clock_give_no_latency(
    clock: Clock, seconds: float, is_shown: bool
) -> None:
    counted = FrameStatistics()
    counted.stamp_latency("poses", seconds)
    assert ("latency_ms/stamp_to_poses max" in counted.values()) == is_shown


def test_time_since_an_event(clock: Clock) -> None:
    counted = FrameStatistics()
    assert counted.seconds_since("input/depth") is None
    counted.event("input/depth")
    clock.now += 3.0
    assert counted.seconds_since("input/depth") == pytest.approx(3.0)


def test_counters_add_up(clock: Clock) -> None:
    counted = FrameStatistics()
    counted.count("dropped")
    counted.count("dropped", 4)
    assert counted.values() == {"frames_dropped": "5"}
