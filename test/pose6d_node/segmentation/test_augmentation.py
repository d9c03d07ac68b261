# SPDX-License-Identifier: Apache-2.0
"""Augmentation moves labels with the image and keeps shapes and types."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose6d_node.segmentation.augmentation import augment, random_affine, random_cutout, random_hue_saturation, random_tone


def scene() -> tuple[np.ndarray, np.ndarray]:
    """A white square, labelled 3, on black."""
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 30:50] = 3
    return np.repeat((labels == 3).astype(np.uint8)[..., None] * 255, 3, axis=2), labels


@given(seed=st.integers(0, 2**32))
def test_shape_type_and_label_values_stay(seed: int) -> None:
    rgb, labels = scene()
    new_rgb, new_labels = augment(rgb, labels, np.random.default_rng(seed))
    assert (new_rgb.shape, new_rgb.dtype) == (rgb.shape, np.uint8)
    assert (new_labels.shape, new_labels.dtype) == (labels.shape, np.uint8)
    assert set(np.unique(new_labels)) <= {0, 3}


@given(seed=st.integers(0, 2**32))
def test_affine_moves_labels_with_the_pixels(seed: int) -> None:
    rgb, labels = random_affine(*scene(), np.random.default_rng(seed))
    assert np.mean((rgb[..., 0] > 127) != (labels == 3)) < 0.02


def test_cutout_leaves_no_label_under_it_and_its_input_alone() -> None:
    rgb, labels = scene()
    before = rgb.copy(), labels.copy()
    changed = False
    for seed in range(30):
        new_rgb, new_labels = random_cutout(rgb, labels, np.random.default_rng(seed))
        covered = (new_rgb != rgb).any(axis=2)
        assert np.all(new_labels[covered] == 0)
        changed |= bool((new_labels != labels).any())
    assert changed
    np.testing.assert_array_equal(rgb, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize("change", [random_tone, random_hue_saturation])
def test_colour_changes_depend_on_the_seed_alone(change) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    first, again, other = (change(rgb, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != rgb).any()
