# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from actionrec_node.networks.action_model import ActionModel, load_action_model, save_action_model
from actionrec_node.networks.action_model_spec import new_spec
from actionrec_node.networks.architectures import find_architecture
from actionrec_node.networks.published_weights import load_pretrained
from actionrec_node.networks.resnext3d_lite0 import ResNeXt3dLite0


@pytest.mark.parametrize(("frames", "side"), [(16, 112), (15, 100), (9, 33), (2, 16)])
def test_both_paths_meet_at_any_size_of_clip(frames: int, side: int) -> None:
    network = ResNeXt3dLite0(3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, frames, side, side)).shape == (2, 3)


def test_starts_as_the_fast_path_alone(tmp_path: Path) -> None:
    compact = ActionModel(new_spec("resnext3d_compact", ("a", "b"), input_size=(32, 32))).eval()
    save_action_model(tmp_path / "compact.safetensors", compact)
    network = ResNeXt3dLite0(2).eval()
    load_pretrained(network, [tmp_path / "compact.safetensors"], keep_classifier=True)
    clips = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(clips), compact.network(clips))


def test_slow_path_sees_every_fourth_frame() -> None:
    network = ResNeXt3dLite0(2).eval()
    torch.nn.init.ones_(network.lateral[1].weight)
    clips = torch.randn(1, 3, 8, 32, 32)
    seen: list[torch.Tensor] = []
    network.slow.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.inference_mode():
        network(clips)
    assert torch.equal(seen[0], clips[0, :, [0, 4]].transpose(0, 1))


def test_slow_path_starts_from_imagenet_whatever_the_normalization() -> None:
    features = []
    image = torch.rand(1, 3, 64, 64)
    for mean, std in ((0.45, 0.25), (0.5, 0.5)):
        network = ResNeXt3dLite0(2).eval()
        network.load_imagenet((mean,) * 3, (std,) * 3)
        with torch.inference_mode():
            # What lies outside of the image is another gray, so that the border differs.
            features.append(network.slow[0]((image - mean) / std)[..., 3:-3, 3:-3])
    torch.testing.assert_close(*features, rtol=1e-4, atol=1e-4)


def test_stages_name_every_tensor_once() -> None:
    network = ResNeXt3dLite0(3)
    prefixes = [prefix for stage in network.STAGES.values() for prefix in stage]
    assert all(
        sum(name.startswith(prefix) for prefix in prefixes) == 1 for name in network.state_dict()
    )


def test_a_model_file_keeps_both_paths(tmp_path: Path) -> None:
    model = ActionModel(new_spec("resnext3d_lite0", ("a", "b"), input_size=(32, 32))).eval()
    torch.nn.init.ones_(model.network.lateral[1].weight)  # type: ignore[union-attr, index]
    save_action_model(tmp_path / "model.safetensors", model)
    loaded = load_action_model(tmp_path / "model.safetensors")
    clip = torch.randint(0, 256, (1, 16, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(loaded(clip), model(clip))


def test_it_is_found_by_name() -> None:
    assert isinstance(find_architecture("resnext3d_lite0").build(2), ResNeXt3dLite0)
