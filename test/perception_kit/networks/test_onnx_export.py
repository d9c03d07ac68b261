# SPDX-License-Identifier: Apache-2.0
"""ONNX files compute what PyTorch does, or are not written."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from perception_kit.networks import onnx_export
from perception_kit.networks.onnx_export import ExportError, Part, export_parts

needs_onnx = pytest.mark.skipif(
    not all(map(find_spec, ("onnx", "onnxruntime"))),
    reason="onnx or onnxruntime is not installed: install the extra onnx",
)


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class Restless(nn.Module):
    """Gives something else at each call, of which the file has the first."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


def part(module: nn.Module) -> Part:
    return Part("net", module, (torch.rand(2, 3),), ("x",), ("y",), {"x": {0: "rows"}})


@needs_onnx
def test_a_file_takes_other_sizes_and_says_what_it_is(tmp_path: Path) -> None:
    differences = export_parts(tmp_path, [part(Doubled())], {"class_names": ("cup",)})
    assert differences == {"net": pytest.approx(0, abs=1e-6)}
    session = import_module("onnxruntime").InferenceSession(str(tmp_path / "net.onnx"))
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], 2 * x)
    assert json.loads((tmp_path / "model.json").read_text()) == {
        "class_names": ["cup"],
        "parts": {"net": {"inputs": ["x"], "outputs": ["y"]}},
    }


@needs_onnx
def test_a_file_that_computes_something_else_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"'net.onnx' computes something else than PyTorch"):
        export_parts(tmp_path, [part(Restless())], {})
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(onnx_export, "import_module", missing)
    with pytest.raises(ExportError, match=r"need the package onnx: pip install .*\[onnx\]"):
        export_parts(tmp_path, [part(Doubled())], {})
