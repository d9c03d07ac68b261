# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from actionrec_node.resnext3d import ResNeXt3d, ResNeXt3dConfig, build, strip_module_prefix


def _reference_weights(reference_dir: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("det_weights", reference_dir / "det_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("depth", ["50", "101"])
def test_reproduces_the_reference_implementation(reference_dir: Path, depth: str) -> None:
    reference = np.load(reference_dir / "resnext3d_seed1.npz")
    keys = json.loads((reference_dir / "resnext3d_keys.json").read_text())[f"resnext{depth}"]
    network = build(f"resnext3d_{depth}", 400).eval()
    assert {name: list(tensor.shape) for name, tensor in network.state_dict().items()} == keys
    tensors = _reference_weights(reference_dir).fill(network.state_dict(), 1)
    network.load_state_dict(strip_module_prefix({f"module.{name}": tensor for name, tensor in tensors.items()}))
    with torch.inference_mode():
        logits = network(torch.from_numpy(reference["clip"])).numpy()
    expected = reference[f"logits{depth}"]
    assert np.linalg.norm(logits - expected) < 1e-4 * np.linalg.norm(expected)


def test_stem_of_64_channels_for_the_checkpoints_of_2018() -> None:
    network = build("resnext3d_50", 400, stem_channels=64)
    assert network.conv1.weight.shape == (64, 3, 7, 7, 7)
    assert network.layer1[0].conv1.weight.shape == (128, 64, 1, 1, 1)


def test_shortcut_a_subsamples_and_fills_with_zeros() -> None:
    config = ResNeXt3dConfig((1, 1, 1, 1), widths=(8, 16, 32, 64), cardinality=4, stem_channels=8, shortcut="A")
    network = ResNeXt3d(config, 2)
    assert not any("downsample" in name for name in network.state_dict())
    x = torch.randn(1, 16, 4, 6, 6)
    shortcut = network.layer2[0].downsample(x)
    assert torch.equal(shortcut[:, :16], x[:, :, ::2, ::2, ::2])
    assert shortcut.shape == (1, 32, 2, 3, 3)
    assert not shortcut[:, 16:].any()


def test_compact_network_takes_other_clip_sizes() -> None:
    network = build("resnext3d_compact", 5).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 8, 64, 64)).shape == (2, 5)


def test_unknown_architecture_is_named() -> None:
    with pytest.raises(ValueError, match=r"'resnext3d_7'.*resnext3d_compact"):
        build("resnext3d_7", 5)
