# SPDX-License-Identifier: Apache-2.0
"""Appearance descriptors: unit norm, whitened, and closer for the same object than for another."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pose6d_node.segmentation.dataset import AnnotatedFrames
from pose6d_node.segmentation.descriptor import Descriptor
from pose6d_node.segmentation.descriptor_fitting import fit_descriptor
from pose6d_node.segmentation.network import build_network


def features(count: int, seed: int) -> torch.Tensor:
    """Averages as a network makes them: much in common, and small, correlated differences."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(64, 64))
    return torch.from_numpy(5 + 0.1 * rng.normal(size=(count, 64)) @ mixing).float()


def test_different_things_are_about_one_apart_after_whitening() -> None:
    descriptor = Descriptor(64)
    descriptor.fit(features(2000, seed=0))
    descriptors = descriptor(features(200, seed=1)[..., None, None])
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(200))
    distances = 1 - (descriptors @ descriptors.T)[~torch.eye(200, dtype=bool)]
    assert distances.mean().item() == pytest.approx(1, abs=0.02)

    noisy = descriptor((features(200, seed=1) + 0.01)[..., None, None])
    assert (1 - (descriptors * noisy).sum(dim=1)).max() < 0.1


@pytest.mark.parametrize("count", [1, 5])
def test_fewer_objects_than_dimensions_still_give_finite_descriptors(count: int) -> None:
    descriptor = Descriptor(64)
    descriptor.fit(features(count, seed=0))
    assert torch.isfinite(descriptor(features(3, seed=1)[..., None, None])).all()


def test_frames_that_show_nothing_are_passed_over() -> None:
    labels, classes = np.zeros((3, 64, 96), np.uint8), np.zeros((3, 256), np.int64)
    labels[1, 10:40, 10:40], classes[1, 1] = 1, 1
    rgb = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3)).astype(np.uint8)
    frames = AnnotatedFrames(rgb, labels, None, list(classes), ["mug"])

    network = build_network("compact", 1)
    fit_descriptor(network, frames, max_frames=1)
    assert network.descriptor.mean.abs().sum() > 0
