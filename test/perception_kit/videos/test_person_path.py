# SPDX-License-Identifier: Apache-2.0
"""The way of one person through the detections of a video."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.videos.person_path import Candidates, find_path

GAP = 5


def box(x: float, width: float = 40.0) -> np.ndarray:
    return np.array([x, 10.0, x + width, 110.0])


def seen(*found: tuple[np.ndarray, float]) -> Candidates:
    boxes = np.array([each for each, _ in found]).reshape(-1, 4)
    return Candidates(boxes, np.array([score for _, score in found]))


def test_the_one_who_is_seen_longest_is_followed() -> None:
    walker = [(box(5.0 * k), 0.7) for k in range(12)]
    frames = [seen(each) for each in walker]
    frames[4] = seen(walker[4], (box(400), 0.99))  # a short false detection of a higher score
    path = find_path(frames, GAP)
    assert all(np.array_equal(found, each) for found, (each, _) in zip(path, walker, strict=True))


def test_short_gaps_are_interpolated_and_long_ones_are_not() -> None:
    frames = [seen((box(0.0), 0.8)), seen(), seen(), seen((box(30.0), 0.8))]
    frames += [seen()] * (GAP + 1) + [seen((box(30.0), 0.8))]
    path = find_path(frames, GAP)
    assert path[1] == pytest.approx(box(10.0))
    assert path[2] == pytest.approx(box(20.0))
    assert all(found is None for found in path[4 : 4 + GAP + 1])
    assert path[-1] is not None


def test_doubtful_detections_make_no_person() -> None:
    assert find_path([seen((box(100.0 * k), 0.2)) for k in range(5)], GAP) == [None] * 5
    assert find_path([seen()] * 4, GAP) == [None] * 4
    assert find_path([], GAP) == []


def test_who_moves_is_followed_and_not_who_looks_on() -> None:
    onlooker = (box(400.0), 0.95)
    actor = [(box(10.0 * max(0, k - 8)), 0.6) for k in range(16)]  # stands, then walks
    path = find_path([seen(onlooker, each) for each in actor], GAP)
    assert all(np.array_equal(found, each) for found, (each, _) in zip(path, actor, strict=True))


def test_who_stops_is_not_taken_for_an_onlooker() -> None:
    walker = [(box(30.0 * min(k, 4)), 0.8) for k in range(60)]
    passerby = [(box(900.0 - 40.0 * k), 0.7) for k in range(8)]
    frames = [seen(*each) for each in zip(walker, passerby, strict=False)]
    frames += [seen(each) for each in walker[8:]]
    path = find_path(frames, GAP)
    assert all(np.array_equal(found, each) for found, (each, _) in zip(path, walker, strict=True))


def test_a_shadow_that_moves_is_not_followed() -> None:
    person = (box(100.0), 0.8)
    shadows = [(np.array([10.0 * k, 100.0, 10.0 * k + 30.0, 120.0]), 0.6) for k in range(16)]
    path = find_path([seen(person, shadow) for shadow in shadows], GAP)
    assert all(np.array_equal(found, person[0]) for found in path)


def test_of_several_who_keep_still_the_largest_is_followed() -> None:
    small, large = (box(0.0, 20.0), 0.9), (box(100.0, 60.0), 0.8)
    path = find_path([seen(small, large)] * 6, GAP)
    assert all(np.array_equal(found, large[0]) for found in path)


@given(
    st.lists(st.lists(st.tuples(st.floats(0, 500), st.floats(0.05, 1.0)), max_size=3), max_size=12)
)
def test_every_box_is_a_detection_or_lies_between_two(
    detections: list[list[tuple[float, float]]],
) -> None:
    frames = [seen(*((box(x), score) for x, score in found)) for found in detections]
    path = find_path(frames, GAP)
    assert len(path) == len(frames)
    for found, candidates in zip(path, frames, strict=True):
        if found is not None and not len(candidates.boxes):
            assert 0 <= found[0] <= 500
        elif found is not None and len(candidates.boxes) == 1:
            is_detected = np.array_equal(found, candidates.boxes[0])
            assert is_detected or 0 <= found[0] <= 500
