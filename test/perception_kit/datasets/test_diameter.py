# SPDX-License-Identifier: Apache-2.0
"""The largest distance between two points, of few and of very many."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from perception_kit.datasets.diameter import largest_distance

SHAPES = {"sphere": (1.0, 1.0, 1.0), "egg": (1.0, 0.9, 0.8), "dome": (1.0, 1.0, 0.5)}


@given(
    arrays(
        float,
        st.tuples(st.integers(1, 40), st.just(3)),
        elements=st.floats(-0.2, 0.2).map(lambda value: round(value, 2)),
    )
)
def test_it_is_that_of_all_pairs(points: np.ndarray) -> None:
    expected = pdist(points).max() if len(points) > 1 else 0.0
    assert largest_distance(points) == pytest.approx(expected, abs=1e-12)


def points_on(shape: str, count: int) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    if shape == "dome":
        points[:, 2] = np.abs(points[:, 2])
    return points * SHAPES[shape]


@pytest.mark.parametrize("shape", SHAPES)
def test_round_shapes_are_measured_exactly(shape: str) -> None:
    points = points_on(shape, 1500)
    assert largest_distance(points) == pytest.approx(pdist(points).max(), abs=1e-12)


def test_the_memory_grows_with_the_points_not_with_their_pairs() -> None:
    points = points_on("sphere", 40_000)
    tracemalloc.start()
    diameter = largest_distance(points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 1.999 < diameter <= 2.0
    assert peak < 50e6, "all pairs would be 6 GB"
