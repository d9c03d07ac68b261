# SPDX-License-Identifier: Apache-2.0
"""The command ``perception``: names, help without heavy imports, errors of one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from click.testing import CliRunner, Result
from python_imports import PACKAGES, loaded_by, sources

from perception_kit import cli
from perception_kit.arguments import program_name
from perception_kit.resources import package_version

# Commands that others start: the nodes, and the settings of trainers.
NOT_FOR_PEOPLE = {
    *(f"perception_kit.ros.{name}_node" for name in ("scene", "fusion")),
    *(f"{name}.node" for name in PACKAGES),
}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.create_cli(), arguments, prog_name="perception")


def entries(commands: cli.Entries, prefix: str = "") -> Iterator[tuple[str, cli.Entry]]:
    for name, entry in commands.items():
        if isinstance(entry, cli.Entry):
            yield f"{prefix}{name}", entry
        else:
            yield from entries(entry, f"{prefix}{name} ")


ENTRIES = dict(entries(cli.COMMANDS))


def test_every_command_of_the_packages_has_a_name() -> None:
    runnable = {
        name
        for package in PACKAGES
        for name, path in sources(package).items()
        if 'if __name__ == "__main__":\n    sys.exit(run_command(main))' in path.read_text()
    }
    assert {entry.module for entry in ENTRIES.values()} == runnable - NOT_FOR_PEOPLE


@pytest.mark.parametrize("name", ENTRIES)
def test_a_command_is_there(name: str) -> None:
    spec = find_spec(ENTRIES[name].module)
    assert spec is not None
    assert spec.origin is not None


def test_help_loads_nothing_heavy() -> None:
    statement = (
        "from perception_kit.cli import create_cli\n"
        "try: create_cli()(['train', '--help'])\n"
        "except SystemExit: pass"
    )
    heavy = {"torch", "numpy", "cv2", "rclpy", "open3d", "rich"}
    assert not loaded_by(statement, sys.executable) & heavy


def test_help_names_the_commands_and_their_groups() -> None:
    shown = invoke("--help").output
    assert all(f"  {name.split()[0]} " in shown for name in ENTRIES)
    assert "mot" in invoke("track", "--help").output
    assert invoke("--version").output == f"perception {package_version()}\n"


def test_arguments_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[list[str]] = []
    monkeypatch.setattr("perception_kit.average.main", lambda given: received.append(given) or 3)
    arguments = ["a.safetensors", "--out", "b", "--help", "--", "-x"]
    assert invoke("average", *arguments).exit_code == 3
    assert received == [arguments]


def test_a_commands_help_shows_the_name_that_it_was_called_by() -> None:
    command = [sys.executable, "-m", "perception_kit.cli", "track", "mot", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("usage: perception track mot ")


def test_an_error_of_an_option_is_one_line() -> None:
    command = [sys.executable, "-m", "perception_kit.cli", "track", "mot", "--detections"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "perception track mot: error: argument --detections: expected one argument; see --help\n"
    )


def test_no_command_has_a_parser_of_another_kind() -> None:
    others = [
        name
        for name, path in sources(*PACKAGES).items()
        if not name.startswith("perception_kit.ros.")  # nodes, whose options are those of ROS
        if "argparse.ArgumentParser(" in path.read_text()
    ]
    assert others == []


def test_a_command_can_be_started_again_by_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Lightning does for each further device, and the record of a model says."""
    started = ["/somewhere/bin/perception", "average", "--out", "b"]
    seen: list[list[str]] = []
    monkeypatch.setattr("perception_kit.average.main", lambda _: seen.append([*sys.argv]) or 0)
    monkeypatch.setattr(sys, "argv", [*started])
    invoke(*started[1:])
    assert seen == [started]


def test_a_module_keeps_its_name() -> None:
    assert program_name("tracker_node.mot") == "python -m tracker_node.mot"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["replya"], "there is no command 'replya': did you mean 'replay'?"),
        (["zzz"], "there is no command 'zzz': see 'perception --help'"),
        (["train", "poses"], "there is no command 'poses': did you mean 'pose'?"),
    ],
)
def test_a_wrong_name_is_answered_with_a_hint(arguments: list[str], hint: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"Error: {hint}"


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("lightning.fabric", 'pip install "assistant-perception[train]"'),
        ("rerun", 'pip install "assistant-perception[view]"'),
        ("rclpy.node", "run 'make setup', or source the workspace"),
        ("sensor_msgs", "run 'make setup', or source the workspace"),
        ("yaml", "install this package's dependencies with pip"),
    ],
)
def test_a_missing_module_says_how_to_get_it(module: str, hint: str) -> None:
    assert hint in cli.missing_module(module)


def test_a_missing_module_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(arguments: list[str]) -> int:
        raise ModuleNotFoundError("No module named 'rerun'", name="rerun")

    monkeypatch.setattr("perception_kit.average.main", main)
    result = invoke("average")
    assert result.exit_code == 2
    hint = 'rerun is not installed: pip install "assistant-perception[view]"'
    assert result.stderr == f"perception average: {hint}\n"
