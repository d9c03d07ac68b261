# SPDX-License-Identifier: Apache-2.0
"""Command line options that may also stand in a YAML file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from perception_kit.arguments import CommandParser, with_new_names
from perception_kit.budgets import parse_yaml, regular
from perception_kit.partial_file import replacing


def parse_with_yaml(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    new_names: Mapping[str, str],
) -> argparse.Namespace:
    """Parse ``arguments`` (None: of this process), with ``--config FILE`` for a YAML file of more.

    Its keys are options without the leading dashes (``batch-size`` or ``batch_size``); an option on
    the command line replaces that of the file. Old names, those in ``new_names``, are replaced with
    a warning in both, as by ``with_new_names``. The parser, which gets the option ``--config``
    here, ends the program with a message that names the file where it is no mapping of known
    options.
    """
    parser.add_argument(
        "--config",
        type=Path,
        help="YAML file of options, used where the command line does not have them",
    )

    given = with_new_names(arguments, new_names)

    # The file first: its options come before those of the command line, which replace them.
    finder = CommandParser(prog=parser.prog, add_help=False)
    finder.add_argument("--config", type=Path)
    path = finder.parse_known_args(given)[0].config
    from_file = [] if path is None else _from_yaml(parser, path, given, new_names)
    return parser.parse_args([*from_file, *given])


def _from_yaml(
    parser: argparse.ArgumentParser,
    path: Path,
    given: Sequence[str],
    new_names: Mapping[str, str],
) -> list[str]:
    """The options of the file that are not ``given``, as command line arguments."""
    try:
        content = parse_yaml(regular(path).read_bytes())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        parser.error(f"--config '{path}': {error}")
    if not isinstance(content, dict):
        parser.error(f"--config '{path}' must hold options and their values, got {content!r}")

    known = {option: action for action in parser._actions for option in action.option_strings}
    arguments: list[str] = []
    for key, value in content.items():
        [option] = with_new_names([f"--{str(key).replace('_', '-')}"], new_names)
        if option not in known:
            parser.error(f"--config '{path}': unknown option '{key}'")
        is_given = any(text == option or text.startswith(f"{option}=") for text in given)
        if not is_given:
            arguments += _as_arguments(option, known[option], value)
    return arguments


def _as_arguments(option: str, action: argparse.Action, value: Any) -> list[str]:
    """The command line of one option: a switch, an option of several values, or a repeated one."""
    if value is None or value is False:
        return []
    if value is True:
        return [option]

    values = [str(entry) for entry in (value if isinstance(value, list) else [value])]
    if action.nargs is not None:
        return [option, *values]
    return [text for entry in values for text in (option, entry)]


def save_options(path: Path, options: argparse.Namespace) -> None:
    """Write all options as a file for ``--config``. Raises OSError with what to do."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(entry) for entry in value]
        return str(value) if isinstance(value, Path) else value

    content = {
        key.replace("_", "-"): plain(value)
        for key, value in vars(options).items()
        if key not in ("config", "resume")
    }
    with replacing(path) as partial:
        partial.write_text(yaml.safe_dump(content, sort_keys=False))
