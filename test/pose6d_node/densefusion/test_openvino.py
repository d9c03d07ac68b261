# SPDX-License-Identifier: Apache-2.0
"""The compiled pose networks give the poses of those in PyTorch, for any number of instances."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pose6d_node.densefusion.openvino import can_be_compiled, compile_networks
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.pose_model_spec import PoseModelSpec
from pose6d_node.densefusion.predictor import PoseEstimator

CLASSES = 3
IDENTITY = torch.eye(4).tolist()


def spec_of(architecture: str) -> PoseModelSpec:
    """A small model of this architecture."""
    return PoseModelSpec(
        ["mug", "bowl", "box"],
        [0.1] * CLASSES,
        [[0.1] * 3] * CLASSES,
        [[IDENTITY]] * CLASSES,
        architecture,
        crop_size=32,
        num_points=20,
    )


@torch.inference_mode()
@pytest.mark.slow
def test_same_poses() -> None:
    torch.manual_seed(0)
    spec = spec_of("densefusion_compact")
    plain = PoseModel(spec, torch.rand(CLASSES, 10, 3)).eval()
    compiled = PoseModel(spec, plain.model_points).eval()
    compiled.load_state_dict(plain.state_dict())
    compile_networks(compiled)

    for count in (1, 4):
        image, cloud = torch.randn(count, 3, 32, 32), torch.randn(count, 20, 3)
        pixels, class_index = torch.rand(count, 20, 2) * 2 - 1, torch.arange(count) % CLASSES
        inputs = image, cloud, pixels, class_index
        expected = plain.estimator.best_pose(*inputs)
        actual = compiled.estimator.best_pose(*inputs)
        for found, reference in zip(actual, expected, strict=True):
            torch.testing.assert_close(found, reference, atol=1e-4, rtol=1e-4)

        refined = plain.refiner(cloud, expected[3], class_index)
        for found, reference in zip(
            compiled.refiner(cloud, expected[3], class_index), refined, strict=True
        ):
            torch.testing.assert_close(found, reference, atol=1e-4, rtol=1e-4)


def test_the_published_networks_stay_in_pytorch(tmp_path: Path) -> None:
    model = PoseModel(spec_of("densefusion"), torch.rand(CLASSES, 10, 3)).eval()
    assert not can_be_compiled(model)
    with pytest.raises(TypeError, match="expected a CoordinateNet, got PoseNet"):
        compile_networks(model)

    model.save(tmp_path / "pose.safetensors", {})
    estimator = PoseEstimator(tmp_path / "pose.safetensors", "cpu", runtime="openvino")
    assert str(estimator.runtime) == "pytorch"
