# SPDX-License-Identifier: Apache-2.0
"""Objects rest on the table in stable poses and do not touch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_kit.geometry import look_at
from perception_kit.synth import shapes
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.objects import builtin_classes
from perception_kit.synth.placing import TableTop, choose_classes, place_floating, stable_rotation
from perception_kit.synth.stable_poses import stable_poses

CLASSES = builtin_classes()


def test_a_brick_rests_on_its_six_sides() -> None:
    poses = stable_poses(shapes.box((0.1, 0.2, 0.3), np.zeros((2, 2, 3), np.uint8)).vertices)
    assert sorted(round(pose.height, 4) for pose in poses) == [0.05, 0.05, 0.1, 0.1, 0.15, 0.15]
    widest = max(poses, key=lambda pose: pose.weight)
    assert widest.height == pytest.approx(0.05), "on its widest side"
    assert sum(pose.weight for pose in poses) == pytest.approx(1.0)


def test_a_pencil_does_not_stand() -> None:
    poses = stable_poses(shapes.box((0.003, 0.003, 0.2), np.zeros((2, 2, 3), np.uint8)).vertices)
    assert {round(pose.height, 4) for pose in poses} == {0.0015}


@pytest.mark.parametrize("object_class", CLASSES, ids=lambda object_class: object_class.name)
def test_resting_poses_touch_the_table(object_class: ObjectClass) -> None:
    for pose in object_class.stable_poses:
        turned = object_class.mesh.vertices @ pose.rotation.T
        assert turned[:, 2].min() + pose.height == pytest.approx(0.0, abs=1e-5)
        np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(pose.rotation) == pytest.approx(1.0)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_placed_things_do_not_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = TableTop((0.8, 0.6), 0.4, 0.3)
    placed = []
    for object_class in choose_classes(rng, CLASSES, 8):
        pose = table.place(rng, object_class, stable_rotation(rng, object_class, 0.5))
        if pose is not None:
            placed.append(object_class.hull @ pose[:3, :3].T + pose[:3, 3])

    assert len(placed) >= 3
    for points in placed:
        assert points[:, 2].min() == pytest.approx(0.4, abs=1e-6)
    for first, second in itertools.combinations(placed, 2):
        assert _separated(first[:, :2], second[:, :2])


def _separated(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether a line with some direction has the two point sets on different sides."""
    angle = np.linspace(0, np.pi, 360, endpoint=False)
    axes = np.stack([np.cos(angle), np.sin(angle)])
    first, second = first @ axes, second @ axes
    before = first.max(axis=0) < second.min(axis=0)
    behind = second.max(axis=0) < first.min(axis=0)
    return bool((before | behind).any())


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 12))
def test_two_of_a_kind_always(seed: int, count: int) -> None:
    chosen = choose_classes(np.random.default_rng(seed), CLASSES, count)
    assert len(chosen) == count
    assert chosen[0] is chosen[1]


def test_floating_things_keep_apart_and_before_the_camera() -> None:
    rng = np.random.default_rng(1)
    camera = look_at(np.array([0.0, -1.0, 1.0]), np.array([0.0, 0.5, 0.6]))
    taken: list[tuple[np.ndarray, float]] = []
    for object_class in CLASSES:
        pose = place_floating(rng, object_class, camera, taken, floor=0.3)
        if pose is not None:
            points = object_class.hull @ pose[:3, :3].T + pose[:3, 3]
            assert points[:, 2].min() >= 0.3 - 1e-6

    assert len(taken) >= 3
    for (first, first_radius), (second, second_radius) in itertools.combinations(taken, 2):
        assert np.linalg.norm(first - second) >= first_radius + second_radius
