# SPDX-License-Identifier: Apache-2.0
"""The parser of the commands, types with helpful errors, and option names of the last release."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import click

from perception_kit.camera_config import INTRINSICS, UNNAMED_ENCODINGS, CameraConfig
from perception_kit.json_output import JSON_TO_STDOUT
from perception_kit.processes import EXIT_BAD_INPUT
from perception_kit.resources import choose_device, resolve_path


class CommandParser(argparse.ArgumentParser):
    """The parser of every command: an error is one line, without the usage, which can be long."""

    def error(self, message: str) -> NoReturn:
        """End the program with exit code 2 and the message."""
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {message}; see --help\n")


def program_name(module: str) -> str:
    """What the help of a command calls it: by the name that it was run with."""
    started = click.get_current_context(silent=True)
    return started.command_path if started else f"python -m {module}"


def model_path(text: str) -> Path:
    """Type of model files: a path, or ``package://assistant_perception/PATH``."""
    if not text:
        raise argparse.ArgumentTypeError("is empty: name a model file")
    try:
        return resolve_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def bounded_int(least: int) -> Callable[[str], int]:
    """Type of integers from ``least`` on."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1

        if value < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {least}, got '{text}'"
            )
        return value

    return parse


def bounded_float(least: float, below: float = math.inf) -> Callable[[str], float]:
    """Type of numbers from ``least`` on and below ``below``."""

    def parse(text: str) -> float:
        value = _number(text)
        if not least <= value < below:
            limit = "" if below == math.inf else f" and below {below:g}"
            raise argparse.ArgumentTypeError(
                f"must be a number of at least {least:g}{limit}, got '{text}'"
            )
        return value

    return parse


def positive_float(text: str) -> float:
    """Type of finite numbers above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got '{text}'")
    return value


def _number(text: str) -> float:
    """The number; NaN, which lies in no range, where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def model_file(text: str) -> Path:
    """Type of the path of a model file to write, in a folder that may not exist yet.

    A path that cannot be written is refused before hours of work, not after them.
    """
    path = Path(text)
    if path.suffix != ".safetensors":
        raise argparse.ArgumentTypeError(
            f"must be a file whose name ends in .safetensors, got '{text}'"
        )
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' is a folder: name a file, in it or beside it")

    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise argparse.ArgumentTypeError(
            f"'{text}' cannot be written: '{above}' is no folder that you may write to"
        )
    return path


def device(text: str) -> str:
    """Type of PyTorch devices; see ``choose_device``."""
    try:
        return choose_device(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_camera_options(parser: argparse.ArgumentParser) -> None:
    """The fields of ``CameraConfig`` as options of a command."""
    parser.add_argument(
        "--depth-scale",
        type=bounded_float(0.0),
        default=0.0,
        help="metres of one unit of the depth images, such as 0.0001 or 0.00025"
        " (default: 16UC1 in millimetres, 32FC1 in metres)",
    )
    parser.add_argument(
        "--intrinsics",
        choices=INTRINSICS,
        default="auto",
        help="matrix of camera_info that the colour images fit: K raw images, P rectified ones"
        " (default: P for topics called image_rect…, else K)",
    )
    parser.add_argument(
        "--color-encoding",
        choices=UNNAMED_ENCODINGS,
        default="",
        help="of colour images whose encoding does not name their channels (8UC3), such as bgr8",
    )


def camera_config(options: argparse.Namespace) -> CameraConfig:
    """What ``add_camera_options`` took from the command line."""
    return CameraConfig(options.depth_scale, options.intrinsics, options.color_encoding)


def with_new_names(arguments: Sequence[str] | None, new_names: Mapping[str, str]) -> list[str]:
    """The command line (None: of this process) with old option names replaced by new ones.

    ``new_names`` maps the names of the previous release to their successors. Each use of an old
    name prints a warning on stderr.
    """
    renamed = []
    for argument in sys.argv[1:] if arguments is None else arguments:
        name, equals, value = argument.partition("=")
        if name in new_names:
            print(f"warning: {name} is now called {new_names[name]}", file=sys.stderr)
            argument = new_names[name] + equals + value
        renamed.append(argument)
    return renamed


def with_json_path(arguments: Sequence[str] | None, has_positionals: bool) -> list[str]:
    """The command line (None: of this process) with a path after every ``--json``.

    In the previous release it was a switch that printed to standard output. Where no path follows,
    it still is one, with a warning on stderr. A path is ``-`` or any word that is no option; where
    the command ``has_positionals``, which may follow a switch, its name ends in .json.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    completed = []
    for argument, following in zip(given, [*given, ""][1:], strict=True):
        is_word = following != "" and not following.startswith("-")
        is_path = following == JSON_TO_STDOUT or (
            following.endswith(".json") if has_positionals else is_word
        )
        if argument == "--json" and not is_path:
            print("warning: --json takes a path now, - for standard output", file=sys.stderr)
            argument = f"--json={JSON_TO_STDOUT}"
        completed.append(argument)
    return completed
