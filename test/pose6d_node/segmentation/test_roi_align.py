# SPDX-License-Identifier: Apache-2.0
"""The gathering RoIAlign gives what torchvision's gives, wherever the boxes lie."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import MultiScaleRoIAlign

from pose6d_node.segmentation.roi_align import GatherRoIAlign

IMAGE = (96, 128)
LEVELS = ["0", "1", "2"]

coordinate = st.floats(-40, 170, width=32)
box = st.tuples(coordinate, coordinate, st.floats(0, 150, width=32), st.floats(0, 150, width=32))


@pytest.fixture(scope="module")
def pyramid() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = [(IMAGE[0] // stride, IMAGE[1] // stride) for stride in (4, 8, 16)]
    return {
        name: torch.randn(1, 5, *size, generator=generator)
        for name, size in zip(LEVELS, sizes, strict=True)
    }


@given(
    boxes=st.lists(box, min_size=1, max_size=6),
    size=st.sampled_from([1, 7, 14]),
    ratio=st.sampled_from([1, 2, 3]),
)
def test_equals_torchvision(pyramid, boxes, size, ratio) -> None:
    x, y, width, height = torch.tensor(boxes, dtype=torch.float32).unbind(1)
    corners = torch.stack([x, y, x + width, y + height], dim=1)
    settings = {"output_size": size, "sampling_ratio": ratio, "canonical_scale": 56}
    with torch.inference_mode():
        expected = MultiScaleRoIAlign(LEVELS, **settings)(pyramid, [corners], [IMAGE])
        gathered = GatherRoIAlign(LEVELS, **settings)(pyramid, [corners], [IMAGE])
    torch.testing.assert_close(gathered, expected, rtol=0, atol=2e-4)


def test_a_single_level_and_no_boxes(pyramid) -> None:
    pool = GatherRoIAlign(["1"], output_size=7, sampling_ratio=2)
    boxes = torch.tensor([[3.0, 5.0, 60.0, 40.0]])
    reference = MultiScaleRoIAlign(["1"], output_size=7, sampling_ratio=2)
    with torch.inference_mode():
        expected = reference(pyramid, [boxes], [IMAGE])
        torch.testing.assert_close(pool(pyramid, [boxes], [IMAGE]), expected)
        assert pool(pyramid, [boxes[:0]], [IMAGE]).shape == (0, 5, 7, 7)


def test_gradients_flow_in_training(pyramid) -> None:
    features = {name: level.clone().requires_grad_() for name, level in pyramid.items()}
    boxes = torch.tensor([[0.0, 0.0, 20.0, 20.0]])
    pooled = GatherRoIAlign(LEVELS, output_size=7, sampling_ratio=2)(features, [boxes], [IMAGE])
    pooled.sum().backward()
    assert features["0"].grad.abs().sum() > 0
