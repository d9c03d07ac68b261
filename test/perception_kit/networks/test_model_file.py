# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from full_disk import full_disk
from safetensors.torch import save_file

from perception_kit.networks.model_file import file_sha256, load_weights, read_model, save_model
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
