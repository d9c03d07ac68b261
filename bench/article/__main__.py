# SPDX-License-Identifier: Apache-2.0
"""Repeats the experiments of the articles: ``python -m bench.article [PART…] --out DIR …``.

Each part runs commands of this repository, which take hours where they train, and writes its tables
and the commands into its section of docs/article.md. A command that was run to its end is not run
again: the same call goes on after a stop, and a training at its last checkpoint.
"""

from __future__ import annotations

import argparse
import glob
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.article import actions, pose_and_tracking
from bench.article.page import fill_section
from bench.article.steps import FOLDERS, Step
from perception_kit.processes import run_command
from perception_kit.resources import package_folder

PARTS = {**pose_and_tracking.PARTS, **actions.PARTS}
PAGE = package_folder() / "docs/article.md"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.article",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)"
    )
    for name, text in FOLDERS.items():
        parser.add_argument(f"--{name.lower()}", type=Path, help=text)
    parser.add_argument("--out", type=Path, required=True, help="folder for all that is made")
    parser.add_argument("--page", type=Path, default=PAGE, help="(default: docs/article.md)")
    options = parser.parse_args(arguments)

    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}: the parts are {', '.join(PARTS)}")
    options.parts = options.parts or list(PARTS)
    options.folders = {
        name: getattr(options, name.lower())
        for name in FOLDERS
        if any(name in PARTS[part].folders for part in options.parts)
    }
    if missing := [f"--{name.lower()}" for name, path in options.folders.items() if path is None]:
        parser.error(f"{', '.join(options.parts)}: give {' and '.join(missing)}")
    return options


def run_step(step: Step, folders: Mapping[str, Path]) -> None:
    """Run the command of a step, unless it was run before. Raises CalledProcessError."""
    done = folders["OUT"] / "done" / step.name
    if done.exists():
        return
    print(f"./run {step.command}", flush=True)
    words = [_with_folders(word, folders) for word in shlex.split(step.command)]
    command = [str(PAGE.parents[1] / "run"), *(path for word in words for path in _expanded(word))]
    if step.is_training and (folders["OUT"] / f"{step.name}.run").is_dir():
        command.append("--resume")
    subprocess.run(command, check=True)
    done.parent.mkdir(parents=True, exist_ok=True)
    done.touch()


def _with_folders(word: str, folders: Mapping[str, Path]) -> str:
    """``word`` with the folder that its first part names."""
    name, slash, rest = word.partition("/")
    return f"{folders[name]}{slash}{rest}" if name in folders else word


def _expanded(word: str) -> list[str]:
    return sorted(glob.glob(word)) if "*" in word else [word]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; returns the exit code: 0, or that of a command that failed."""
    options = parse_arguments(arguments)
    folders = {**options.folders, "OUT": options.out.absolute()}
    for name in options.parts:
        part = PARTS[name]
        try:
            for step in part.steps:
                run_step(step, folders)
        except subprocess.CalledProcessError as error:
            print(f"{name}: stopped at a command that failed", file=sys.stderr)
            return error.returncode
        commands = [f"./run {step.command}" for step in part.steps]
        fill_section(options.page, name, commands, part.tables(folders["OUT"]))
        for chart, source in part.charts.items():
            pictures = options.page.parent / "pictures"
            pictures.mkdir(exist_ok=True)
            shutil.copyfile(folders["OUT"] / source, pictures / chart)
        print(f"{name}: written into {options.page}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
