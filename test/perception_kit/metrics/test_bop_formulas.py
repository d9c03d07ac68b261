# SPDX-License-Identifier: Apache-2.0
"""Pose errors against the papers' formulas, written out point by point and pixel by pixel.

VSD, MSSD, MSPD and the average recall: Hodaň et al., "BOP Challenge 2020", ECCV Workshops 2020,
section 2. ADD and ADD-S: Hodaň et al., "On Evaluation of 6D Object Pose Estimation", ECCV Workshops
2016.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.metrics.bop import FRACTIONS, BopError, bop_metrics, mspd, mssd, vsd
from perception_kit.metrics.pose import add, adds
from perception_kit.types import Intrinsics

CAMERA = Intrinsics(520.0, 530.0, 310.0, 245.0, 640, 480)
DELTA = 0.015  # metres
SEEDS = st.integers(0, 2**31)


def moved(rotation: np.ndarray, translation: np.ndarray, point: np.ndarray) -> list[float]:
    return [
        sum(rotation[row][k] * point[k] for k in range(3)) + translation[row] for row in range(3)
    ]


def projected(point: list[float]) -> tuple[float, float]:
    x, y, z = point
    return CAMERA.fx * x / z + CAMERA.cx, CAMERA.fy * y / z + CAMERA.cy


def random_poses(seed: int) -> tuple[np.ndarray, list[np.ndarray], tuple, tuple]:
    """Points of a model, its symmetries (with an offset), an estimate and the true pose."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.1, 0.1, (12, 3))
    axis = rng.normal(size=3)
    offset = rng.uniform(-0.02, 0.02, 3)
    symmetries = [np.eye(4)]
    for turn in range(1, rng.integers(1, 5)):
        rotation = Rotation.from_rotvec(turn * axis / np.linalg.norm(axis)).as_matrix()
        symmetry = np.eye(4)
        symmetry[:3, :3], symmetry[:3, 3] = rotation, offset - rotation @ offset
        symmetries.append(symmetry)

    true = Rotation.random(random_state=seed).as_matrix(), np.array([0.1, -0.05, 0.9])
    turned = Rotation.from_rotvec(rng.normal(0, 0.4, 3)).as_matrix() @ true[0]
    return points, symmetries, (turned, true[1] + rng.normal(0, 0.02, 3)), true


@given(SEEDS)
def test_add_and_adds(seed: int) -> None:
    points, _, estimate, true = random_poses(seed)
    found = [moved(*estimate, point) for point in points]
    expected = [moved(*true, point) for point in points]
    pairwise = [math.dist(a, b) for a, b in zip(found, expected, strict=True)]
    nearest = [min(math.dist(a, b) for a in found) for b in expected]
    assert add(points, *estimate, *true) == pytest.approx(sum(pairwise) / len(points), abs=1e-12)
    assert adds(points, *estimate, *true) == pytest.approx(sum(nearest) / len(points), abs=1e-12)


@given(SEEDS)
def test_mssd_and_mspd(seed: int) -> None:
    points, symmetries, estimate, true = random_poses(seed)
    surface, image = [], []
    for symmetry in symmetries:
        distances, pixels = [], []
        for point in points:
            found = moved(*estimate, point)
            expected = moved(*true, moved(symmetry[:3, :3], symmetry[:3, 3], point))
            distances.append(math.dist(found, expected))
            pixels.append(math.dist(projected(found), projected(expected)))
        surface.append(max(distances))
        image.append(max(pixels))
    assert mssd(points, estimate, true, symmetries) == pytest.approx(min(surface), abs=1e-12)
    assert mspd(points, estimate, true, symmetries, CAMERA) == pytest.approx(min(image), abs=1e-9)


def vsd_by_pixel(measured: list, estimated: list, true: list, tolerance: float) -> float:
    """One image as a flat list of distances; 0 is no surface."""
    union, cost = 0, 0.0
    for scene, found, expected in zip(measured, estimated, true, strict=True):
        seen_true = expected > 0 and (scene == 0 or expected - scene <= DELTA)
        seen_found = found > 0 and (scene == 0 or found - scene <= DELTA)
        seen_found = seen_found or (found > 0 and seen_true)
        if not (seen_true or seen_found):
            continue
        union += 1
        both = seen_true and seen_found
        cost += 0.0 if both and abs(found - expected) < tolerance else 1.0
    return cost / union if union else 1.0


@given(SEEDS)
def test_vsd(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = np.where(rng.random(60) < 0.5, rng.uniform(0.9, 1.1, 60), 0.0)
    estimated = np.where(rng.random(60) < 0.8, true + rng.normal(0, 0.02, 60) * (true > 0), 0.0)
    estimated = np.where(rng.random(60) < 0.1, 1.0, estimated)
    measured = np.where(rng.random(60) < 0.8, 1.0 + rng.normal(0, 0.03, 60), 0.0)
    diameter = rng.uniform(0.05, 0.3)

    errors = vsd(
        *(image.reshape(6, 10) for image in (measured, estimated, true)), FRACTIONS * diameter
    )
    images = measured.tolist(), estimated.tolist(), true.tolist()
    expected = [vsd_by_pixel(*images, tolerance) for tolerance in (FRACTIONS * diameter).tolist()]
    assert errors.tolist() == pytest.approx(expected, abs=1e-12)


@given(SEEDS)
def test_average_recalls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width = int(rng.choice([640, 720, 1280]))
    errors = [
        BopError("cup", width, rng.uniform(0, 1, 10), rng.uniform(0, 0.7), rng.uniform(0, 90))
        for _ in range(5)
    ] + [BopError("cup", width)]

    vsd_hits = mssd_hits = mspd_hits = 0
    for step in range(1, 11):
        theta = 0.05 * step
        vsd_hits += sum(value < theta for error in errors for value in error.vsd)
        mssd_hits += sum(error.mssd < theta for error in errors)
        mspd_hits += sum(error.mspd < 5 * step * width / 640 for error in errors)
    metrics = bop_metrics(errors)
    recalls = (
        vsd_hits / (10 * 10 * len(errors)),
        mssd_hits / (10 * len(errors)),
        mspd_hits / (10 * len(errors)),
    )
    assert (metrics["ar_vsd"], metrics["ar_mssd"], metrics["ar_mspd"]) == pytest.approx(recalls)
    assert metrics["ar"] == pytest.approx(sum(recalls) / 3)
