# SPDX-License-Identifier: Apache-2.0
"""Pose errors with answers computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.metrics.pose import (
    PoseError,
    add,
    adds,
    auc,
    confidence_auroc,
    pose_metrics,
    recall,
    rotation_and_translation_error,
)

SQUARE = np.array([[1.0, 1, 0], [1, -1, 0], [-1, -1, 0], [-1, 1, 0]])
IDENTITY, ORIGIN = np.eye(3), np.zeros(3)
QUARTER_TURN = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])

ERROR_CASES = {
    "exact": (IDENTITY, ORIGIN, 0.0, 0.0),
    "moved 3 m away along z": (IDENTITY, np.array([0, 0, 3.0]), 3.0, 3.0),
    "turned onto itself": (QUARTER_TURN, ORIGIN, 2.0, 0.0),
    "moved by one side": (IDENTITY, np.array([2.0, 0, 0]), 2.0, 1.0),
}


@pytest.mark.parametrize("case", ERROR_CASES)
def test_add_and_adds(case: str) -> None:
    rotation, translation, expected_add, expected_adds = ERROR_CASES[case]
    assert add(SQUARE, rotation, translation, IDENTITY, ORIGIN) == pytest.approx(expected_add)
    assert adds(SQUARE, rotation, translation, IDENTITY, ORIGIN) == pytest.approx(expected_adds)


@given(st.integers(0, 2**31), st.floats(0.0, 179.0), st.integers(0, 3))
def test_rotation_and_translation_are_apart(seed: int, degrees: float, turns: int) -> None:
    """The estimate is turned and moved by known amounts, from any symmetric one of the truth."""
    rng = np.random.default_rng(seed)
    quarters = np.stack([np.eye(4)] * 4)
    for k in range(4):
        quarters[k, :3, :3] = np.linalg.matrix_power(QUARTER_TURN.astype(int), k)
        quarters[k, :3, 3] = (0.1 * k, 0.0, 0.0)
    ground_truth = Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3)
    moved, direction = rng.normal(size=3), rng.normal(size=3)
    turn = Rotation.from_rotvec(np.radians(degrees) * direction / np.linalg.norm(direction))
    symmetry = quarters[turns]
    estimate = (
        turn.as_matrix() @ ground_truth[0] @ symmetry[:3, :3],
        ground_truth[0] @ symmetry[:3, 3] + ground_truth[1] + moved,
    )

    only_this = symmetry[None]
    angle, distance = rotation_and_translation_error(estimate, ground_truth, only_this)
    assert angle == pytest.approx(degrees, abs=1e-4)
    assert distance == pytest.approx(np.linalg.norm(moved))
    nearest, of_nearest = rotation_and_translation_error(estimate, ground_truth, quarters)
    assert nearest <= angle + 1e-4
    if degrees < 44:  # no other quarter turn is nearer
        assert (nearest, of_nearest) == pytest.approx((angle, distance), abs=1e-4)


@given(st.integers(0, 2**31))
def test_adds_never_exceeds_add(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(30, 3))
    estimate = (Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3))
    ground_truth = (Rotation.random(random_state=seed + 1).as_matrix(), rng.normal(size=3))
    assert adds(points, *estimate, *ground_truth) <= add(points, *estimate, *ground_truth) + 1e-12


AUC_CASES = {
    "all exact": ([0.0, 0.0], 1.0),
    "all missed": ([np.inf, np.inf], 0.0),
    "at the limit": ([0.1], 0.0),
    "half way": ([0.05], 0.5),
    "one exact, one missed": ([0.0, np.inf], 0.5),
    "none": ([], None),
}


@pytest.mark.parametrize("case", AUC_CASES)
def test_auc(case: str) -> None:
    errors, expected = AUC_CASES[case]
    assert auc(errors) == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=20))
def test_auc_is_the_area_under_the_recall_curve(errors: list[float]) -> None:
    thresholds = (np.arange(20000) + 0.5) / 20000 * 0.1
    curve = (np.asarray(errors)[None, :] < thresholds[:, None]).mean(axis=1)
    assert auc(errors) == pytest.approx(curve.mean(), abs=1e-4)


def test_recall_counts_errors_strictly_below_their_threshold() -> None:
    assert recall([0.01, 0.02, np.inf], np.array([0.02, 0.02, 0.02])) == pytest.approx(1 / 3)
    assert recall([], 0.1) is None


def test_pose_metrics_uses_add_for_asymmetric_and_adds_for_symmetric_objects() -> None:
    errors = [
        PoseError(
            "mug", diameter=0.2, symmetric=False, add=0.03, adds=0.01
        ),  # ADD 0.03 >= 0.02: wrong
        PoseError(
            "bowl", diameter=0.2, symmetric=True, add=0.03, adds=0.01
        ),  # ADD-S 0.01 < 0.02: right
        PoseError("bowl", diameter=0.2, symmetric=True),  # missed
    ]
    metrics = pose_metrics(errors)
    assert metrics["recall_0.1d"] == pytest.approx(1 / 3)
    assert metrics["adds_auc"] == pytest.approx((0.9 + 0.9 + 0) / 3)
    mug, bowl = metrics["per_class"]["mug"], metrics["per_class"]["bowl"]
    assert (mug["count"], bowl["count"]) == (1, 2)
    assert (mug["recall_0.1d"], mug["add_recall_0.1d"], mug["adds_recall_0.1d"]) == (0.0, 0.0, 1.0)
    assert (bowl["recall_0.1d"], bowl["add_recall_0.1d"], bowl["adds_recall_0.1d"]) == (
        0.5,
        0.0,
        0.5,
    )
    assert (mug["auc"], mug["add_auc"], mug["adds_auc"]) == pytest.approx((0.7, 0.7, 0.9))
    assert (bowl["auc"], bowl["add_auc"], bowl["adds_auc"]) == pytest.approx((0.45, 0.35, 0.45))


def test_pose_metrics_without_ground_truth_is_none() -> None:
    metrics = pose_metrics([])
    assert (metrics.pop("count"), metrics.pop("per_class")) == (0, {})
    assert len(metrics) == 6
    assert set(metrics.values()) == {None}


AUROC = {
    "right ones are always surer": ([0.8, 0.9], [0.1, 0.7], 1.0),
    "wrong ones are always surer": ([0.1], [0.2, 0.3], 0.0),
    "one pair of four in the wrong order": ([0.3, 0.9], [0.4, 0.1], 0.75),
    "ties count half": ([0.5, 0.5], [0.5], 0.5),
    "none is wrong": ([0.5], [], None),
    "none is right": ([], [0.5], None),
}


@pytest.mark.parametrize("case", AUROC)
def test_confidence_auroc(case: str) -> None:
    right, wrong, expected = AUROC[case]
    assert confidence_auroc(right, wrong) == expected


def test_a_pose_is_right_below_a_tenth_of_the_diameter() -> None:
    assert PoseError("mug", 0.1, False, add=0.0099, adds=0.0).is_right
    assert not PoseError("mug", 0.1, False, add=0.0101, adds=0.0).is_right
    assert PoseError("bowl", 0.1, True, add=0.05, adds=0.001).is_right
    assert not PoseError("mug", 0.1, False).is_right
