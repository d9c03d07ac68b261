# SPDX-License-Identifier: Apache-2.0
"""Trains and compares several runs, as the article on real-time action recognition does.

``python -m actionrec_node.sweep SWEEP.yaml --out DIR``; see ``config/actionrec_sweep.yaml``. With
``--folds N`` each run is cross-validated: trained N times, every subject once held out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from actionrec_node.data.annotations import DataError, read_folders
from actionrec_node.training_options import parse_arguments as parse_training_arguments
from perception_kit.arguments import CommandParser, bounded_int, program_name
from perception_kit.budgets import parse_yaml, regular
from perception_kit.json_output import write_json
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import run_command

MODEL = "model.safetensors"


class SweepError(ValueError):
    """A sweep file that cannot be used, or a run of it that failed; the message names it."""


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("actionrec_node.sweep"), description="Train and compare several runs."
    )
    parser.add_argument("sweep", type=Path, help="YAML file with 'common' and 'runs'")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the runs and their comparison"
    )

    # In place of what the file says.
    parser.add_argument(
        "--data",
        action="append",
        help="data folder of all runs, in place of the file's; may be given several times",
    )
    held_out = parser.add_mutually_exclusive_group()
    held_out.add_argument("--val", help="held-out data folder of all runs, in place of the file's")
    held_out.add_argument(
        "--folds", type=bounded_int(2), help="train every run in so many folds of the subjects"
    )
    parser.add_argument(
        "--apart",
        type=Path,
        action="append",
        default=[],
        help="with --folds: data folder that has a row of its own and is no part of the row 'all',"
        " such as a night; may be given several times",
    )
    args = parser.parse_args(arguments)
    if args.apart and not args.folds:
        parser.error("--apart needs --folds: it says how their scores are put together")
    return args


def read_sweep(path: Path) -> dict[str, dict[str, Any]]:
    """Options of each run by its name: those under ``common``, with those of the run on top.

    Raises SweepError naming the file.
    """
    try:
        content = parse_yaml(regular(path).read_bytes())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SweepError(f"'{path}': {error}") from error

    has_both = isinstance(content, dict) and set(content) == {"common", "runs"}
    if not has_both or not isinstance(content["runs"], dict) or not content["runs"]:
        raise SweepError(
            f"'{path}' must hold 'common', the options of all runs,"
            " and 'runs', the further options of each by its name"
        )

    common = content["common"] or {}
    for name, options in {"common": common, **content["runs"]}.items():
        if not isinstance(options, dict | None):
            raise SweepError(
                f"'{path}': '{name}' must hold options and their values, got {options!r}"
            )
        if "/" in str(name) or str(name) in ("", ".", ".."):
            raise SweepError(f"'{path}': the run '{name}' must have the name of a folder")

    return {str(name): {**common, **(options or {})} for name, options in content["runs"].items()}


def write_config(folder: Path, options: dict[str, Any]) -> None:
    """Write the run's options as ``folder/run.yaml``.

    Raises SweepError where the training command does not take them, which says why on standard
    error, and where the run has begun with others.
    """
    path = folder / "run.yaml"
    outputs = {"out": str(folder / MODEL), "run-dir": str(folder)}
    if chosen := [key for key in options if str(key).replace("_", "-") in outputs]:
        raise SweepError(
            f"run '{folder.name}' has {' and '.join(map(repr, chosen))}, but every run has its"
            " folder in --out: leave that out"
        )
    text = yaml.safe_dump({**options, **outputs}, sort_keys=False)
    if path.is_file() and (folder / "last.ckpt").is_file() and path.read_text() != text:
        raise SweepError(
            f"run '{folder.name}' has begun with other options, see '{path}':"
            " remove its folder, or give the run another name"
        )

    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    try:
        parse_training_arguments(["--config", str(path)])
    except SystemExit as error:
        raise SweepError(
            f"run '{folder.name}' cannot be trained with these options, see above and '{path}'"
        ) from error


def train_run(folder: Path) -> dict[str, Any]:
    """Train one run in ``folder`` unless it is done, from its checkpoint where it has one.

    Returns its record. Raises SweepError.
    """
    record = folder / f"{MODEL}.json"
    if record.is_file():
        return json.loads(record.read_text())

    command = ["-m", "actionrec_node.train", "--config", str(folder / "run.yaml")]
    if (folder / "last.ckpt").is_file():
        command.append("--resume")
    if subprocess.run([sys.executable, *command], check=False).returncode != 0:
        raise SweepError(
            f"run '{folder.name}' failed, see above: mend that and start the sweep again, which"
            " goes on from what is done"
        )
    return json.loads(record.read_text())


def train_folds(folder: Path, count: int, apart: Sequence[Path] = ()) -> dict[str, Any]:
    """Train the folds of one run in ``folder``, and score them together; returns the scores.

    Says them on the terminal, and writes ``folder/scores.json``. Raises SweepError.
    """
    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from actionrec_node.evaluation.cross_validation import ALL, format_folds, score_folds
    from actionrec_node.evaluation.fall_alarm import format_alarm
    from actionrec_node.evaluation.plots import plot_alarm
    from actionrec_node.training_data import split_data

    parts = fold_folders(folder, count)
    for part in parts:
        train_run(part)
    options = [parse_training_arguments(["--config", str(part / "run.yaml")]) for part in parts]
    if unknown := set(apart) - set(options[0].data):
        raise SweepError(f"--apart names {sorted(map(str, unknown))}, which is no data of a run")
    try:
        scores = score_folds(
            [part / MODEL for part in parts],
            [split_data(each, read_folders(each.data))[1] for each in options],
            options[0].data,
            options[0].folder_fps,
            options[0].pictures,
            options[0].skip_bad,
            options[0].group_pattern,
            apart,
        )
    except (DataError, ModelFileError) as error:
        raise SweepError(f"run '{folder.name}': {error}") from error

    write_json(folder / "scores.json", {"rows": scores.rows, "alarm": scores.alarm})
    if scores.alarm["falls"]:
        plot_alarm(folder / "fall_alarm.png", scores.alarm)
    print(f"{folder.name}\n{format_folds(scores.rows)}\n{format_alarm(scores.alarm)}")
    return {"held_out": scores.rows[ALL]}


def fold_folders(folder: Path, count: int) -> list[Path]:
    """Folders of the folds of one run."""
    return [folder / f"fold_{number}" for number in range(1, count + 1)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)

    # Plots, too, take seconds to import.
    from actionrec_node.evaluation.sweep_scores import write_comparison

    data = {name: value for name, value in (("data", args.data), ("val", args.val)) if value}
    try:
        runs = {name: options | data for name, options in read_sweep(args.sweep).items()}

        # All before the first is trained: a mistake in the last must not cost days.
        for name, options in runs.items():
            if args.folds is None:
                write_config(args.out / name, options)
                continue
            for number, part in enumerate(fold_folders(args.out / name, args.folds), start=1):
                write_config(part, options | {"fold": f"{number}/{args.folds}"})

        records = {
            name: train_folds(args.out / name, args.folds, args.apart)
            if args.folds
            else train_run(args.out / name)
            for name in runs
        }
    except (SweepError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    print(write_comparison(args.out, runs, records))
    print(f"wrote {args.out}/comparison.csv and comparison.png")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
