# SPDX-License-Identifier: Apache-2.0
"""The compiled segmentation finds what the one in PyTorch finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from perception_kit.networks.openvino_runtime import RuntimeUnavailableError, has_bfloat16
from perception_kit.resources import resolve_path
from perception_kit.types import Intrinsics
from pose6d_node.config import Pose6dConfig
from pose6d_node.segmentation.network import build_network
from pose6d_node.segmentation.openvino import compile_parts
from pose6d_node.segmentation.predictor import Segmenter
from pose6d_node.segmentation.segmentation_model import load_segmentation, save_segmentation


@pytest.fixture(scope="module", params=[False, True], ids=["colour", "depth"])
def model_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model file of a network with random weights and full masks, which detects noise."""
    torch.manual_seed(0)
    network = build_network("efficientnet_lite0", 2, depth=request.param)
    torch.nn.init.constant_(network.roi_heads.mask_predictor.mask_fcn_logits.bias, 20.0)
    path = tmp_path_factory.mktemp("model") / "segmentation.safetensors"
    save_segmentation(path, network, "efficientnet_lite0", ["mug", "bowl"], [160, 128])
    return path


def test_same_instances_for_images_of_several_sizes(model_path: Path) -> None:
    plain, compiled = (
        Segmenter(model_path, "cpu", score_threshold=0.0, max_detections=5, runtime=name)
        for name in ("pytorch", "openvino")
    )
    for height, width in ((128, 160), (90, 200)):
        rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
        depth = np.linspace(0.5, 2, height * width).reshape(height, width)
        intrinsics = Intrinsics(200, 200, 80, 60, width, height)

        expected, actual = plain(rgb, depth, intrinsics), compiled(rgb, depth, intrinsics)
        assert len(actual) == len(expected) > 0
        for found, reference in zip(actual, expected, strict=True):
            assert found.score == pytest.approx(reference.score, abs=1e-5)
            np.testing.assert_allclose(found.box, reference.box, atol=1e-2)
            np.testing.assert_allclose(found.descriptor, reference.descriptor, atol=1e-3)

    compiled.configure(Pose6dConfig(score_threshold=1.0))
    assert compiled(rgb) == []


@torch.inference_mode()
def test_the_first_start_gives_what_later_ones_give(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = resolve_path("package://assistant_perception/models/demo/segmentation.safetensors")
    rounds = has_bfloat16()
    image = 2 * torch.randn(1, 4, 384, 480, generator=torch.Generator().manual_seed(0))
    first, second = (compile_parts(load_segmentation(model)[0].eval(), rounds) for _ in range(2))
    pairs = zip(first(image).levels.values(), second(image).levels.values(), strict=True)
    assert all(torch.equal(made, kept) for made, kept in pairs)


def test_openvino_is_refused_on_a_gpu(model_path: Path) -> None:
    with pytest.raises(RuntimeUnavailableError, match="runs on the CPU"):
        Segmenter(model_path, "cuda", runtime="openvino")
