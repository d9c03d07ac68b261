# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from actionrec_node.config_file import parse_with_yaml, save_options

NEW_NAMES = {"--clips": "--batch-size"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="test")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--lr-steps", type=int, nargs="*", default=[])
    parser.add_argument("--mode", choices=["one", "all"], default="one")
    parser.add_argument("--resume", action="store_true")
    return parser


def _parse(tmp_path: Path, text: str, *arguments: str) -> argparse.Namespace:
    path = tmp_path / "options.yaml"
    path.write_text(text)
    return parse_with_yaml(_parser(), ["--config", str(path), *arguments], NEW_NAMES)


def test_options_of_the_file_and_of_the_command_line(tmp_path: Path) -> None:
    text = "data: [a, b]\nbatch_size: 8\nlr-steps: [3, 5]\nmode: all\nresume: true\n"
    args = _parse(tmp_path, text, "--batch-size", "2")
    assert args.data == [Path("a"), Path("b")]
    assert (args.batch_size, args.lr_steps, args.mode, args.resume) == (2, [3, 5], "all", True)
    assert _parse(tmp_path, text, "--data=c").data == [Path("c")], (
        "the command line replaces, it does not add"
    )


def test_saved_options_are_read_back(tmp_path: Path) -> None:
    args = _parse(tmp_path, "data: a\nlr-steps: [3]\n")
    save_options(tmp_path / "saved" / "config.yaml", args)
    again = parse_with_yaml(_parser(), ["--config", str(tmp_path / "saved" / "config.yaml")], {})
    assert {**vars(again), "config": None} == {**vars(args), "config": None}


@pytest.mark.parametrize("command_line", [[], ["--batch-size", "2"]])
def test_an_old_name_is_warned_of_in_the_file_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command_line: list[str]
) -> None:
    args = _parse(tmp_path, "data: a\nclips: 3\n", *command_line)
    assert args.batch_size == (2 if command_line else 3)
    assert capsys.readouterr().err == "warning: --clips is now called --batch-size\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: a\nbatch: 3\n", "options.yaml': unknown option 'batch'"),
        ("data: a\nbatch-size: many\n", "argument --batch-size: invalid int value: 'many'"),
        ("data: a\nmode: none\n", "argument --mode: invalid choice"),
        ("- a\n", "options.yaml' must hold options and their values"),
        ("{", "options.yaml':"),
        ("mode: all\n", "required: --data"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    with pytest.raises(SystemExit):
        _parse(tmp_path, text)
    assert message in capsys.readouterr().err
