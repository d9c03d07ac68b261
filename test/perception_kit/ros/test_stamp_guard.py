# SPDX-License-Identifier: Apache-2.0
"""Which frames are taken where stamps repeat, go back or jump ahead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.ros.stamp_guard import StampGuard, Verdict

TAKE, DROP, RESET = Verdict.TAKE, Verdict.DROP, Verdict.RESET
S = 10**9
FRAME = S // 15
START = 1_700_000_000 * S


def verdicts(
    stamps: list[int], live: bool = True, clock_offset: int = 0, period: int = FRAME
) -> list[Verdict]:
    """Verdicts on frames that arrive one ``period`` after the other."""
    guard = StampGuard("color", live)
    return [
        guard.judge(stamp, number * period, START + number * period + clock_offset).verdict
        for number, stamp in enumerate(stamps)
    ]


def regular(count: int, start: int = START) -> list[int]:
    return [start + number * FRAME for number in range(count)]


def test_growing_stamps_are_taken() -> None:
    assert verdicts(regular(20)) == [TAKE] * 20


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("stray", [START + 3600 * S, 123 * S, 0])
def test_one_stray_stamp_costs_its_own_frame_alone(stray: int, live: bool) -> None:
    stamps = regular(20)
    stamps[10] = stray
    assert verdicts(stamps, live) == [TAKE] * 10 + [DROP] + [TAKE] * 9


def test_stray_stamps_that_do_not_agree_are_no_new_time() -> None:
    stamps = regular(20)
    stamps[8:14] = [0, START + 3600 * S, 5 * S, START + 7200 * S, 900 * S, 7 * S]
    assert verdicts(stamps) == [TAKE] * 8 + [DROP] * 6 + [TAKE] * 6


def test_several_in_a_row_are_the_new_time() -> None:
    stamps = regular(10) + regular(10, START - 100 * S)
    assert verdicts(stamps) == [TAKE] * 10 + [DROP, DROP, RESET] + [TAKE] * 7


def test_a_camera_that_was_away_goes_on() -> None:
    guard = StampGuard("color")
    assert guard.judge(START, 0, START).verdict is TAKE
    assert guard.judge(START + 60 * S, 60 * S, START + 60 * S).verdict is TAKE


def test_a_replay_may_skip_what_was_not_recorded() -> None:
    stamps = regular(5, 1000 * S) + regular(5, 2000 * S)
    assert verdicts(stamps, live=False) == [TAKE] * 10
    assert verdicts(stamps, live=True)[5:8] == [DROP, DROP, RESET]


def test_a_camera_whose_clock_is_ahead_from_the_start_is_taken() -> None:
    stamps = regular(5, START + 1000 * S) + regular(5, START + 1010 * S)
    assert verdicts(stamps, live=False) == [TAKE] * 10


def test_repeated_and_overtaken_frames_are_dropped() -> None:
    stamps = [START, START, START + FRAME, START + FRAME - 1, START + 2 * FRAME]
    assert verdicts(stamps) == [TAKE, DROP, TAKE, DROP, TAKE]


@given(st.lists(st.integers(-(2**31) * S, 2**31 * S), max_size=30), st.booleans())
def test_taken_stamps_grow_between_resets(stamps: list[int], live: bool) -> None:
    last = None
    for stamp, verdict in zip(stamps, verdicts(stamps, live), strict=True):
        if verdict is TAKE:
            assert last is None or stamp > last
        if verdict is not DROP:
            last = stamp
