# SPDX-License-Identifier: Apache-2.0
"""Options of the training commands."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from perception_kit.arguments import bounded_int
from perception_kit.training.options import TrainingOptions, add_options, option


@dataclass(kw_only=True)
class Options(TrainingOptions):
    """Those of a command."""

    default_minutes = 7

    name: str = option(help="of somebody")
    sizes: list[int] = option([3, 2], "of something", type=bounded_int(1), nargs=2)
    config: str | None = None


def parse(*arguments: str) -> Options:
    parser = argparse.ArgumentParser(prog="test")
    add_options(parser, Options)
    required = ["--out", "m.safetensors", "--run-dir", "run", "--name", "a"]
    return Options(**vars(parser.parse_args([*required, *arguments])))


def test_fields_are_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    options = parse()
    assert (options.name, options.sizes, options.resume) == ("a", [3, 2], False)
    options = parse("--resume", "--sizes", "4", "5", "--seed", "3")
    assert (options.sizes, options.resume, options.seed) == ([4, 5], True, 3)
    with pytest.raises(SystemExit):
        parse("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "of something (default 3 2)" in shown
    assert "wall time to train for (default 7, or no limit with --steps)" in shown
    assert "--config" not in shown


def test_the_run_has_a_folder_beside_its_model() -> None:
    parser = argparse.ArgumentParser(prog="test")
    add_options(parser, Options)
    given = parser.parse_args(["--out", "my/pose.safetensors", "--name", "a"])
    assert Options(**vars(given)).run_dir == Path("my/pose.run")
    assert parse().run_dir == Path("run")


@pytest.mark.parametrize(
    ("arguments", "minutes", "steps"),
    [
        ([], 7, None),
        (["--steps", "3"], None, 3),
        (["--max-minutes", "2"], 2, None),
        (["--max-minutes", "2", "--steps", "3"], 2, 3),
    ],
)
def test_time_limits_a_run_unless_steps_do(
    arguments: list[str], minutes: float | None, steps: int | None
) -> None:
    options = parse(*arguments)
    assert (options.max_minutes, options.steps) == (minutes, steps)
    seconds = math.inf if minutes is None else 60 * minutes
    assert options.create_clock().max_seconds == seconds
