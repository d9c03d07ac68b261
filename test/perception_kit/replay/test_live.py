# SPDX-License-Identifier: Apache-2.0
"""Frames that a live run would drop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.replay.live import count_live_drops

CASES = {
    "no frame": ([], 0.1, 0),
    "faster than the camera": ([0.0, 0.1, 0.2, 0.3], 0.05, 0),
    "as fast as the camera": ([0.0, 0.125, 0.25, 0.375], 0.125, 0),
    "half as fast as the camera": ([0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75], 0.25, 2),
    "one slow answer for a burst: first and last are taken": ([0.0, 0.01, 0.02, 0.03], 1.0, 2),
    "a single pair: the second waits": ([0.0, 0.01], 1.0, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_count_live_drops(case: str) -> None:
    stamps_s, busy_s, expected = CASES[case]
    assert count_live_drops(stamps_s, [busy_s] * len(stamps_s)) == expected


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.001, 1))
def test_no_more_than_all_but_the_first_and_the_last(stamps_s: list[float], busy_s: float) -> None:
    drops = count_live_drops(sorted(stamps_s), [busy_s] * len(stamps_s))
    assert 0 <= drops <= max(0, len(stamps_s) - 2)
