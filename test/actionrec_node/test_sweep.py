# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from actionrec_node import sweep, train
from actionrec_node.networks.action_model import ActionModel, save_action_model
from actionrec_node.networks.action_model_spec import new_spec
from perception_kit.resources import package_folder

SWEEP = """
common: {optimizer: sgd, epochs: 3, data: [a]}
runs:
  T1: {balance: none, lr-steps: [1, 2]}
  T2: {balance: weights}
"""


def _record(f1: float | None) -> str:
    scores = {
        name: {"precision": 0.5, "recall": 0.25, "f1": f1, "support": 4}
        for name in ("falling", "walking")
    }
    return json.dumps({"held_out": {"per_class": scores}})


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have trained; each leaves a record."""
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> SimpleNamespace:
        commands.append(command[1:])
        options = yaml.safe_load(Path(command[command.index("--config") + 1]).read_text())
        Path(options["out"] + ".json").write_text(
            _record(0.75 if options["balance"] == "none" else None)
        )
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_every_run_is_trained_once_and_compared(
    tmp_path: Path, trained: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "out" / "T2").mkdir(parents=True)
    (tmp_path / "out" / "T2" / "last.ckpt").touch()
    paths = [str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out")]
    arguments = [*paths, "--data", "b", "--val", "c"]
    assert sweep.main(arguments) == 0
    configs = [str(tmp_path / "out" / name / "run.yaml") for name in ("T1", "T2")]
    command = ["-m", "actionrec_node.train", "--config"]
    assert trained == [[*command, configs[0]], [*command, configs[1], "--resume"]]
    data = [yaml.safe_load(Path(config).read_text())["data"] for config in configs]
    assert data == [["b"], ["b"]], "in place of the file's"

    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").open()))
    assert [(row["run"], row["balance"], row["lr-steps"]) for row in rows] == [
        ("T1", "none", "[1, 2]"),
        ("T2", "weights", ""),
    ]
    assert [(row["falling precision"], row["walking f1"]) for row in rows] == [
        ("0.500", "0.750"),
        ("0.500", ""),
    ]
    assert "epochs" not in rows[0], "only what differs"
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 1000
    assert "T1   none     [1, 2]" in capsys.readouterr().out

    assert sweep.main(arguments) == 0
    assert len(trained) == 2, "runs that are done are not trained again"


def test_folds_are_trained_and_scored_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write_video: Callable[..., Path],
) -> None:
    for number, name in enumerate(("falling", "walking") * 2):
        write_video(f"data/{name}/{number}.mkv", np.arange(24) / 15, speed=0.0)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    folds = []

    def run(command: list[str], check: bool) -> SimpleNamespace:
        options = yaml.safe_load(Path(command[command.index("--config") + 1]).read_text())
        folds.append(options["fold"])
        spec = new_spec("resnext3d_compact", ("falling", "walking"), input_size=(16, 16))
        save_action_model(Path(options["out"]), ActionModel(spec))
        Path(options["out"] + ".json").write_text("{}")
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    out = tmp_path / "out"
    paths = [str(tmp_path / "sweep.yaml"), "--out", str(out), "--data", str(tmp_path / "data")]
    assert sweep.main([*paths, "--folds", "2"]) == 0
    assert folds == ["1/2", "2/2"] * 2
    scores = json.loads((out / "T1" / "scores.json").read_text())
    assert set(scores["rows"]) == {"data", "all"}
    assert scores["rows"]["all"]["clips"] == 4, "every video once"
    assert scores["rows"]["all"]["groups"] == {"falling": 2, "walking": 2}
    assert "fall alarm: 2 falls" in capsys.readouterr().out


def test_a_folder_apart_has_a_row_and_is_no_part_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_video: Callable[..., Path]
) -> None:
    for folder in ("day/clips", "night/clips"):
        for number, name in enumerate(("falling", "walking") * 2):
            write_video(f"{folder}/{name}/{number}.mkv", np.arange(24) / 15, speed=0.0)
    (tmp_path / "sweep.yaml").write_text(SWEEP)

    def run(command: list[str], check: bool) -> SimpleNamespace:
        options = yaml.safe_load(Path(command[command.index("--config") + 1]).read_text())
        spec = new_spec("resnext3d_compact", ("falling", "walking"), input_size=(16, 16))
        save_action_model(Path(options["out"]), ActionModel(spec))
        Path(options["out"] + ".json").write_text("{}")
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    day, night = (str(tmp_path / name / "clips") for name in ("day", "night"))
    out = tmp_path / "out"
    paths = [str(tmp_path / "sweep.yaml"), "--out", str(out), "--data", day, "--data", night]
    assert sweep.main([*paths, "--folds", "2", "--apart", night]) == 0
    rows = json.loads((out / "T1" / "scores.json").read_text())["rows"]
    assert {name: row["clips"] for name, row in rows.items()} == {day: 4, night: 4, "all": 4}

    assert sweep.main([*paths, "--folds", "2", "--apart", str(tmp_path / "dusk")]) == 2
    with pytest.raises(SystemExit):
        sweep.main([*paths, "--apart", night])


def test_a_run_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    monkeypatch.setattr(subprocess, "run", lambda command, check: SimpleNamespace(returncode=1))
    arguments = [str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out"), "--val", "c"]
    assert sweep.main(arguments) == 2
    assert "run 'T1' failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("balanse: weights", "T2/run.yaml': unknown option 'balanse'"),
        ("out: m.safetensors", "run 'T2' has 'out', but every run has its folder in --out"),
        ("run_dir: runs", "run 'T2' has 'run_dir', but every run has"),
        ("balance: lots", "argument --balance: invalid choice: 'lots'"),
    ],
)
def test_a_mistake_in_the_last_run_is_found_before_the_first_is_trained(
    tmp_path: Path,
    trained: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    mistake: str,
    message: str,
) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("balance: weights", mistake))
    arguments = [str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out"), "--val", "c"]
    assert sweep.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "error: run 'T2' " in error
    assert trained == []


def test_a_run_that_has_begun_with_other_options_is_not_taken_for_this_one(
    tmp_path: Path, trained: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    arguments = [str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out"), "--val", "c"]
    assert sweep.main(arguments) == 0
    (tmp_path / "out" / "T2" / "last.ckpt").touch()
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("balance: weights", "balance: sampling"))
    assert sweep.main(arguments) == 2
    assert "run 'T2' has begun with other options" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "common: [a]\nruns: {a: {}}",
        "common: {}\nruns: {a: 3}",
        "common: {}\nruns: {a/b: {}}",
        "common: {}\nruns: {..: {}}",
        "common: {}",
        "common: {}\nruns: {}",
        "common: {}\nruns: [a]",
    ],
)
def test_a_file_that_is_no_sweep_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    assert sweep.main([str(tmp_path / "odd.yaml"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "odd.yaml'" in error
    assert error.count("\n") == 1


def test_the_runs_of_the_article_are_options_of_the_training_command(tmp_path: Path) -> None:
    runs = sweep.read_sweep(package_folder() / "config" / "actionrec_sweep.yaml")
    parsed = {}
    for name, options in runs.items():
        config = tmp_path / f"{name}.yaml"
        config.write_text(yaml.safe_dump({**options, "out": "m.safetensors", "run-dir": "run"}))
        parsed[name] = train.parse_arguments(["--config", str(config), "--data", "a", "--val", "b"])
    assert {args.balance for args in parsed.values()} == {"none", "weights"}
    assert {args.augmentation for args in parsed.values()} == {"none", "one", "some", "all"}
    assert all(
        (args.optimizer, args.learning_rate, args.label_smoothing) == ("sgd", 0.01, 0.0)
        for args in parsed.values()
    )
    assert len(parsed["T1"].lr_steps) > len(parsed["T8"].lr_steps)
    assert (parsed["T7"].augmentation, parsed["T8"].augmentation) == ("none", "some")
