# SPDX-License-Identifier: Apache-2.0
"""An action network as an ONNX file."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from actionrec_node.export import main


@pytest.mark.skipif(
    not (find_spec("onnx") and find_spec("onnxruntime")),
    reason="onnx or onnxruntime is not installed: install the extra onnx",
)
def test_the_network_is_written(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(model_path), "--out", str(tmp_path)]) == 0
    assert "network.onnx: equal to PyTorch within" in capsys.readouterr().out
    described = json.loads((tmp_path / "model.json").read_text())
    assert described["class_names"] == ["falling", "running", "walking"]
    assert described["parts"] == {"network": {"inputs": ["rgb"], "outputs": ["logits"]}}
