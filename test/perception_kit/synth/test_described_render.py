# SPDX-License-Identifier: Apache-2.0
"""What ``perception synth`` says of that which it wrote."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from documented_commands import commands_of

from perception_kit.synth.__main__ import describe_render, main


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("form", ["bag", "bop", "clips", "photographs"])
def test_the_next_command_can_be_copied(form: str, split: str, tmp_path: Path) -> None:
    (*_, last) = describe_render(Path("out/data"), form, split)
    page = tmp_path / "page.md"
    page.write_text(f"```bash\n{last.removeprefix('next: ')}\n```\n")
    (command,) = commands_of(page)
    module = "perception_kit.replay.__main__" if form == "bag" else command.module
    import_module(module).parse_arguments(list(command.arguments))
    assert form == "bag" or ("train" in command.module) == (split == "train")


@pytest.mark.parametrize(("scale", "is_said"), [("0.01", True), ("1", False)])
def test_frames_without_objects_are_counted(
    scale: str, is_said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--format", "bop", "--frames", "2", "--workers", "1", "--scales", scale, scale]
    size = ["--width", "160", "--height", "120"]
    assert main([*command, *size, "--out", str(tmp_path / "data")]) == 0
    line = "2 of 2 frames show no object: give --scales nearer to 1"
    assert (line in capsys.readouterr().out) is is_said
