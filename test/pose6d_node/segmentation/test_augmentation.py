# SPDX-License-Identifier: Apache-2.0
"""Augmentation moves labels with the image and keeps shapes and types."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose6d_node.segmentation.augmentation import (
    augment,
    random_affine,
    random_cutout,
    random_depth_faults,
    random_hue_saturation,
    random_tone,
)

FAR, NEAR = 1000, 2000  # pixels per metre of the scene's background and square, in steps


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A white square, labelled 3 and nearer to the camera, on black."""
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 30:50] = 3
    depth = np.where(labels == 3, NEAR, FAR).astype(np.int16)
    return np.repeat((labels == 3).astype(np.uint8)[..., None] * 255, 3, axis=2), labels, depth


@given(seed=st.integers(0, 2**32))
def test_shape_type_and_label_values_stay(seed: int) -> None:
    rgb, labels, depth = scene()
    new_rgb, new_labels, new_depth = augment(rgb, labels, depth, np.random.default_rng(seed))
    assert (new_rgb.shape, new_rgb.dtype) == (rgb.shape, np.uint8)
    assert (new_labels.shape, new_labels.dtype) == (labels.shape, np.uint8)
    assert (new_depth.shape, new_depth.dtype) == (depth.shape, np.int16)
    assert set(np.unique(new_labels)) <= {0, 3}


@given(seed=st.integers(0, 2**32))
def test_color_does_not_need_depth_and_does_not_depend_on_it(seed: int) -> None:
    rgb, labels, depth = scene()
    alone = augment(rgb, labels, None, np.random.default_rng(seed))
    assert alone[2] is None
    beside = augment(rgb, labels, depth, np.random.default_rng(seed))
    np.testing.assert_array_equal(alone[0], beside[0])
    np.testing.assert_array_equal(alone[1], beside[1])


@given(seed=st.integers(0, 2**32))
def test_affine_moves_labels_and_depth_with_the_pixels(seed: int) -> None:
    rgb, labels, depth = random_affine(*scene(), np.random.default_rng(seed))
    assert np.mean((rgb[..., 0] > 127) != (labels == 3)) < 0.02
    assert np.mean((depth > depth.min()) != (labels == 3)) < 0.02


@given(seed=st.integers(0, 2**32))
def test_pixels_per_meter_grow_with_the_picture(seed: int) -> None:
    _, labels, depth = random_affine(*scene(), np.random.default_rng(seed))
    growth = np.sqrt(np.count_nonzero(labels) / 400)
    assert depth[depth > 0].min() / FAR == pytest.approx(growth, rel=0.12)


@given(seed=st.integers(0, 2**32))
def test_depth_faults_make_holes_and_a_common_scale(seed: int) -> None:
    depth = scene()[2]
    faulty = random_depth_faults(depth, np.random.default_rng(seed))
    known = faulty > 0
    ratio = faulty[known] / depth[known]
    assert np.all(np.abs(ratio - 1) < 0.032)
    assert np.ptp(ratio) < 0.002 if known.any() else True


def test_cutout_leaves_no_label_under_it_and_its_input_alone() -> None:
    rgb, labels, depth = scene()
    before = rgb.copy(), labels.copy(), depth.copy()
    changed = False
    for seed in range(30):
        rng = np.random.default_rng(seed)
        new_rgb, new_labels, new_depth = random_cutout(rgb, labels, depth, rng)
        covered = (new_rgb != rgb).any(axis=2)
        assert np.all(new_labels[covered] == 0)
        assert np.all(new_depth >= depth)
        changed |= bool((new_labels != labels).any())
    assert changed

    np.testing.assert_array_equal(rgb, before[0])
    np.testing.assert_array_equal(labels, before[1])
    np.testing.assert_array_equal(depth, before[2])


@pytest.mark.parametrize("change", [random_tone, random_hue_saturation])
def test_color_changes_depend_on_the_seed_alone(change) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    first, again, other = (change(rgb, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != rgb).any()
