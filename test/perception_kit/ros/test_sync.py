# SPDX-License-Identifier: Apache-2.0
"""Joining by stamp, for any order in which the inputs' messages arrive."""

from __future__ import annotations

from itertools import permutations
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.ros.sync import KEPT_S, FrameJoiner

MS = 1_000_000
FRAME = 33 * MS


def joiner(slop: float = 0.03) -> FrameJoiner:
    return FrameJoiner("color", ["depth", "info"], slop)


def run(
    events: list[tuple[str, int]], slop: float = 0.03
) -> tuple[list[dict[str, int]], FrameJoiner]:
    """Stamps of the joined messages, and the joiner; each message is its own stamp."""
    join = joiner(slop)
    joined = [join.add(name, stamp, stamp) for name, stamp in events]
    return [frame for frame in joined if frame is not None], join


@st.composite
def interleavings(draw: st.DrawFn, streams: dict[str, list[int]]) -> list[tuple[str, int]]:
    """The messages of all streams: each stream in its order, the streams mixed in any way."""
    waiting = {name: list(stamps) for name, stamps in streams.items()}
    events = []
    while any(waiting.values()):
        name = draw(st.sampled_from([name for name, stamps in waiting.items() if stamps]))
        events.append((name, waiting[name].pop(0)))
    return events


def test_first_frame_is_joined_whatever_comes_last() -> None:
    names = ("color", "depth", "info")
    for order in permutations(names):
        frames, _ = run([(name, 5) for name in order])
        assert frames == [dict.fromkeys(names, 5)]


@given(data=st.data(), period=st.sampled_from([4 * MS, 16 * MS, FRAME]), count=st.integers(1, 8))
def test_equal_stamps_are_never_mixed_up(data: st.DataObject, period: int, count: int) -> None:
    # The first frame comes whole: until then nothing tells how far apart frames are.
    first = [("color", 0), ("depth", 0), ("info", 0)]
    stamps = [number * period for number in range(1, count + 1)]
    events = data.draw(interleavings({"color": stamps, "depth": stamps, "info": stamps}))
    frames, join = run(first + events)
    assert all(len(set(frame.values())) == 1 for frame in frames)
    assert frames[-1]["color"] == stamps[-1]
    assert len(frames) + join.dropped == count + 1


@given(
    data=st.data(),
    jitters=st.lists(st.integers(-6 * MS, 6 * MS), min_size=2, max_size=8),
    lost=st.sets(st.integers(0, 7), max_size=3),
    slop_ms=st.integers(0, 40),
)
def test_a_frame_is_within_the_slop_and_newer_than_the_one_before(
    data: st.DataObject, jitters: list[int], lost: set[int], slop_ms: int
) -> None:
    color = [number * FRAME for number in range(len(jitters))]
    depth = [
        stamp + jitter
        for number, (stamp, jitter) in enumerate(zip(color, jitters, strict=True))
        if number not in lost
    ]
    events = data.draw(interleavings({"color": color, "depth": depth, "info": color}))
    frames, _ = run(events, slop_ms * 1e-3)
    for frame in frames:
        assert abs(frame["depth"] - frame["color"]) <= slop_ms * MS
        assert abs(frame["info"] - frame["color"]) <= slop_ms * MS
    stamps = [frame["color"] for frame in frames]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize("offset_ms", [-5, 5])
def test_a_constant_offset_costs_no_frame_of_delay(offset_ms: int) -> None:
    join = joiner()
    for number in range(5):
        stamp = number * FRAME
        messages = [("color", stamp), ("info", stamp), ("depth", stamp + offset_ms * MS)]
        messages.sort(key=itemgetter(1))
        joined = [join.add(name, at, at) for name, at in messages]
        assert joined[-1] is not None
        assert joined[-1]["color"] == stamp


def test_a_depth_that_a_later_one_may_beat_is_not_taken() -> None:
    join = joiner()
    for name in ("color", "depth", "info"):
        join.add(name, 0, 0)
    fast = 16 * MS  # the slop alone would allow the depth of the frame before
    assert join.add("info", fast, fast) is None
    assert join.add("color", fast, fast) is None
    assert join.add("depth", fast, fast) == {"color": fast, "depth": fast, "info": fast}


def test_only_the_newest_complete_frame_is_kept_and_drops_are_counted() -> None:
    frames, join = run([("color", 0), ("color", FRAME), ("depth", FRAME), ("info", FRAME)])
    assert [frame["color"] for frame in frames] == [FRAME]
    assert join.dropped == 1


