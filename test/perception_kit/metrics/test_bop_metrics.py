# SPDX-License-Identifier: Apache-2.0
"""VSD, MSSD, MSPD and average recall with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.metrics.bop import (
    FRACTIONS,
    PIXELS,
    BopError,
    average_recall,
    bop_metrics,
    mspd,
    mssd,
    vsd,
)
from perception_kit.types import Intrinsics

CAMERA = Intrinsics(500.0, 500.0, 320.0, 240.0, 640, 480)
IDENTITY = np.eye(4)
HALF_TURN = np.diag([-1.0, -1, 1, 1])
CORNERS = np.array([[0.1, 0.05, 0], [-0.1, 0.05, 0], [-0.1, -0.05, 0], [0.1, -0.05, 0]])
FRONT = np.array([0.0, 0, 1])
TURNED = HALF_TURN[:3, :3]
TOLERANCES = np.array([1 / 128, 1 / 32])  # metres, without rounding


def image(columns: slice, distance: float) -> np.ndarray:
    """(1, 10) distances, 0 but in ``columns``."""
    pixels = np.zeros((1, 10))
    pixels[:, columns] = distance
    return pixels


VSD_CASES = {
    # measured, estimated, true, error at tolerances of 8 and 31 mm
    "exact": (image(slice(0, 10), 1.0), image(slice(0, 4), 1.0), image(slice(0, 4), 1.0), [0, 0]),
    "10 mm too near": (
        image(slice(0, 10), 1.0),
        image(slice(0, 4), 0.99),
        image(slice(0, 4), 1.0),
        [1, 0],
    ),
    "at the tolerance is wrong": (
        image(slice(0, 10), 1.0),
        image(slice(0, 4), 1.0 + TOLERANCES[0]),
        image(slice(0, 4), 1.0),
        [1, 0],
    ),
    "half beside": (
        image(slice(0, 10), 1.0),
        image(slice(2, 6), 1.0),
        image(slice(0, 4), 1.0),
        [4 / 6, 4 / 6],
    ),
    "nowhere near": (
        image(slice(0, 10), 1.0),
        image(slice(6, 10), 1.0),
        image(slice(0, 4), 1.0),
        [1, 1],
    ),
    "hidden pixels do not count": (
        np.concatenate([image(slice(0, 10), 1.0)[:, :2], image(slice(0, 10), 0.5)[:, 2:]], axis=1),
        image(slice(0, 4), 1.0),
        image(slice(0, 6), 1.0),
        [0, 0],
    ),
    "20 mm behind is hidden unless it is where the truth is seen": (
        image(slice(0, 10), 1.0),
        image(slice(0, 8), 1.02),
        image(slice(0, 4), 1.0),
        [1, 0],
    ),
    "unmeasured pixels count": (
        np.zeros((1, 10)),
        image(slice(0, 2), 1.0),
        image(slice(0, 4), 1.0),
        [0.5, 0.5],
    ),
    "neither in view": (image(slice(0, 10), 1.0), np.zeros((1, 10)), np.zeros((1, 10)), [1, 1]),
}


@pytest.mark.parametrize("case", VSD_CASES)
def test_vsd(case: str) -> None:
    measured, estimated, true, expected = VSD_CASES[case]
    np.testing.assert_allclose(vsd(measured, estimated, true, TOLERANCES), expected)


DISTANCE_CASES = {
    # estimated rotation and translation, symmetries, MSSD in metres, MSPD in pixels at a distance
    # of 1 m
    "exact": (np.eye(3), FRONT, [IDENTITY], 0.0, 0.0),
    "20 mm to the side": (np.eye(3), np.array([0.02, 0, 1]), [IDENTITY], 0.02, 10.0),
    "half a turn": (TURNED, FRONT, [IDENTITY], 2 * np.hypot(0.1, 0.05), 1000 * np.hypot(0.1, 0.05)),
    "half a turn of a symmetric object": (TURNED, FRONT, [IDENTITY, HALF_TURN], 0.0, 0.0),
    "twice as far": (np.eye(3), 2 * FRONT, [IDENTITY], 1.0, 250 * np.hypot(0.1, 0.05)),
    "behind the camera": (np.eye(3), -FRONT, [IDENTITY], 2.0, np.inf),
}


@pytest.mark.parametrize("case", DISTANCE_CASES)
def test_mssd_and_mspd(case: str) -> None:
    rotation, translation, symmetries, expected_mssd, expected_mspd = DISTANCE_CASES[case]
    poses = (rotation, translation), (np.eye(3), FRONT)
    assert mssd(CORNERS, *poses, symmetries) == pytest.approx(expected_mssd, abs=1e-12)
    assert mspd(CORNERS, *poses, symmetries, CAMERA) == pytest.approx(expected_mspd, abs=1e-9)


@given(st.integers(0, 2**31))
def test_a_symmetry_of_the_ground_truth_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    estimate = (Rotation.random(random_state=seed).as_matrix(), FRONT + rng.normal(0, 0.02, 3))
    rotation = Rotation.random(random_state=seed + 1).as_matrix()
    symmetries = [IDENTITY, HALF_TURN]
    errors = [
        mssd(CORNERS, estimate, (turned, FRONT), symmetries)
        for turned in (rotation, rotation @ TURNED)
    ]
    assert errors[0] == pytest.approx(errors[1])
    assert errors[0] <= mssd(CORNERS, estimate, (rotation, FRONT), [IDENTITY]) + 1e-12


RECALL_CASES = {
    "all exact": ([0.0, 0.0], 1.0),
    "all missed": ([np.inf, np.inf], 0.0),
    "at a threshold is not below it": ([0.05], 0.9),
    "between the thresholds": ([0.26], 0.5),
    "one exact, one missed": ([0.0, np.inf], 0.5),
}


@pytest.mark.parametrize("case", RECALL_CASES)
def test_average_recall(case: str) -> None:
    errors, expected = RECALL_CASES[case]
    assert average_recall(np.array(errors), FRACTIONS) == pytest.approx(expected)
    assert average_recall(np.array(errors) * 100, PIXELS) == pytest.approx(expected)


def test_bop_metrics_of_found_and_missed_objects() -> None:
    exact = BopError("mug", 640, np.zeros(10), 0.0, 0.0)
    metrics = bop_metrics([exact, BopError("mug", 640), BopError("bowl", 640)])
    assert {key: metrics[key] for key in ("ar_vsd", "ar_mssd", "ar_mspd", "ar")} == pytest.approx(
        dict.fromkeys(("ar_vsd", "ar_mssd", "ar_mspd", "ar"), 1 / 3)
    )
    assert metrics["per_class"]["mug"]["ar"] == pytest.approx(0.5)
    assert metrics["per_class"]["bowl"]["ar"] == 0
    assert bop_metrics([])["ar"] is None


def test_pixel_thresholds_grow_with_the_image() -> None:
    def recall(width: int) -> float:
        return bop_metrics([BopError("mug", width, np.zeros(10), 0.0, 26.0)])["ar_mspd"]

    assert (recall(640), recall(1280)) == pytest.approx((0.5, 0.8))
