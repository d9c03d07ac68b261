# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionrec_node.recognition.clip_buffer import NANOSECONDS, ClipBuffer


def _stream(buffer: ClipBuffer, stamps_s: np.ndarray) -> None:
    """Frames whose value is their own stamp."""
    for stamp in stamps_s:
        buffer.push(np.array([stamp]), round(stamp * NANOSECONDS))


@pytest.mark.parametrize("rate", [8, 15, 30, 60, 90])
def test_any_camera_rate_gives_the_clip_rate(rate: int) -> None:
    buffer = ClipBuffer(16, 15.0)
    _stream(buffer, np.arange(3 * rate) / rate)
    clip = buffer.clip()
    newest = (3 * rate - 1) / rate
    wanted = newest - np.arange(15, -1, -1) / 15
    assert np.abs(np.ravel(clip.frames) - wanted).max() <= 0.5 / rate + 1e-6
    assert clip.end_ns == round(newest * NANOSECONDS)
    assert clip.start_ns == round(clip.frames[0][0] * NANOSECONDS)


@given(st.lists(st.floats(0.005, 0.2), min_size=1, max_size=200))
def test_memory_is_bounded_by_the_span_and_frames_are_in_order(steps: list[float]) -> None:
    buffer = ClipBuffer(8, 10.0)
    stamps = np.cumsum(steps)
    _stream(buffer, stamps)
    kept = np.array([stamp for stamp, _ in buffer._frames]) / NANOSECONDS
    assert kept[1:].size == 0 or kept[-1] - kept[1] < 0.7 + 1e-6
    clip = buffer.clip()
    assert (clip is None) == (stamps[-1] - max(stamps[0], kept[0]) < 0.65 - 1e-9)
    if clip is not None:
        assert (np.diff(np.ravel(clip.frames)) >= 0).all()
        assert clip.frames[-1][0] == stamps[-1]


def test_no_clip_before_the_span_is_full() -> None:
    buffer = ClipBuffer(16, 15.0)
    _stream(buffer, np.arange(15) / 15)
    assert buffer.clip() is None
    _stream(buffer, np.array([1.0]))
    assert buffer.clip() is not None


@pytest.mark.parametrize(("next_stamp", "reason"), [(2.0, "gap"), (0.5, "stamp that goes back")])
def test_a_break_in_the_stream_starts_over(next_stamp: float, reason: str) -> None:
    buffer = ClipBuffer(4, 10.0, max_gap_s=0.5)
    _stream(buffer, np.arange(0, 1.01, 0.1))
    assert not buffer.push(np.array([next_stamp]), round(next_stamp * NANOSECONDS)), reason
    assert buffer.clip() is None
    _stream(buffer, next_stamp + np.array([0.1, 0.2, 0.3]))
    assert buffer.clip().frames[0][0] == next_stamp


def test_a_repeated_stamp_is_ignored() -> None:
    buffer = ClipBuffer(4, 10.0)
    _stream(buffer, np.array([0.0, 0.1, 0.2, 0.3]))
    assert buffer.push(np.array([9.0]), round(0.3 * NANOSECONDS))
    assert buffer.clip().frames[-1][0] == 0.3


def test_settings_that_make_no_clip_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got 1, 15\.0"):
        ClipBuffer(1, 15.0)
