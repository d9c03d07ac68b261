# SPDX-License-Identifier: Apache-2.0
"""Symmetries of a mesh found from its surface: turns after which shape and colors are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.symmetries import MILLIMETER
from perception_kit.geometry import pose_matrix

SAMPLES, REFERENCE_SAMPLES = 2000, 20000
NEIGHBORS = 4  # whose mean is the color at a point
MAX_DISTANCE = 0.015  # diameters, three times the spacing of the reference samples
MAX_COLOR_DIFFERENCE = 0.1  # of the RGB channel that differs most, 0..1
MAX_DIFFERENT = 0.02  # fraction of the surface: a smaller part that differs is overlooked

ORDERS = range(12, 1, -1)  # of rotational symmetry that are told from a continuous one
ODD_TURNS = (17.0, 45.0, 77.0, 131.0)  # degrees, which no body of these orders allows together
SAME_AXIS = np.cos(np.radians(10))
SAME_TURN = np.radians(5)


def surface_symmetries(model: ObjectModel) -> dict[str, Any]:
    """Symmetries of a colored mesh as in BOP's models_info.json (millimetres); {} without any.

    Tried are turns about the model's and its principal axes through the centroid of the surface,
    and their products. Raises DatasetError for a mesh without triangles, ValueError for one without
    colors.
    """
    reference = model.surface(REFERENCE_SAMPLES, seed=1)
    center = reference.points.mean(axis=0, dtype=float)
    is_same = _comparison(model, center)

    # One entry for each axis: continuous, or its turns.
    continuous: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    found: list[np.ndarray] = []
    principal = np.linalg.eigh(np.cov((reference.points - center).T))[1].T
    for axis in (*np.eye(3), *principal):
        if any(abs(axis @ other) > SAME_AXIS for other in found):
            continue
        if all(is_same(_turn(axis, degrees)) for degrees in ODD_TURNS):
            continuous.append(axis)
            found.append(axis)
        elif order := next((n for n in ORDERS if is_same(_turn(axis, 360 / n))), None):
            turns += [_turn(axis, 360 * k / order) for k in range(1, order)]
            found.append(axis)

    # About a continuous axis, one flip stands for all of them.
    discrete = turns[:1] if continuous else _closed(turns)
    entry: dict[str, Any] = {}
    if discrete:
        matrices = [pose_matrix(turn, (center - turn @ center) / MILLIMETER) for turn in discrete]
        entry["symmetries_discrete"] = [matrix.reshape(-1).tolist() for matrix in matrices]
    if continuous:
        offset = (center / MILLIMETER).tolist()
        entry["symmetries_continuous"] = [
            {"axis": axis.tolist(), "offset": offset} for axis in continuous
        ]
    return entry


def _comparison(model: ObjectModel, center: np.ndarray) -> Callable[[np.ndarray], bool]:
    """Function of a (3, 3) turn about ``center``: whether the surface is the same after it."""
    samples, reference = model.surface(SAMPLES), model.surface(REFERENCE_SAMPLES, seed=1)
    # Without colors, the shape alone tells.
    colors = np.zeros_like(reference.points) if reference.colors is None else reference.colors
    tree = cKDTree(reference.points)
    _, neighbors = tree.query(samples.points, NEIGHBORS)
    color = colors[neighbors].mean(axis=1)

    def is_same(turn: np.ndarray) -> bool:
        turned = (samples.points - center) @ turn.T + center
        distance, neighbors = tree.query(turned, NEIGHBORS)
        difference = np.abs(colors[neighbors].mean(axis=1) - color).max(axis=1)
        is_far = distance[:, 0] > MAX_DISTANCE * model.diameter
        return bool(np.mean(is_far | (difference > MAX_COLOR_DIFFERENCE)) <= MAX_DIFFERENT)

    return is_same


def _turn(axis: np.ndarray, degrees: float) -> np.ndarray:
    return Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix()


def _closed(turns: list[np.ndarray]) -> list[np.ndarray]:
    """The turns and all their products, without the identity: what follows from them."""
    group = [np.eye(3)]
    for member in group:  # grows while it is walked through
        for turn in turns:
            product = turn @ member
            if all(_angle(product, known) > SAME_TURN for known in group):
                group.append(product)
    return group[1:]


def _angle(first: np.ndarray, second: np.ndarray) -> float:
    return float(Rotation.from_matrix(first.T @ second).magnitude())
