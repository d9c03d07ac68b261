# SPDX-License-Identifier: Apache-2.0
"""The command lines of the documentation are understood by the commands."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest
from documented_commands import DocumentedCommand, commands_of
from python_imports import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "models").rglob("*.md"),
    ]
)
COMMANDS = [(page, command) for page in PAGES for command in commands_of(page)]
OURS = ("perception_kit", "pose6d_node", "tracker_node", "actionrec_node", "video_search", "bench")


def module_of(command: DocumentedCommand) -> ModuleType | None:
    """Where the command parses its options; None where it is not of this project."""
    if command.module.partition(".")[0] not in OURS:
        return None
    package = find_spec(command.module)
    assert package is not None, f"there is no module {command.module}: {command.line}"
    is_package = package.submodule_search_locations is not None
    return import_module(f"{command.module}.__main__" if is_package else command.module)


class FoundParser(Exception):
    """Carries the parser of a command out of it."""


def options_of(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of all options of a command."""

    def stop(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        raise FoundParser(parser)

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        parse = getattr(module, "parse_arguments", None) or module.main
        with pytest.raises(FoundParser) as found:
            parse([])
    return set(found.value.args[0]._option_string_actions)


def test_there_are_commands_to_look_at() -> None:
    assert len([command for _, command in COMMANDS if command.complete]) > 80


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "-".join(page.relative_to(ROOT).parts))
def test_every_option_exists(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = [
        (sorted(missing), command.line)
        for command in commands_of(page)
        if command.options and (module := module_of(command)) is not None
        if (missing := command.options - options_of(module, monkeypatch))
    ]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "-".join(page.relative_to(ROOT).parts))
def test_every_command_line_is_accepted(
    page: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = []
    for command in commands_of(page):
        module = module_of(command) if command.complete else None
        if not hasattr(module, "parse_arguments"):
            continue
        try:
            module.parse_arguments(list(command.arguments))
        except SystemExit:
            refused.append((command.line, capsys.readouterr().err.splitlines()[-1]))
    assert refused == []
