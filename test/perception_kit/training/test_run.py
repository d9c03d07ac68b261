# SPDX-License-Identifier: Apache-2.0
"""Record, log and messages of the training commands."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from perception_kit.training.clock import TrainingClock
from perception_kit.training.options import TrainingOptions
from perception_kit.training.run import RunLog, TrainingError, check_finite, write_record


def options(folder: Path, **more: Any) -> TrainingOptions:
    return TrainingOptions(out=folder / "m.safetensors", run_dir=folder / "run", **more)


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    one, nan = torch.tensor(1.0), torch.tensor(torch.nan)
    assert check_finite(one, one, 3) == 1.0
    with pytest.raises(TrainingError, match="the loss is nan at step 3: lower --learning-rate"):
        check_finite(nan, one, 3)
    with pytest.raises(TrainingError, match="the gradient's norm is nan at step 3: lower"):
        check_finite(one, nan, 3)


def test_record_says_how_the_model_was_made(tmp_path: Path) -> None:
    clock = TrainingClock(max_minutes=1, steps=5)
    clock.tick()
    path = write_record(
        options(tmp_path, seed=7, accelerator="cpu"), clock, {"frames": 12}, {"map": 0.5}
    )
    record = json.loads(path.read_text())
    assert path.name == "m.safetensors.json"
    assert record["steps"] == 1
    assert record["config"]["seed"] == 7
    assert record["config"]["run_dir"] == str(tmp_path / "run")
    assert record["data"] == {"frames": 12}
    assert record["held_out"] == {"map": 0.5}


@pytest.mark.parametrize(
    ("spec", "program"),
    [
        (None, "perception"),
        (ModuleSpec("perception_kit.cli", None), "python -m perception_kit.cli"),
    ],
)
def test_record_says_the_command_that_can_be_run_again(
    spec: ModuleSpec | None, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    words = ["train", "pose", "--out", "my model.safetensors"]
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/perception", *words])
    path = write_record(options(tmp_path, accelerator="cpu"), TrainingClock(1, 1), {}, {})
    command = json.loads(path.read_text())["command"]
    assert command == f"{program} train pose --out 'my model.safetensors'"


def test_a_resumed_run_forgets_what_comes_again(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(
        '{"step": 20, "loss": 4.0}\n{"step": 40, "loss": 3.0}\n'
        '{"step": 60, "loss": 2.0}\n{"step": 8'
    )
    log = RunLog(tmp_path, 40)
    log.add(60, {"loss": 1.0})
    log.close()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 20, "loss": 4.0},
        {"step": 40, "loss": 3.0},
        {"step": 60, "loss": 1.0},
    ]


@pytest.mark.parametrize("cut", ['{"step": 40', '{"st', "[]", "4", '{"step": null}'])
def test_only_whole_lines_of_the_log_are_kept(tmp_path: Path, cut: str) -> None:
    (tmp_path / "log.jsonl").write_text(f'{{"step": 20}}\n{cut}')
    RunLog(tmp_path, 40).close()
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 20}\n'


def test_tensorboard_keeps_the_step_of_the_checkpoint(tmp_path: Path) -> None:
    for start, steps in ((0, (20, 40, 60)), (40, (60,))):
        log = RunLog(tmp_path, start)
        for step in steps:
            log.add(step, {"loss": float(start)})
        log.close()
    events = EventAccumulator(str(tmp_path)).Reload().Scalars("train/loss")
    assert [(event.step, event.value) for event in events] == [(20, 0), (40, 0), (60, 40)]


def test_a_run_ends_before_its_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path, 0)
    log.add(20, {"loss": 0.5})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(
        OSError, match=f"1000 bytes are left on the disk of '{tmp_path}': make room"
    ):
        log.add(40, {"loss": 0.5})


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(OSError, match=r"run' cannot be written .* name another --run-dir"):
        RunLog(tmp_path / "run", 0)


def test_a_record_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors.json").mkdir()
    with pytest.raises(OSError, match=r"m.safetensors.json' cannot be written"):
        write_record(options(tmp_path, accelerator="cpu"), TrainingClock(max_minutes=1), {}, {})


def test_what_a_run_reports_is_there_for_programs_and_for_tensorboard(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run", 0)
    log.add(20, {"loss": 0.5})
    log.add(40, {"loss": 0.25})
    log.close()
    lines = (tmp_path / "run/log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 20, "loss": 0.5},
        {"step": 40, "loss": 0.25},
    ]
    events = EventAccumulator(str(tmp_path / "run")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [
        (20, 0.5),
        (40, 0.25),
    ]
