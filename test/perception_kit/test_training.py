# SPDX-License-Identifier: Apache-2.0
"""Time budget, checkpoints and record of the training commands."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from perception_kit import training
from perception_kit.training import (
    RunLog,
    TrainingClock,
    TrainingError,
    check_finite,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
    warmup_cosine,
)


class FakeTime:
    """Stands in for time.monotonic."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    clock = FakeTime()
    monkeypatch.setattr(training.time, "monotonic", clock)
    return clock


def test_progress_follows_whichever_limit_is_nearer(fake_time: FakeTime) -> None:
    clock = TrainingClock(max_minutes=10, steps=100)
    for _ in range(30):
        clock.tick()
    fake_time.now += 60
    assert clock.progress == pytest.approx(0.3)
    fake_time.now += 300
    assert clock.progress == pytest.approx(0.6)
    assert not clock.finished
    fake_time.now += 240
    assert clock.finished


def test_resumed_clock_leaves_out_the_pause(fake_time: FakeTime) -> None:
    first = TrainingClock(max_minutes=10)
    first.tick()
    fake_time.now += 120
    state = first.state_dict()
    fake_time.now += 9999
    second = TrainingClock(max_minutes=10)
    second.load_state_dict(state)
    fake_time.now += 60
    assert second.step == 1
    assert second.elapsed_seconds == pytest.approx(180)


def test_checkpoint_is_due_once_per_interval(fake_time: FakeTime) -> None:
    clock = TrainingClock(max_minutes=100, checkpoint_seconds=120)
    due = []
    for _ in range(5):
        fake_time.now += 60
        due.append(clock.checkpoint_due())
    assert due == [False, True, False, True, False]


@pytest.mark.parametrize(("minutes", "steps"), [(0, None), (-1, 10), (5, 0)])
def test_limits_must_be_positive(minutes: float, steps: int | None) -> None:
    with pytest.raises(ValueError, match="positive limits"):
        TrainingClock(minutes, steps)


@pytest.mark.parametrize(("progress", "step", "expected"), [(0.0, 0, 0.1), (0.0, 9, 1.0), (0.5, 500, 0.505), (1.0, 1000, 0.01)])
def test_warmup_cosine(progress: float, step: int, expected: float) -> None:
    assert warmup_cosine(progress, step, warmup_steps=10) == pytest.approx(expected)


def test_interrupted_save_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert [json.loads(line) for line in lines] == [{"step": 20, "loss": 0.5}, {"step": 40, "loss": 0.25}]
    events = EventAccumulator(str(tmp_path / "run")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(20, 0.5), (40, 0.25)]