def test_a_missing_partner_drops_frames_without_end_of_memory() -> None:
    frames, join = run(
        [(name, number * FRAME) for number in range(100) for name in ("color", "info")]
    )
    assert frames == []
    assert join.dropped == 100 - 1 - int(KEPT_S * 1e9) // FRAME
    assert "depth" not in join.smallest_gap_ns


def test_smallest_gap_is_told_while_nothing_fits() -> None:
    frames, join = run([("color", 0), ("depth", 50 * MS), ("info", 0)])
    assert frames == []
    assert join.smallest_gap_ns["depth"] == 50 * MS


def test_after_a_jump_back_the_new_stamps_are_joined() -> None:
    late = [(name, 100 * FRAME) for name in ("color", "depth", "info")]
    early = [(name, number * FRAME) for number in range(3) for name in ("info", "color", "depth")]
    frames, _ = run(late + early)
    assert [frame["color"] for frame in frames] == [100 * FRAME, 0, FRAME, 2 * FRAME]


@pytest.mark.parametrize("lag_s", [0.0, 0.3, 0.6, 1.9])
def test_depth_that_arrives_late_is_joined_and_its_lateness_measured(lag_s: float) -> None:
    """Equal stamps at 30 Hz, depth published ``lag_s`` after its colour image."""
    count, lag = 90, round(lag_s * 1e9)
    events = [(number * FRAME, "color", number * FRAME) for number in range(count)]
    events += [(number * FRAME, "info", number * FRAME) for number in range(count)]
    events += [(number * FRAME + lag, "depth", number * FRAME) for number in range(count)]

    now = 0.0
    join = FrameJoiner("color", ["depth", "info"], clock=lambda: now)
    joined = []
    for at_ns, name, stamp in sorted(events, key=lambda event: event[0]):
        now = at_ns * 1e-9
        if (frame := join.add(name, stamp, stamp)) is not None:
            joined.append(frame["color"])
    assert joined == [number * FRAME for number in range(count)]
    assert join.lateness_s["depth"] == pytest.approx(lag_s)


def test_depth_that_comes_after_all_patience_has_its_lateness_measured_too() -> None:
    now = 0.0
    join = FrameJoiner("color", ["depth"], clock=lambda: now)
    for number in range(100):
        now = number * FRAME * 1e-9
        join.add("color", number * FRAME, "color")
    assert join.add("depth", 0, "depth") is None
    assert join.lateness_s["depth"] == pytest.approx(99 * FRAME * 1e-9)
    assert join.dropped > 0


def test_depth_that_comes_in_time_again_is_not_late_any_more() -> None:
    now = 0.0
    join = FrameJoiner("color", ["depth"], clock=lambda: now)
    join.add("color", 0, "color")
    now = 1.0
    assert join.add("depth", 0, "depth") is not None
    assert join.lateness_s == {"depth": 1.0}
    join.add("depth", FRAME, "depth")
    assert join.add("color", FRAME, "color") is not None
    assert join.lateness_s == {}


LASTING = {
    "once, before the images": ([0], 1),
    "once a second": (list(range(0, 40 * FRAME, 30 * FRAME)), 1),
    "with the stamps of another clock": ([number * FRAME + 10**15 for number in range(40)], 1),
    "at the start only": ([number * FRAME for number in range(5)], 4),
    "without stamps": ([0] * 40, 1),
}


@pytest.mark.parametrize("case", LASTING)
def test_what_lasts_is_taken_though_its_stamps_are_others(case: str) -> None:
    infos, missed = LASTING[case]
    join = FrameJoiner("color", ["depth", "info"], lasting=["info"])
    joined = []
    for number in range(40):
        stamp = number * FRAME
        messages = [("info", infos[number])] if number < len(infos) else []
        messages += [("color", stamp + 5 * MS), ("depth", stamp + 5 * MS)]
        joined += [join.add(name, at, (name, at)) for name, at in messages]
    frames = [frame for frame in joined if frame is not None]
    assert len(frames) >= 40 - missed
    assert frames[-1]["info"] == ("info", infos[-1])


def test_what_lasts_is_still_joined_by_stamp_where_it_comes_with_each_frame() -> None:
    """The size of the images changes: each is joined with the camera information of its size."""
    join = FrameJoiner("color", ["depth", "info"], lasting=["info"])
    joined = []
    for number in range(20):
        stamp, size = number * FRAME, "small" if number < 10 else "large"
        for name in ("color", "depth", "info"):
            joined.append(join.add(name, stamp, size))
    frames = [frame for frame in joined if frame is not None]
    assert len(frames) == 20
    assert all(len(set(frame.values())) == 1 for frame in frames)
