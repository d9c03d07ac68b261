# SPDX-License-Identifier: Apache-2.0
"""Instances pasted into other images."""

from __future__ import annotations

import numpy as np
import pytest

from pose6d_node.segmentation.copy_paste import Frame, copy_paste
from pose6d_node.segmentation.dataset import AnnotatedFrames, TrainingSamples

HEIGHT, WIDTH = 120, 160


def frame(color: int, side: int, class_label: int) -> Frame:
    """A gray image with one square instance of a color in its center."""
    rgb = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    top, left = (HEIGHT - side) // 2, (WIDTH - side) // 2
    rgb[top : top + side, left : left + side] = color
    labels[top : top + side, left : left + side] = 1
    classes = np.zeros(256, np.int64)
    classes[1] = class_label
    return rgb, labels, classes


@pytest.mark.parametrize("seed", range(20))
def test_a_pasted_instance_has_its_class_and_its_pixels(seed: int) -> None:
    base, donor = frame(0, 20, 1), frame(255, 60, 2)
    rgb, labels, classes = copy_paste(base, [donor], np.random.default_rng(seed))
    assert classes[1] == 1
    assert classes[2] == 2
    pasted = labels == 2
    if pasted.sum() > 400:  # edges are mixed
        assert np.median(rgb[pasted]) > 200
    assert np.array_equal(labels[~pasted], base[1][~pasted])


def test_donors_without_a_large_instance_are_passed_over() -> None:
    base = frame(0, 20, 1)
    for donor in (frame(255, 10, 2), frame(255, 60, 0)):
        rgb, labels, _ = copy_paste(base, [donor], np.random.default_rng(0))
        assert np.array_equal(rgb, base[0])
        assert np.array_equal(labels, base[1])


def test_frames_stay_as_they_are() -> None:
    base, donor = frame(0, 20, 1), frame(255, 60, 2)
    before = [array.copy() for array in base]
    copy_paste(base, [donor, donor], np.random.default_rng(0))
    assert all(np.array_equal(*pair) for pair in zip(before, base, strict=True))


def annotated(*frames: Frame) -> AnnotatedFrames:
    rgb, labels, classes = zip(*frames, strict=True)
    return AnnotatedFrames(np.stack(rgb), np.stack(labels), None, list(classes), ["a", "b"])


def test_samples_of_categories_gain_instances_and_stay_reproducible() -> None:
    frames = annotated(frame(0, 40, 1), frame(255, 60, 2))
    plain = TrainingSamples(frames, 0, 0, 40)
    mixed = TrainingSamples(frames, 0, 0, 40, categories=True)
    again = TrainingSamples(frames, 0, 10, 30, categories=True)
    assert max(int(plain[k][1].max()) for k in range(40)) == 1
    assert max(int(mixed[k][1].max()) for k in range(40)) > 1
    assert all((a == b).all() for a, b in zip(mixed[12], again[2], strict=True))
