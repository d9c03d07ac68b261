# SPDX-License-Identifier: Apache-2.0
"""The shipped models as ONNX files."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from perception_kit.resources import package_folder
from pose6d_node.export import main

MODELS = package_folder() / "models" / "demo"


@pytest.mark.slow
@pytest.mark.skipif(
    not (find_spec("onnx") and find_spec("onnxruntime")),
    reason="onnx or onnxruntime is not installed: install the extra onnx",
)
@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("segmentation", {"backbone", "proposals", "box_head", "mask_head"}),
        ("pose", {"estimator", "refiner"}),
    ],
)
def test_every_network_of_a_model_is_written(
    kind: str, parts: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(MODELS / f"{kind}.safetensors"), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("equal to PyTorch within") == len(parts)
    assert {path.stem for path in tmp_path.glob("*.onnx")} == parts
    described = json.loads((tmp_path / "model.json").read_text())
    assert described["kind"] == kind
    assert set(described["parts"]) == parts
    assert "mug" in described["class_names"]


def test_another_kind_of_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(MODELS / "action.safetensors"), "--out", str(tmp_path / "out")]) == 2
    assert "holds a 'action' model, expected segmentation or pose" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
