# SPDX-License-Identifier: Apache-2.0
"""Clips are classified without PyTorch where a graph is kept, by networks that PyTorch has seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from actionrec_node.networks import classifier, openvino
from actionrec_node.networks.action_model import (
    ActionModel,
    load_action_model,
    save_action_model,
)
from actionrec_node.networks.action_model_spec import ActionModelSpec
from actionrec_node.networks.classifier import GraphClassifier, load_classifier, softmax
from perception_kit.networks import openvino_module
from perception_kit.networks.graph_cache import graphs_folder
from perception_kit.networks.model_metadata import ModelFileError


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _clips(count: int, size: int = 112) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, size, size, 3), np.uint8)


def test_a_kept_graph_gives_what_the_first_start_gave(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_classifier(model_path)
    assert isinstance(loaded.model, GraphClassifier)
    monkeypatch.delattr(openvino, "load_runtime_model")
    again = load_classifier(model_path)
    assert (loaded.runtime.name, again.runtime.name) == ("openvino", "openvino")

    clips, first, kept = _clips(3), loaded.model, again.model
    np.testing.assert_array_equal(kept.probabilities(clips), first.probabilities(clips))
    expected = load_action_model(model_path).probabilities(clips)
    np.testing.assert_allclose(kept.probabilities(clips), expected, atol=1e-5)


@pytest.mark.slow
def test_both_streams_are_given_in_their_order(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = ActionModelSpec("i3d", ("falling", "walking"), input_size=(32, 32))
    save_action_model(tmp_path / "i3d.safetensors", ActionModel(spec))
    loaded = load_classifier(tmp_path / "i3d.safetensors", runtime="openvino").model
    expected = load_action_model(tmp_path / "i3d.safetensors").probabilities(_clips(1, 32))
    np.testing.assert_allclose(loaded.probabilities(_clips(1, 32)), expected, atol=1e-5)


def test_another_file_is_another_graph(model_path: Path, tmp_path: Path) -> None:
    load_classifier(model_path)
    torch.manual_seed(1)
    other = tmp_path / "other.safetensors"
    save_action_model(other, ActionModel(load_action_model(model_path).spec))
    changed = load_classifier(other).model
    expected = load_action_model(other).probabilities(_clips(1))
    np.testing.assert_allclose(changed.probabilities(_clips(1)), expected, atol=1e-5)


def test_a_network_without_sense_is_never_kept(model_path: Path, tmp_path: Path) -> None:
    model = load_action_model(model_path)
    with torch.no_grad():
        next(model.network.parameters()).fill_(3e38)
    path = tmp_path / "overflow.safetensors"
    save_action_model(path, model)
    for _ in range(2):
        with pytest.raises(ModelFileError, match="scores that are not finite"):
            load_classifier(path)
    assert not graphs_folder().exists()


def test_where_no_graph_runs_pytorch_does(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_classifier(model_path)

    def fail(*arguments: object, **more: object) -> None:
        raise RuntimeError("no such instruction")

    for module in (classifier, openvino_module):
        monkeypatch.setattr(module, "CompiledGraph", fail)
    with pytest.warns(RuntimeWarning, match="no such instruction; PyTorch runs the network"):
        loaded = load_classifier(model_path)
    assert isinstance(loaded.model, ActionModel)
    assert loaded.runtime.name == "pytorch"


@pytest.mark.slow
def test_pytorch_is_not_loaded_for_a_kept_graph(model_path: Path) -> None:
    load_classifier(model_path)
    program = f"""
import sys
from actionrec_node.recognition.recognizer import ActionRecognizer
assert ActionRecognizer({str(model_path)!r}, "cpu").runtime.name == "openvino"
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_softmax_of_large_and_equal_logits() -> None:
    logits = np.array([[1000.0, 0.0], [-3.0, -3.0]], np.float32)
    np.testing.assert_array_equal(softmax(logits), np.array([[1, 0], [0.5, 0.5]], np.float32))
