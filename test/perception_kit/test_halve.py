# SPDX-License-Identifier: Apache-2.0
"""Model files of half the size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from perception_kit.halve import main
from perception_kit.networks.model_file import file_sha256, read_model, save_model


def write(path: Path, value: float = 0.1) -> Path:
    tensors = {
        "kernel": torch.full((64, 64), value),
        "bias": torch.full((64,), 0.1),
        "count": torch.tensor([[7]]),
    }
    save_model(path, "segmentation", tensors, {"class_names": ["mug"]})
    return path


def test_kernels_are_rounded_and_the_rest_is_exact(tmp_path: Path) -> None:
    model, out = write(tmp_path / "model.safetensors"), tmp_path / "half.safetensors"
    assert main([str(model), "--out", str(out)]) == 0
    assert out.stat().st_size < 0.6 * model.stat().st_size
    tensors, metadata = read_model(out, "segmentation")
    assert tensors["kernel"].dtype == torch.float32
    assert torch.allclose(tensors["kernel"], torch.tensor(0.1), rtol=2**-11, atol=0)
    assert torch.equal(tensors["bias"], torch.full((64,), 0.1))
    assert tensors["count"].tolist() == [[7]]
    assert metadata["class_names"] == ["mug"]
    record = json.loads((tmp_path / "half.safetensors.json").read_text())
    assert "halve" in record["halved"]["command"]


def test_the_record_of_the_training_goes_with_it(tmp_path: Path) -> None:
    model, out = write(tmp_path / "model.safetensors"), tmp_path / "half.safetensors"
    (tmp_path / "model.safetensors.json").write_text('{"steps": 7}')
    assert main([str(model), "--out", str(out)]) == 0
    record = json.loads((tmp_path / "half.safetensors.json").read_text())
    assert record["steps"] == 7
    assert record["halved"]["sha256"] == file_sha256(model)


@pytest.mark.parametrize("content", [b"[7]", b"{", b"\xff"])
def test_a_record_that_is_none_is_named(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = write(tmp_path / "model.safetensors"), tmp_path / "half.safetensors"
    (tmp_path / "model.safetensors.json").write_bytes(content)
    assert main([str(model), "--out", str(out)]) == 2
    assert not out.exists()
    assert "model.safetensors.json' is not the record of a training" in capsys.readouterr().err


def test_what_float16_cannot_hold_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = write(tmp_path / "model.safetensors", 1e6), tmp_path / "half.safetensors"
    assert main([str(model), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "'kernel'" in error
    assert "65504" in error
    assert not out.exists()
