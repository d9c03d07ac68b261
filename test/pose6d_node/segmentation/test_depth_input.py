# SPDX-License-Identifier: Apache-2.0
"""The depth channel counts pixels per metre, whatever the camera and the size of its image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.training.run import load_matching
from pose6d_node.segmentation.depth_input import (
    DEPTH_MEAN,
    DEPTH_STD,
    MAX_VALUE,
    TYPICAL_SIZE,
    UNIT,
    depth_channel,
)
from pose6d_node.segmentation.network import build_network, with_depth


@given(
    distance=st.floats(0.3, 5), focal_length=st.floats(200, 1500), scale=st.sampled_from([1, 2, 4])
)
def test_value_is_the_pixels_that_a_meter_spans(
    distance: float, focal_length: float, scale: int
) -> None:
    depth = np.full((60 * scale, 80 * scale), distance, np.float32)
    values = depth_channel(depth, focal_length * scale, (80, 60))
    np.testing.assert_allclose(values, min(focal_length / distance / UNIT, MAX_VALUE), rtol=1e-5)


@pytest.mark.parametrize("unknown", [0.0, np.nan, -1.0])
def test_unknown_depth_is_zero(unknown: float) -> None:
    depth = np.ones((60, 80), np.float32)
    depth[10:20, 30:40] = unknown
    values = depth_channel(depth, 400.0, (80, 60))
    assert np.all(values[10:20, 30:40] == 0)
    assert np.count_nonzero(values) == 60 * 80 - 100


@given(distance=st.floats(0.4, 2), side=st.integers(30, 90))
@pytest.mark.slow
def test_regions_come_with_their_size_in_meters(distance: float, side: int) -> None:
    focal_length, size = 300.0, (160, 128)
    channel = depth_channel(np.full(size[::-1], distance, np.float32), focal_length, size)
    images = torch.zeros(1, 4, *size[::-1])
    images[0, 3] = (torch.from_numpy(channel) - DEPTH_MEAN) / DEPTH_STD

    network = build_network("efficientnet_lite0", 2, depth=True).eval()
    box = torch.tensor([[20.0, 10.0, 20.0 + side, 10.0 + side / 2]])
    with torch.inference_mode():
        pooled = network.roi_heads.box_roi_pool(network.backbone(images), [box], [size[::-1]])

    width, height = np.exp(pooled[0, -2:].mean(dim=(1, 2)).numpy()) * TYPICAL_SIZE
    assert width == pytest.approx(side * distance / focal_length, rel=1e-3)
    assert height == pytest.approx(width / 2, rel=1e-3)


def test_unknown_depth_has_no_size() -> None:
    network = build_network("efficientnet_lite0", 2, depth=True).eval()
    images = torch.full((1, 4, 64, 96), -DEPTH_MEAN / DEPTH_STD)
    box = torch.tensor([[8.0, 8.0, 40.0, 40.0]])
    with torch.inference_mode():
        pooled = network.roi_heads.box_roi_pool(network.backbone(images), [box], [(64, 96)])
    assert torch.all(pooled[:, -3:] == 0)


def test_weights_that_never_saw_depth_ignore_sizes_at_first() -> None:
    source = build_network("efficientnet_lite0", 2)
    target = build_network("efficientnet_lite0", 2, depth=True)
    fresh = load_matching(target, with_depth(source.state_dict(), target))
    assert {name.split(".")[1] for name in fresh} == {"depth", "mean", "projection"}
    weights = target.roi_heads.box_head.fc6.weight
    assert torch.all(weights[:, -2 * 49 :] == 0)
    torch.testing.assert_close(weights[:, : -2 * 49], source.roi_heads.box_head.fc6.weight)
