# SPDX-License-Identifier: Apache-2.0
"""Action networks run by OpenVINO give what they give in PyTorch, with 8-bit integers nearly so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from actionrec_node.evaluate import main as evaluate
from actionrec_node.networks.action_model import ActionModel, save_action_model
from actionrec_node.networks.action_model_spec import ActionModelSpec
from actionrec_node.networks.openvino import int8_path, load_runtime_model, write_int8
from actionrec_node.quantization import format_comparison
from actionrec_node.quantize import main as quantize
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError


def _clips(count: int, size: int = 112) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, size, size, 3), np.uint8)


def test_openvino_gives_the_same_for_any_number_of_clips(model_path: Path) -> None:
    plain, compiled = (
        load_runtime_model(model_path, runtime=runtime).model for runtime in ("pytorch", "openvino")
    )
    for count in (1, 3):
        np.testing.assert_allclose(
            compiled.probabilities(_clips(count)), plain.probabilities(_clips(count)), atol=1e-5
        )


@pytest.mark.slow
def test_both_streams_of_i3d(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_action_model(
        tmp_path / "i3d.safetensors",
        ActionModel(ActionModelSpec("i3d", ("falling", "walking"), input_size=(32, 32))),
    )
    plain, compiled = (
        load_runtime_model(tmp_path / "i3d.safetensors", runtime=name).model
        for name in ("pytorch", "openvino")
    )
    np.testing.assert_allclose(
        compiled.probabilities(_clips(1, 32)), plain.probabilities(_clips(1, 32)), atol=1e-5
    )


def test_int8_is_near_and_belongs_to_its_model_file(model_path: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(model_path, tmp_path / "m.safetensors"))
    message = r"m\.int8\.xml', which does not exist: run 'python -m actionrec_node\.quantize"
    with pytest.raises(RuntimeUnavailableError, match=message):
        load_runtime_model(path, runtime="openvino_int8")
    plain = load_runtime_model(path, runtime="pytorch").model
    assert write_int8(plain, path, list(_clips(2))) == int8_path(path)
    quantized = load_runtime_model(path, runtime="openvino_int8").model
    np.testing.assert_allclose(
        quantized.probabilities(_clips(2)), plain.probabilities(_clips(2)), atol=0.05
    )
    save_action_model(path, ActionModel(plain.spec))
    with pytest.raises(RuntimeUnavailableError, match=r"m\.int8\.xml' was not made of"):
        load_runtime_model(path, runtime="openvino_int8")


def test_commands_quantize_and_score(data_folder: Path, tmp_path: Path) -> None:
    spec = ActionModelSpec("resnext3d_compact", ("running", "standing"))
    path = tmp_path / "two.safetensors"
    save_action_model(path, ActionModel(spec))
    train, val, out = data_folder / "train", data_folder / "val", tmp_path / "out"
    assert quantize(["--model", str(path), "--data", str(train), "--clips", "4"]) == 0
    inputs = ["--model", str(path), "--data", str(val), "--runtime", "openvino_int8"]
    assert evaluate([*inputs, "--out", str(out)]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["clips"] == 2


def test_the_loss_by_int8_is_measured_on_held_out_clips(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = ActionModelSpec("resnext3d_compact", ("running", "standing"), input_size=(32, 32))
    path = tmp_path / "two.safetensors"
    train, val = str(data_folder / "train"), str(data_folder / "val")
    torch.manual_seed(0)
    save_action_model(path, ActionModel(spec))
    arguments = ["--model", str(path), "--data", train, "--clips", "4", "--val", val]
    assert quantize(arguments) == 0
    printed = capsys.readouterr().out
    record = json.loads((tmp_path / "two.int8.json").read_text())
    for runtime in ("pytorch", "openvino_int8"):
        inputs = ["--model", str(path), "--data", val, "--runtime", runtime]
        assert evaluate([*inputs, "--out", str(tmp_path / runtime)]) == 0
        alone = json.loads((tmp_path / runtime / "metrics.json").read_text())
        assert record["held_out"][runtime].items() <= alone.items()
    assert "accuracy of clips" in printed
    assert record["calibration_clips"] == 4
    assert quantize([*arguments, "--val", train]) == 2
    assert "are in two of the data folders" in capsys.readouterr().err


def test_the_comparison_sets_both_models_side_by_side() -> None:
    def scores(f1: float, accuracy: float) -> dict:
        per_class = {"falling": {"f1": f1}, "running": {"f1": None}}
        return {
            "per_class": per_class,
            "accuracy": accuracy,
            "frames": {"accuracy": accuracy / 2},
            "clips": 8,
        }

    table = format_comparison(
        {"pytorch": scores(0.9, 0.8), "openvino_int8": scores(0.85, 0.9), "same_answer": 0.975}
    )
    rows = [line.split() for line in table.splitlines()]
    assert rows[1:5] == [
        ["F-score", "of", "falling", "0.900", "0.850", "-0.050"],
        ["F-score", "of", "running", "-", "-"],
        ["accuracy", "of", "clips", "0.800", "0.900", "+0.100"],
        ["accuracy", "of", "frames", "0.400", "0.450", "+0.050"],
    ]
    assert "97.5% of the windows, 8 labelled clips" in table


def test_clips_of_people_need_boxes(
    data_folder: Path, model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_folder / "train" / "standing").rename(data_folder / "train" / "walking")
    arguments = ["--model", str(model_path), "--data", str(data_folder / "train")]
    assert quantize([*arguments, "--per-person"]) == 2
    assert "--per-person needs to know where people are" in capsys.readouterr().err


def test_missing_data_ends_with_a_message(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quantize(["--model", str(model_path), "--data", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
