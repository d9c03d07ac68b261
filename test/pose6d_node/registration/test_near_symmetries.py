# SPDX-License-Identifier: Apache-2.0
"""The turns that a shape nearly allows, from its surface alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pose6d_node.registration.near_symmetries import SAMPLES, near_symmetries

RNG = np.random.default_rng(0)


def box(*sides: float) -> np.ndarray:
    """Points on a box, as dense on every side."""
    areas = np.array([sides[1] * sides[2], sides[0] * sides[2], sides[0] * sides[1]])
    axis = RNG.choice(3, SAMPLES, p=areas / areas.sum())
    points = RNG.uniform(-0.5, 0.5, (SAMPLES, 3))
    points[np.arange(SAMPLES), axis] = RNG.choice([-0.5, 0.5], SAMPLES)
    return points * sides


def can(radius: float, height: float) -> np.ndarray:
    """Points on the wall of a cylinder about z."""
    angle = RNG.uniform(0, 2 * np.pi, SAMPLES)
    z = RNG.uniform(-height / 2, height / 2, SAMPLES)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def bottle() -> np.ndarray:
    """A can with a thin neck: it has a top."""
    body, neck = can(0.04, 0.12), can(0.01, 0.08) + np.array([0, 0, 0.1])
    return np.concatenate([body[: SAMPLES * 3 // 4], neck[: SAMPLES // 4]])


def turn(degrees: float, axis: int) -> np.ndarray:
    """Rotation matrix about one of the model's axes."""
    return Rotation.from_rotvec(np.radians(degrees) * np.eye(3)[axis]).as_matrix()


X, Y, Z = range(3)
# Points, turns that nearly map the shape onto itself, and turns that do not.
CASES = {
    "three different sides": (
        box(0.3, 0.1, 0.03),
        [turn(180, X), turn(180, Y), turn(180, Z)],
        [turn(90, X), turn(90, Y), turn(90, Z)],
    ),
    "square base": (
        box(0.1, 0.1, 0.25),
        [turn(90, Z), turn(180, Z), turn(270, Z), turn(180, X), turn(90, Z) @ turn(180, X)],
        [turn(90, X), turn(90, Y), turn(60, X)],
    ),
    "can": (
        can(0.04, 0.12),
        [turn(30, Z), turn(150, Z), turn(180, X), turn(30, Z) @ turn(180, X)],
        [turn(90, X), turn(90, Y), turn(30, X)],
    ),
    "bottle": (bottle(), [turn(30, Z), turn(330, Z)], [turn(180, X), turn(180, Y), turn(90, X)]),
}


def contains(turns: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether ``wanted`` (3, 3) is among (K, 3, 3) ``turns``."""
    return bool((np.abs(turns - wanted).max(axis=(1, 2)) < 1e-3).any())


@pytest.mark.parametrize("case", CASES)
def test_turns(case: str) -> None:
    points, near, far = CASES[case]
    diameter = float(np.linalg.norm(np.ptp(points, axis=0)))
    center = (points.max(axis=0) + points.min(axis=0)) / 2
    shift = np.array([0.3, -0.1, 0.2])
    found = near_symmetries(
        torch.from_numpy(points + shift).float(), torch.from_numpy(center + shift).float(), diameter
    ).numpy()

    assert found[0] == pytest.approx(np.eye(3))
    assert [contains(found, wanted) for wanted in near] == [True] * len(near)
    assert [contains(found, unwanted) for unwanted in far] == [False] * len(far)
    assert len(found) == len({tuple(np.round(matrix, 2).ravel() + 0.0) for matrix in found})


def test_a_shape_without_any_has_the_identity() -> None:
    points = RNG.uniform(size=(SAMPLES, 3)) * [0.3, 0.2, 0.1]
    points[: SAMPLES // 2] *= 0.3
    turns = near_symmetries(torch.from_numpy(points).float(), torch.zeros(3), 0.37)
    assert turns.tolist() == [np.eye(3).tolist()]
