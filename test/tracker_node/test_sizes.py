# SPDX-License-Identifier: Apache-2.0
"""Tracks have one size, which more poses make more exact; an object does not grow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.types import Instance, PoseEstimate
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.sizes import FLOOR, fuse_sizes

SIZE = np.array([0.08, 0.1, 0.12])
UNKNOWN = np.full((1, 3), np.inf)
PERIOD_NS = 10**9 // 15


def pose(size: np.ndarray, std: np.ndarray | None, distance: float = 0.8) -> PoseEstimate:
    translation = np.array([0.0, 0.0, distance])
    return PoseEstimate(0, 1, "mug", np.eye(3), translation, 1.0, size, std)


def cup() -> Instance:
    box = np.array([100, 100, 150, 160], np.float32)
    return Instance(1, "mug", 0.9, box, np.ones((60, 50), bool), (100, 100))


@given(
    st.lists(st.tuples(st.floats(0.05, 0.5), st.floats(0.01, 0.1)), min_size=1, max_size=8),
)
def test_fused_sizes_are_means_weighted_by_inverse_variances(
    measured: list[tuple[float, float]],
) -> None:
    size, variance = np.zeros((1, 3)), UNKNOWN
    for value, std in measured:
        step = np.full((1, 3), value), np.full((1, 3), std**2)
        size, variance = fuse_sizes(size, variance, *step)

    values, stds = np.array(measured).T
    weights = stds**-2.0
    expected, least = (values * weights).sum() / weights.sum(), 1 / weights.sum()
    assert size.min() >= values.min() - 1e-12
    assert size.max() <= values.max() + 1e-12
    assert (variance >= least - 1e-12).all()
    if least > (2 * FLOOR * values.max()) ** 2:  # the floor was never met
        np.testing.assert_allclose(size, expected)
        np.testing.assert_allclose(variance, least)


def test_the_variance_has_a_floor() -> None:
    size, variance = SIZE[None], UNKNOWN
    for _ in range(500):
        size, variance = fuse_sizes(size, variance, SIZE[None], np.full((1, 3), 0.01**2))
    np.testing.assert_allclose(np.sqrt(variance), FLOOR * SIZE[None])


def test_a_known_size_is_taken_as_it_is() -> None:
    known = SIZE[None], np.zeros((1, 3))
    size, variance = fuse_sizes(2 * SIZE[None], np.full((1, 3), 0.01), *known)
    np.testing.assert_array_equal(size, SIZE[None])
    np.testing.assert_array_equal(variance, 0.0)


def test_tracks_publish_the_fused_size() -> None:
    tracker, rng = DeepSort(TrackerConfig(), {}), np.random.default_rng(0)
    std = 0.1 * SIZE
    for frame in range(40):
        estimate = pose(SIZE + std * rng.normal(size=3), std)
        (track,) = tracker.update([cup()], frame * PERIOD_NS, [estimate])
    (track,) = tracker.update([cup()], 40 * PERIOD_NS)
    assert track.size is not None
    assert track.size_std is not None
    np.testing.assert_allclose(track.size, SIZE, rtol=0.06)
    assert (track.size_std < 0.4 * std).all()
    assert track.is_finite


def test_a_pose_that_no_filter_could_use_changes_no_size() -> None:
    tracker = DeepSort(TrackerConfig(), {})
    tracker.update([cup()], 0, [pose(SIZE, 0.1 * SIZE)])
    tracker.update([cup()], PERIOD_NS, [pose(9 * SIZE, 0.01 * SIZE, distance=5.0)])
    (track,) = tracker.update([cup()], 2 * PERIOD_NS)
    np.testing.assert_allclose(track.size, SIZE)


@pytest.mark.parametrize(
    ("size", "std"),
    [(np.zeros(3), None), (np.full(3, np.nan), SIZE), (SIZE, -SIZE), (SIZE, np.full(3, np.nan))],
)
def test_a_size_that_no_object_has_leaves_the_pose(size: np.ndarray, std: np.ndarray) -> None:
    tracker = DeepSort(TrackerConfig(), {})
    tracker.update([cup()], 0, [pose(size, std)])
    (track,) = tracker.update([cup()], PERIOD_NS)
    assert track.size is None
    assert track.position is not None
