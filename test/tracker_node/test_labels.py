# SPDX-License-Identifier: Apache-2.0
"""Which tracks are scored beside labels of each role."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.metrics.tracking import TrackedBoxes
from tracker_node.labels import Labels, Role


def square(left: float, size: float = 40) -> list[float]:
    return [left, 0, left + size, size]


def labels(*rows: tuple[list[float], Role], min_height: float = -np.inf) -> Labels:
    boxes = np.array([box for box, _ in rows], float).reshape(-1, 4)
    roles = np.array([role for _, role in rows], int)
    count = len(rows)
    return Labels(np.ones(count, int), np.arange(1, count + 1), boxes, roles, min_height)


CASES = {
    # labels, boxes of tracks 1, 2, …, tracks that are scored
    "each role": (
        [(square(100 * role), role) for role in Role],
        [square(100 * role) for role in Role],
        [1, 3, 5],
    ),
    "a track on somebody who counts stays, though it also covers somebody who does not": (
        [(square(0), Role.COUNTED), (square(4), Role.IGNORED)],
        [square(0)],
        [1],
    ),
    "of two tracks the better one belongs to the person, the other to the distractor": (
        [(square(0), Role.COUNTED), (square(10), Role.IGNORED)],
        [square(0), square(10)],
        [1],
    ),
    "exactly half of the union is a match": (
        [([0, 0, 40, 40], Role.IGNORED)],
        [[0, 0, 40, 20]],
        [],
    ),
    "exactly half in an area is not in it": (
        [(square(0, 100), Role.AREA)],
        [[80, 0, 120, 40]],
        [1],
    ),
    "more than half in an area": ([(square(0, 100), Role.AREA)], [[79, 0, 119, 40]], []),
    "matched in an area": (
        [(square(0, 100), Role.AREA), (square(10), Role.COUNTED)],
        [square(10)],
        [1],
    ),
    "no label at all": ([], [square(0)], [1]),
}


@pytest.mark.parametrize("case", CASES)
def test_scored_tracks(case: str) -> None:
    rows, boxes, expected = CASES[case]
    tracked = TrackedBoxes(range(1, len(boxes) + 1), boxes)
    assert labels(*rows).scored(1, tracked).ids.tolist() == expected


def test_small_tracks_are_dropped_where_they_match_nothing() -> None:
    boxes = [square(0, 25), square(100, 25), square(200, 26)]
    known = labels((square(0, 25), Role.COUNTED), min_height=25.0)
    assert known.scored(1, TrackedBoxes([1, 2, 3], boxes)).ids.tolist() == [1, 3]


def test_labels_and_tracks_of_each_frame() -> None:
    known = labels((square(0), Role.COUNTED), (square(100), Role.IGNORED))
    tracks = [TrackedBoxes([7, 8], [square(0), square(100)])] * 2
    counted, scored = known.compare(tracks, first_frame=0)
    assert [frame.ids.tolist() for frame in counted] == [[], [1]]
    assert [frame.ids.tolist() for frame in scored] == [[7, 8], [7]]


@given(st.integers(0, 2**31))
def test_only_ignored_labels_and_areas_drop_tracks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (12, 2))
    boxes = np.hstack([corners, corners + rng.uniform(5, 60, (12, 2))])
    roles = rng.choice([Role.COUNTED, Role.OTHER, Role.UNUSED], 6)
    known = labels(*zip(boxes[:6].tolist(), roles, strict=True))
    tracked = TrackedBoxes(np.arange(6), boxes[6:])
    assert known.scored(1, tracked).ids.tolist() == list(range(6))
