# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from full_disk import full_disk
from safetensors.torch import save_file

from perception_kit.networks.model_file import (
    file_sha256,
    load_weights,
    read_model,
    read_state_dict,
    save_model,
)
from perception_kit.networks.model_metadata import ModelFileError


def test_tensors_and_metadata_survive(tmp_path: Path) -> None:
    path = tmp_path / "models" / "small.safetensors"
    weights = torch.arange(6.0).reshape(2, 3).T  # not contiguous
    save_model(
        path, "pose", {"weights": weights}, {"class_names": ["cup", "bowl"], "num_points": 500}
    )
    tensors, metadata = read_model(path, "pose")
    assert torch.equal(tensors["weights"], weights)
    assert metadata == {"kind": "pose", "class_names": ["cup", "bowl"], "num_points": 500}


def test_others_may_read_the_file_as_any_other(tmp_path: Path) -> None:
    save_model(tmp_path / "cups.safetensors", "pose", {"weights": torch.zeros(1)}, {})
    (tmp_path / "plain").touch()
    assert (tmp_path / "cups.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "cups.safetensors"
    save_model(path, "pose", {"weights": torch.zeros(1)}, {})
    with (
        full_disk(),
        pytest.raises(OSError, match=r"cups.safetensors' cannot be written \(.*large"),
    ):
        save_model(path, "pose", {"weights": torch.ones(10_000)}, {})
    assert read_model(path, "pose")[0]["weights"].tolist() == [0.0]
    assert [*tmp_path.iterdir()] == [path]


def write_text(path: Path) -> None:
    path.write_text("this is not a model")


def write_foreign(path: Path) -> None:
    save_file({"a": torch.zeros(1)}, str(path))


def write_not_finite(path: Path) -> None:
    save_model(path, "pose", {"a": torch.tensor([1.0, torch.nan])}, {})


def write_other_kind(path: Path) -> None:
    save_model(path, "action", {"a": torch.zeros(1)}, {})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "does not exist"),
        (Path.mkdir, "is a folder, expected a model file"),
        (write_text, "not a safetensors model file"),
        (write_foreign, "without 'assistant_perception' metadata"),
        (write_not_finite, "not finite"),
        (write_other_kind, "holds a 'action' model, expected a 'pose' model"),
    ],
    ids=["missing", "folder", "text file", "foreign safetensors", "not finite", "other kind"],
)
def test_what_is_not_the_model_is_refused_by_name(tmp_path: Path, write, message: str) -> None:
    path = tmp_path / "model.safetensors"
    write(path)
    with pytest.raises(ModelFileError, match=message) as caught:
        read_model(path, "pose")
    assert str(path) in str(caught.value)


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_text("abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"weight": torch.zeros(2, 3)}, "1 missing \\(such as 'bias'\\)"),
        (
            {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "scale": torch.zeros(1)},
            "1 unknown \\(such as 'scale'\\)",
        ),
        (
            {"weight": torch.zeros(2, 4), "bias": torch.zeros(2)},
            "1 of another shape \\(such as 'weight'\\)",
        ),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_tensors_of_another_network_are_refused_by_name(
    tensors: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(ModelFileError, match=message) as caught:
        load_weights(torch.nn.Linear(3, 2), tensors, "cups.safetensors")
    assert "cups.safetensors" in str(caught.value)


def test_weights_of_the_same_network_are_copied() -> None:
    source, copy = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    load_weights(copy, source.state_dict(), "linear.safetensors")
    assert torch.equal(copy.weight, source.weight)


WEIGHTS = {"conv1.weight": torch.ones(2, 2), "fc.bias": torch.zeros(3)}
NUMBERS = {
    "epoch": np.int64(3),
    "best": np.float64(0.5),
    "low": np.float32(0.1),
    "done": np.bool_(True),
    "history": np.arange(3.0),
    "opts": Namespace(lr=0.1, arch="resnet"),
}
SGD = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], momentum=0.9).state_dict()


def _named(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in WEIGHTS.items()}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WEIGHTS, id="bare"),
        pytest.param({**WEIGHTS, **NUMBERS}, id="numbers beside tensors"),
        *(
            pytest.param({key: WEIGHTS, "optimizer": SGD, **NUMBERS}, id=key)
            for key in ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")
        ),
        pytest.param({"checkpoint": {"model": WEIGHTS}, "epoch": 1}, id="nested"),
        pytest.param({"generator": WEIGHTS, "optimizer": SGD}, id="one of any name"),
        pytest.param({"state_dict": WEIGHTS, "ema": _named("x.")}, id="the usual one of two"),
        *(
            pytest.param({"state_dict": _named(prefix)}, id=prefix)
            for prefix in ("module.", "model.", "model.module.", "_orig_mod.", "module.network.")
        ),
    ],
)
def test_tensors_of_a_checkpoint_in_any_wrapper(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "c.pth")
    state = read_state_dict(tmp_path / "c.pth")
    assert state.keys() == WEIGHTS.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in WEIGHTS.items())


def test_numbers_of_numpy_1_stand_beside_tensors(tmp_path: Path) -> None:
    torch.save({"state_dict": WEIGHTS, **NUMBERS}, tmp_path / "new.pth")
    with ZipFile(tmp_path / "new.pth") as new, ZipFile(tmp_path / "old.pth", "w") as old:
        for name in new.namelist():
            old.writestr(name, new.read(name).replace(b"numpy._core.", b"numpy.core."))
    assert read_state_dict(tmp_path / "old.pth").keys() == WEIGHTS.keys()


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {0: torch.zeros(1)}, {"a": {}, "b": {}}])
def test_a_checkpoint_without_a_state_dict_is_named(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(ModelFileError, match=r"c\.pth' holds no state dict"):
        read_state_dict(tmp_path / "c.pth")


def _half_of_a_checkpoint(path: Path) -> bytes:
    torch.save({"a": torch.zeros(1000)}, path)
    return path.read_bytes()[:2000]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>", "is a web page, so its download failed"),
        (None, "was cut off"),
        (b"\x08\x07onnx", "is no checkpoint of PyTorch .*ONNX"),
        (b"\x80\x02garbage", "is not a checkpoint of tensors alone"),
    ],
    ids=["empty", "LFS", "HTML", "cut off", "ONNX", "pickle"],
)
def test_files_that_are_no_checkpoint_are_named(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(_half_of_a_checkpoint(path) if content is None else content)
    with pytest.raises(ModelFileError, match=f"weights.pth' {reason}"):
        read_state_dict(path)
