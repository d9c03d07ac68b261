# SPDX-License-Identifier: Apache-2.0
"""The training loop on a network of one layer; the training commands test it on theirs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from full_disk import full_disk
from torch import Tensor, nn

from perception_kit.training import loop as training_loop
from perception_kit.training.loop import StepResult, Trainer, TrainingLoop, moving_average
from perception_kit.training.options import TrainingOptions
from perception_kit.training.run import TrainingError, create_fabric


class LineTrainer(Trainer[nn.Linear, Tensor]):
    """Fits a line to noise."""

    def __init__(self, options: TrainingOptions, outputs: int, learning_rate: float) -> None:
        self.fabric = create_fabric(options)
        self.network, self.learning_rate = nn.Linear(3, outputs), learning_rate
        _, self.optimizer = self.fabric.setup(
            self.network, torch.optim.AdamW(self.network.parameters(), lr=learning_rate)
        )
        self.identity = {"--weights": []}

    def batches(self, first_step: int) -> Iterator[Tensor]:
        while True:
            yield torch.rand(2, 3)

    def step(self, batch: Tensor, progress: float) -> StepResult:
        return {"loss": self.network(batch).square().mean()}, {}

    def validate(self, network: nn.Linear) -> dict[str, Any]:
        return {}


def train(
    folder: Path, outputs: int = 1, learning_rate: float = 0.1, **changes: Any
) -> dict[str, Tensor]:
    """The averaged weights of a run, of one step where ``changes`` do not say otherwise."""
    given: dict[str, Any] = {"steps": 1, "accelerator": "cpu", "batch_size": 2} | changes
    options = TrainingOptions(out=folder / "m.safetensors", run_dir=folder, **given)
    trainer = LineTrainer(options, outputs, learning_rate)
    return TrainingLoop(trainer, options, options.create_clock()).run().state_dict()


@pytest.mark.parametrize(("updates", "expected"), [(1, 9 / 11), (10**6, 0.002)])
def test_moving_average_forgets_the_start_at_once(updates: int, expected: float) -> None:
    average, now = torch.zeros(2), torch.ones(2)
    moving_average(0.998)([average], [now], torch.tensor(updates))
    torch.testing.assert_close(average, torch.full((2,), expected))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"seed": 5}, "--seed was 0, is 5"), ({"batch_size": 4}, "--batch-size was 2, is 4")],
)
def test_a_run_is_not_resumed_on_other_samples(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    train(tmp_path)
    with pytest.raises(TrainingError, match=message):
        train(tmp_path, steps=2, resume=True, **change)


def test_a_run_is_resumed_with_another_learning_rate(tmp_path: Path) -> None:
    before = train(tmp_path)
    after = train(tmp_path, steps=2, resume=True, learning_rate=0.01)
    assert not torch.equal(before["weight"], after["weight"])


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(
        TrainingError,
        match=r"last.ckpt' does not fit this training, its part 'model' cannot be restored"
        r" \(RuntimeError: .*size mismatch.*\): give the options that",
    ):
        train(tmp_path, outputs=2, resume=True)


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("optimizer", {"state": {}, "param_groups": []}),
        ("clock", {"step": "many", "elapsed_seconds": 0.0}),
        ("average", {}),
        ("random", {}),
        ("random", None),
        ("trainer", ...),
    ],
)
def test_a_checkpoint_with_a_part_that_does_not_fit_is_refused(
    tmp_path: Path, part: str, content: object
) -> None:
    train(tmp_path)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    if content is ...:
        del state[part]
    else:
        state[part] = content
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(TrainingError, match=f"its part '{part}' cannot be restored"):
        train(tmp_path, resume=True)


def test_the_log_of_a_resumed_run_has_each_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_loop, "LOG_EVERY", 1)
    train(tmp_path, steps=3)
    checkpoint = (tmp_path / "last.ckpt").read_bytes()
    train(tmp_path, steps=5, resume=True)
    # As after a kill: the checkpoint is older than the log.
    (tmp_path / "last.ckpt").write_bytes(checkpoint)
    train(tmp_path, steps=5, resume=True)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_resumed_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, sent: signal.Signals
) -> None:
    whole = train(tmp_path / "whole", steps=4)
    monkeypatch.setattr(training_loop, "LOG_EVERY", 1)
    with monkeypatch.context() as interrupting:
        add = training_loop.RunLog.add

        def interrupt(log: training_loop.RunLog, step: int, values: dict[str, float]) -> None:
            add(log, step, values)
            if step == 2:
                signal.raise_signal(sent)

        interrupting.setattr(training_loop.RunLog, "add", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", steps=4)
    assert "stopped after step 2: --resume goes on from there" in capsys.readouterr().err
    parts = train(tmp_path / "parts", steps=4, resume=True)
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor)


def test_a_full_disk_ends_the_run_and_leaves_its_checkpoint(tmp_path: Path) -> None:
    train(tmp_path)
    checkpoint = (tmp_path / "last.ckpt").read_bytes()
    with full_disk(room=1024), pytest.raises(OSError, match=r"last.ckpt' cannot be written"):
        train(tmp_path, steps=2, resume=True)
    assert (tmp_path / "last.ckpt").read_bytes() == checkpoint
    assert not [*tmp_path.glob("*.partial")]
