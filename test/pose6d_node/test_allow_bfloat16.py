# SPDX-License-Identifier: Apache-2.0
"""A model may run in bfloat16 where that was measured to cost next to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perception_kit.networks.model_metadata import read_metadata
from perception_kit.resources import BFLOAT16_RUNTIME
from pose6d_node import allow_bfloat16
from pose6d_node.evaluation import bfloat16_loss
from pose6d_node.segmentation.network import build_network
from pose6d_node.segmentation.segmentation_model import load_segmentation, save_segmentation


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "segmentation.safetensors"
    save_segmentation(path, build_network("compact", 1), "compact", ["mug"], [64, 48])
    return path


def run(model: Path, out: Path, rounded: list[float], monkeypatch: pytest.MonkeyPatch) -> int:
    """The command on datasets on which the model scores 0.8, and so much in bfloat16."""
    scores = iter([score for each in rounded for score in (0.8, each)])
    runtimes = []

    def score(*arguments: object) -> float:
        runtimes.append(arguments[-1])
        return next(scores)

    monkeypatch.setattr(bfloat16_loss, "score", score)
    data = [part for number in range(len(rounded)) for part in ("--data", f"data_{number}")]
    status = allow_bfloat16.main(["--model", str(model), *data, "--out", str(out)])
    assert runtimes == ["openvino", BFLOAT16_RUNTIME] * len(rounded)
    return status


def test_a_model_that_loses_little_may_round(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.safetensors"
    assert run(model_path, out, [0.796, 0.81], monkeypatch) == 0
    assert read_metadata(out)["bfloat16"] is True
    network, spec = load_segmentation(out)
    assert spec.bfloat16
    before = load_segmentation(model_path)[0].state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_one_dataset_on_which_it_loses_more_is_enough(
    model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.safetensors"
    assert run(model_path, out, [0.81, 0.79], monkeypatch) == 1
    assert "costs 0.0100, more than 0.005: nothing is written" in capsys.readouterr().out
    assert not out.exists()


def test_other_models_and_data_are_named(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ["--data", str(tmp_path / "none"), "--out", str(tmp_path / "out.safetensors")]
    assert allow_bfloat16.main(["--model", str(model_path), *missing]) == 2
    assert "none" in capsys.readouterr().err
    action = Path(__file__).parents[2] / "models/demo/action.safetensors"
    assert allow_bfloat16.main(["--model", str(action), *missing]) == 2
    assert "holds a 'action' model" in capsys.readouterr().err
