# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from actionrec_node.networks.architectures import find_architecture
from actionrec_node.networks.published_weights import load_pretrained
from actionrec_node.networks.resnext3d import ResNeXt3d, ResNeXt3dConfig


def _reference_weights(reference_dir: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("det_weights", reference_dir / "det_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("depth", ["50", "101"])
def test_reproduces_the_reference_implementation(
    reference_dir: Path, tmp_path: Path, depth: str
) -> None:
    reference = np.load(reference_dir / "resnext3d_seed1.npz")
    keys = json.loads((reference_dir / "resnext3d_keys.json").read_text())[f"resnext{depth}"]
    network = find_architecture(f"resnext3d_{depth}").build(400).eval()
    assert {name: list(tensor.shape) for name, tensor in network.state_dict().items()} == keys
    tensors = _reference_weights(reference_dir).fill(network.state_dict(), 1)
    torch.save(
        {"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}},
        tmp_path / "checkpoint.pth",
    )
    load_pretrained(network, [tmp_path / "checkpoint.pth"], keep_classifier=True)
    with torch.inference_mode():
        logits = network(torch.from_numpy(reference["clip"])).numpy()
    expected = reference[f"logits{depth}"]
    assert np.linalg.norm(logits - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("depth", ["50", "101"])
def test_checkpoints_of_2018_differ_in_the_stem_alone(depth: str) -> None:
    with torch.device("meta"):
        now, then = (
            find_architecture(f"resnext3d_{depth}{stem}").build(400).state_dict()
            for stem in ("", "_stem64")
        )
    assert now.keys() == then.keys()
    differing = {
        name: tuple(then[name].shape) for name in now if now[name].shape != then[name].shape
    }
    norms = {f"bn1.{name}": (64,) for name in ("weight", "bias", "running_mean", "running_var")}
    shortcut = {
        "layer1.0.conv1.weight": (128, 64, 1, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1, 1),
    }
    assert differing == {"conv1.weight": (64, 3, 7, 7, 7), **norms, **shortcut}


def test_stages_name_every_tensor_once() -> None:
    network = find_architecture("resnext3d_compact").build(3)
    prefixes = [prefix for stage in network.STAGES.values() for prefix in stage]
    assert all(
        sum(name.startswith(prefix) for prefix in prefixes) == 1 for name in network.state_dict()
    )


def test_shortcut_a_subsamples_and_fills_with_zeros() -> None:
    config = ResNeXt3dConfig(
        (1, 1, 1, 1), widths=(8, 16, 32, 64), cardinality=4, stem_channels=8, shortcut="A"
    )
    network = ResNeXt3d(config, 2)
    assert not any("downsample" in name for name in network.state_dict())
    x = torch.randn(1, 16, 4, 6, 6)
    shortcut = network.layer2[0].downsample(x)
    assert torch.equal(shortcut[:, :16], x[:, :, ::2, ::2, ::2])
    assert shortcut.shape == (1, 32, 2, 3, 3)
    assert not shortcut[:, 16:].any()


def test_compact_network_takes_other_clip_sizes() -> None:
    network = find_architecture("resnext3d_compact").build(5).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 8, 64, 64)).shape == (2, 5)


def test_unknown_architecture_is_named() -> None:
    with pytest.raises(ValueError, match=r"'resnext3d_7'.*resnext3d_compact"):
        find_architecture("resnext3d_7")
