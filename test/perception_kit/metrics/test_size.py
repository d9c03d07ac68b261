# SPDX-License-Identifier: Apache-2.0
"""Overlap of boxes, errors of sizes and NOCS's precision against values known in advance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.metrics.size import (
    SizeError,
    average_precision,
    box_iou,
    relative_size_error,
    size_metrics,
)

HERE = np.eye(3), np.zeros(3)
SIDES = np.array([0.1, 0.2, 0.3])

sides = st.tuples(*[st.floats(0.03, 0.5)] * 3).map(np.array)
offsets = st.tuples(*[st.floats(-0.2, 0.2)] * 3).map(np.array)
turns = st.integers(0, 10_000).map(lambda seed: Rotation.random(random_state=seed).as_matrix())


def test_boxes_that_share_a_half() -> None:
    assert box_iou(HERE, SIDES, HERE, SIDES) == pytest.approx(1.0)
    shifted = np.eye(3), np.array([0.05, 0.0, 0.0])
    assert box_iou(shifted, SIDES, HERE, SIDES) == pytest.approx(1 / 3)
    assert box_iou(HERE, SIDES * 2, HERE, SIDES) == pytest.approx(1 / 8)
    apart = np.eye(3), np.array([0.11, 0.0, 0.0])
    assert box_iou(apart, SIDES, HERE, SIDES) == 0.0


@settings(max_examples=40, deadline=None)
@given(turns, turns, offsets, sides, sides)
def test_the_overlap_is_that_of_many_random_points(
    turn: np.ndarray, other: np.ndarray, offset: np.ndarray, first: np.ndarray, second: np.ndarray
) -> None:
    rng = np.random.default_rng(0)
    inside = (rng.random((20_000, 3)) - 0.5) * first
    local = (inside @ turn.T - offset) @ other
    shared = (np.abs(local) <= second / 2).all(axis=1).mean() * first.prod()
    expected = shared / (first.prod() + second.prod() - shared)

    found = box_iou((turn, np.zeros(3)), first, (other, offset), second)
    assert found == pytest.approx(expected, abs=0.02)
    assert box_iou((other, offset), second, (turn, np.zeros(3)), first) == pytest.approx(found)


def test_size_errors_are_relative() -> None:
    assert relative_size_error(SIDES * [1.1, 0.9, 1.0], SIDES) == pytest.approx(0.2 / 3)


def test_average_precision_ranks_by_confidence() -> None:
    assert average_precision([True, True], [0.9, 0.8], total=2) == 1.0
    assert average_precision([True, False], [0.9, 0.8], total=2) == 0.5
    # The right one comes second: it is precise to a half.
    assert average_precision([False, True], [0.9, 0.8], total=2) == 0.25
    assert average_precision([], [], total=3) == 0.0


def test_a_miss_counts_in_every_score() -> None:
    exact = [SizeError("mug", 0.02, 0.9, 3.0, 0.01, 0.9), SizeError("mug", 0.04, 0.6, 8, 0.06, 0.8)]
    scores = size_metrics([*exact, SizeError("bowl")])
    assert scores["size_error_median"] == pytest.approx(0.04)
    assert scores["size_error_p90"] is None, "a tenth of them has no size"
    assert scores["ap_iou_0.5"] == pytest.approx(2 / 3)
    assert scores["ap_10deg_10cm"] == pytest.approx(2 / 3)
    assert scores["ap_5deg_5cm"] == pytest.approx(1 / 3)
    assert scores["per_class"]["bowl"]["iou_mean"] == 0.0
    assert size_metrics([])["ap_5deg_5cm"] is None
