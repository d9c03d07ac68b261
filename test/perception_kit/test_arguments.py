# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from perception_kit.arguments import (
    bounded_float,
    bounded_int,
    device,
    model_file,
    model_path,
    positive_float,
    with_json_path,
    with_new_names,
)
from perception_kit.resources import package_folder


def test_values_that_are_taken() -> None:
    assert (bounded_int(0)("0"), bounded_int(1)("12")) == (0, 12)
    assert (bounded_float(0.0)("0"), bounded_float(0.0, below=1.0)("0.5")) == (0.0, 0.5)
    assert positive_float("1e-3") == 0.001
    assert model_file("a/b.safetensors") == Path("a/b.safetensors")
    assert device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (bounded_int(1), "0", "must be a whole number of at least 1, got '0'"),
        (bounded_int(0), "1.5", "must be a whole number of at least 0, got '1.5'"),
        (bounded_int(0), "many", "got 'many'"),
        (bounded_float(1.0), "0.9", "must be a number of at least 1, got '0.9'"),
        (bounded_float(0.0, below=1.0), "1", "must be a number of at least 0 and below 1, got '1'"),
        (bounded_float(0.0), "nan", "got 'nan'"),
        (positive_float, "0", "must be a positive number, got '0'"),
        (positive_float, "inf", "got 'inf'"),
        (positive_float, "fast", "got 'fast'"),
        (
            model_file,
            "model.pth",
            r"must be a file whose name ends in \.safetensors, got 'model\.pth'",
        ),
        (device, "tpu", "unknown device 'tpu'"),
    ],
)
def test_values_that_are_refused(parse, text: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        parse(text)


def test_models_that_come_with_the_package_have_an_address() -> None:
    demo = package_folder() / "models" / "demo"
    address = "package://assistant_perception/models/demo/pose.safetensors"
    assert model_path(address) == demo / "pose.safetensors"
    assert model_path("own/pose.safetensors") == Path("own/pose.safetensors")
    with pytest.raises(argparse.ArgumentTypeError, match="lies in package 'other'"):
        model_path("package://other/pose.safetensors")


def test_a_model_file_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    assert model_file(str(tmp_path / "new" / "model.safetensors")).parent == tmp_path / "new"
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    with pytest.raises(argparse.ArgumentTypeError, match="file' is no folder"):
        model_file(str(tmp_path / "file" / "model.safetensors"))
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(argparse.ArgumentTypeError, match=r"folder\.safetensors' is a folder: name"):
        model_file(str(tmp_path / "folder.safetensors"))


def test_names_of_the_release_before_go_on_working(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--dataset", "a", "--dataset=b", "--data-only", "dataset"]
    renamed = with_new_names(given, {"--dataset": "--data"})
    assert renamed == ["--data", "a", "--data=b", "--data-only", "dataset"]
    assert capsys.readouterr().err.count("warning: --dataset is now called --data") == 2


@pytest.mark.parametrize(
    ("given", "completed", "warns"),
    [
        (["--json", "a.json", "bag"], ["--json", "a.json", "bag"], False),
        (["--json=out", "bag"], ["--json=out", "bag"], False),
        (["--json", "-"], ["--json", "-"], False),
        (["--json", "bag"], ["--json=-", "bag"], True),
        (["--json", "--stride", "4"], ["--json=-", "--stride", "4"], True),
        (["bag", "--json"], ["bag", "--json=-"], True),
        ([], [], False),
    ],
)
def test_json_as_a_switch_still_prints(
    given: list[str], completed: list[str], warns: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert with_json_path(given, has_positionals=True) == completed
    assert ("warning: --json takes a path now" in capsys.readouterr().err) is warns


@pytest.mark.parametrize(
    ("given", "completed"),
    [
        (["--json", "findings"], ["--json", "findings"]),
        (["--json", "-"], ["--json", "-"]),
        (["--json", "--bag", "a"], ["--json=-", "--bag", "a"]),
        (["--bag", "a", "--json"], ["--bag", "a", "--json=-"]),
        (["--json", ""], ["--json=-", ""]),
    ],
)
def test_any_word_is_a_path_where_nothing_else_can_follow(
    given: list[str], completed: list[str]
) -> None:
    assert with_json_path(given, has_positionals=False) == completed
