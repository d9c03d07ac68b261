# SPDX-License-Identifier: Apache-2.0
"""The mean of several models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from full_disk import full_disk

from perception_kit.average import main
from perception_kit.networks.model_file import read_model, save_model


def write(
    path: Path,
    value: float,
    kind: str = "segmentation",
    shape: tuple[int, ...] = (2,),
    **metadata: object,
) -> Path:
    tensors = {"weight": torch.full(shape, value), "count": torch.tensor(int(value))}
    save_model(
        path,
        kind,
        tensors,
        {
            "architecture": "compact",
            "class_names": ["mug"],
            "input_size": [64, 64 + int(value)],
            **metadata,
        },
    )
    return path


def test_mean_of_three(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{value}.safetensors", value) for value in (1.0, 2.0, 6.0)]
    (tmp_path / "2.0.safetensors.json").write_text('{"steps": 7}')
    out = tmp_path / "mean.safetensors"
    assert main([*map(str, paths), "--out", str(out)]) == 0
    tensors, metadata = read_model(out, "segmentation")
    assert tensors["weight"].tolist() == [3.0, 3.0]
    assert int(tensors["count"]) == 1, "whole numbers and the metadata are the first one's"
    assert metadata["input_size"] == [64, 65]
    record = json.loads((tmp_path / "mean.safetensors.json").read_text())
    assert [source["record"] for source in record["mean_of"]] == [None, {"steps": 7}, None]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"kind": "pose"}, "'pose'"),
        ({"class_names": ["cup"]}, r"class_names ['mug'], but"),
        ({"shape": (3,)}, "differ in name or shape"),
        ({"diameters": [0.1]}, "has diameters None, but"),
    ],
)
def test_other_networks_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict, message: str
) -> None:
    paths = [
        write(tmp_path / "a.safetensors", 1.0),
        write(tmp_path / "b.safetensors", 2.0, **other),
    ]
    assert main([*map(str, paths), "--out", str(tmp_path / "mean.safetensors")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "mean.safetensors").exists()


def test_a_damaged_record_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write(tmp_path / "a.safetensors", 1.0)
    (tmp_path / "a.safetensors.json").write_text("{")
    assert main([str(model), str(model), "--out", str(tmp_path / "mean.safetensors")]) == 2
    assert "a.safetensors.json' is not JSON" in capsys.readouterr().err
    assert not (tmp_path / "mean.safetensors").exists()


def test_a_full_disk_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write(tmp_path / "a.safetensors", 1.0, shape=(10_000,))
    with full_disk():
        assert main([str(model), str(model), "--out", str(tmp_path / "mean.safetensors")]) == 2
    assert "mean.safetensors' cannot be written" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [model]


def test_one_model_is_no_mean(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(
            [
                str(write(tmp_path / "a.safetensors", 1.0)),
                "--out",
                str(tmp_path / "mean.safetensors"),
            ]
        )
