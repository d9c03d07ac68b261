# SPDX-License-Identifier: Apache-2.0
"""Checkpoints and record of the training commands."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from perception_kit.training import run as training
from perception_kit.training.clock import TrainingClock
from perception_kit.training.run import (
    RunLog,
    TrainingError,
    check_finite,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)


def test_interrupted_save_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run" / "last.ckpt"
    save_checkpoint(path, {"step": 1, "weights": torch.arange(3)})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, {"step": 2, "weights": torch.arange(3)})
    assert load_checkpoint(path, {})["step"] == 1


def test_missing_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="leave --resume out"):
        load_checkpoint(tmp_path / "last.ckpt", {})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no checkpoint"])
def test_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"last.ckpt' is no checkpoint"):
        load_checkpoint(tmp_path / "last.ckpt", {})


def test_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.ckpt", {"step": 1, "identity": {"class names": ["mug"]}})
    assert load_checkpoint(tmp_path / "last.ckpt", {"class names": ["mug"]})["step"] == 1
    with pytest.raises(TrainingError, match=r"class names was \['mug'\], is \['cup'\]"):
        load_checkpoint(tmp_path / "last.ckpt", {"class names": ["cup"]})


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    check_finite(torch.tensor(1.0), 3)
    with pytest.raises(TrainingError, match="the loss is nan at step 3: lower --learning-rate"):
        check_finite(torch.tensor(torch.nan), 3)


def test_random_state_survives_a_checkpoint(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    torch.manual_seed(3)
    save_checkpoint(tmp_path / "last.ckpt", random_state(generator))
    expected = generator.random(4), torch.rand(4)
    other = np.random.default_rng(99)
    restore_random_state(load_checkpoint(tmp_path / "last.ckpt", {}), other)
    np.testing.assert_array_equal(other.random(4), expected[0])
    assert torch.equal(torch.rand(4), expected[1])


def test_record_says_how_the_model_was_made(tmp_path: Path) -> None:
    clock = TrainingClock(max_minutes=1, steps=5)
    clock.tick()
    args = argparse.Namespace(out=tmp_path / "m.safetensors", seed=7, accelerator="cpu")
    path = training.write_record(args.out, args, clock, {"frames": 12}, {"map": 0.5})
    record = json.loads(path.read_text())
    assert path.name == "m.safetensors.json"
    assert record["steps"] == 1
    assert record["config"]["seed"] == 7
    assert record["data"] == {"frames": 12}
    assert record["held_out"] == {"map": 0.5}


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
