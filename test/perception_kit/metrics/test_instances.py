# SPDX-License-Identifier: Apache-2.0
"""Known matches between true and predicted instances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.metrics.instances import (
    InstanceMatch,
    count_found,
    detection_verdicts,
    mask_iou,
    match_counted,
    match_instances,
)
from perception_kit.types import Instance


def rectangle(
    x: int, y: int, width: int, height: int, name: str = "mug", score: float = 1.0
) -> Instance:
    return Instance(
        1,
        name,
        score,
        np.array([x, y, x + width, y + height], np.float32),
        np.ones((height, width), bool),
        (x, y),
    )


IOU_CASES = {
    "same": (rectangle(2, 3, 4, 5), rectangle(2, 3, 4, 5), 1.0),
    "apart": (rectangle(0, 0, 4, 4), rectangle(10, 10, 4, 4), 0.0),
    "touching edges": (rectangle(0, 0, 4, 4), rectangle(4, 0, 4, 4), 0.0),
    "half shifted": (rectangle(0, 0, 4, 4), rectangle(2, 0, 4, 4), 8 / 24),
    "one inside": (rectangle(0, 0, 10, 10), rectangle(5, 5, 2, 5), 0.1),
    "both empty": (rectangle(0, 0, 0, 0), rectangle(0, 0, 0, 0), 0.0),
}


@pytest.mark.parametrize("case", IOU_CASES)
def test_mask_iou(case: str) -> None:
    first, second, expected = IOU_CASES[case]
    assert mask_iou(first, second) == pytest.approx(expected)


@given(*[st.integers(0, 12)] * 4, *[st.integers(1, 8)] * 4, st.integers(0, 2**31))
def test_mask_iou_is_that_of_whole_images(
    x1: int, x2: int, y1: int, y2: int, w1: int, w2: int, h1: int, h2: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    first, second = rectangle(x1, y1, w1, h1), rectangle(x2, y2, w2, h2)
    first.mask, second.mask = rng.random((h1, w1)) < 0.6, rng.random((h2, w2)) < 0.6
    full_first, full_second = first.full_mask(20, 20), second.full_mask(20, 20)
    union = (full_first | full_second).sum()
    expected = (full_first & full_second).sum() / union if union else 0.0
    assert mask_iou(first, second) == pytest.approx(expected)
    assert mask_iou(second, first) == mask_iou(first, second)


MATCH_CASES = {
    "nothing": ([], [], []),
    "no prediction": ([rectangle(0, 0, 4, 4)], [], []),
    "wrong class": ([rectangle(0, 0, 4, 4)], [rectangle(0, 0, 4, 4, "bowl")], []),
    "too little overlap": ([rectangle(0, 0, 4, 4)], [rectangle(2, 0, 4, 4)], []),
    "overlap of exactly one half": ([rectangle(0, 0, 4, 4)], [rectangle(0, 0, 4, 2)], [(0, 0)]),
    "two of a class, crossed order": (
        [rectangle(0, 0, 4, 4), rectangle(20, 0, 4, 4)],
        [rectangle(20, 0, 4, 4), rectangle(0, 0, 4, 4)],
        [(0, 1), (1, 0)],
    ),
    "double detection counts once": (
        [rectangle(0, 0, 10, 10)],
        [rectangle(0, 0, 10, 8), rectangle(0, 0, 10, 10)],
        [(0, 1)],
    ),
    # Prediction 0 fits truth 0 perfectly and truth 1 well; only giving it to truth 1 leaves
    # prediction 1 for truth 0.
    "two pairs before one perfect pair": (
        [rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 6)],
        [rectangle(0, 0, 10, 10), rectangle(0, 4, 10, 6)],
        [(0, 1), (1, 0)],
    ),
}


@pytest.mark.parametrize("case", MATCH_CASES)
def test_match_instances(case: str) -> None:
    ground_truth, predictions, expected = MATCH_CASES[case]
    assert match_instances(ground_truth, predictions) == expected


MUG, HIDDEN_MUG = rectangle(0, 0, 4, 4), rectangle(10, 0, 4, 4, score=0.05)
VERDICT_CASES = {
    "found": (rectangle(0, 0, 4, 4), True),
    "nothing there": (rectangle(20, 0, 4, 4), False),
    "another class": (rectangle(0, 0, 4, 4, "bowl"), False),
    "on an instance that does not count": (rectangle(10, 0, 4, 4), None),
    "half on it": (rectangle(10, 0, 4, 2), None),
    "too little on it": (rectangle(12, 0, 4, 4), False),
    "another class on it": (rectangle(10, 0, 4, 4, "bowl"), False),
}


@pytest.mark.parametrize("case", VERDICT_CASES)
def test_verdict_on_a_detection(case: str) -> None:
    prediction, expected = VERDICT_CASES[case]
    matches = match_counted([HIDDEN_MUG, MUG], [prediction])
    assert detection_verdicts([HIDDEN_MUG, MUG], [prediction], matches) == [expected]


def test_matches_of_the_instances_that_count() -> None:
    predictions = [rectangle(10, 0, 4, 4), rectangle(0, 0, 4, 3)]
    assert match_counted([HIDDEN_MUG, MUG], predictions) == [InstanceMatch(1, 1, 0.75)]
    assert match_counted([HIDDEN_MUG, MUG], predictions[:1]) == [InstanceMatch(1, None, 0.0)]


def test_count_found_leaves_out_barely_visible_instances() -> None:
    ground_truth = [
        [rectangle(0, 0, 4, 4), rectangle(10, 0, 4, 4, score=0.05)],
        [rectangle(0, 0, 4, 4, score=0.1)],
        [],
    ]
    predictions = [[rectangle(0, 0, 4, 4), rectangle(10, 0, 4, 4)], [], [rectangle(0, 0, 4, 4)]]
    assert count_found(ground_truth, predictions) == {"total": 2, "found": 1}


def test_count_found_refuses_frames_that_do_not_pair() -> None:
    with pytest.raises(ValueError, match="shorter"):
        count_found([[], []], [[]])
