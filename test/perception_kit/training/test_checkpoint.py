# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of the training commands, and the random state in them."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from full_disk import full_disk

from perception_kit.training.checkpoint import RandomState, load_checkpoint, save_checkpoint
from perception_kit.training.run import TrainingError


def test_interrupted_save_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run" / "last.ckpt"
    save_checkpoint(path, {"step": 1, "weights": torch.arange(3)})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, {"step": 2, "weights": torch.arange(3)})
    assert load_checkpoint(path, {})["step"] == 1


def test_a_full_disk_leaves_the_old_checkpoint_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, {"step": 1})
    with full_disk(), pytest.raises(OSError, match=r"last.ckpt' cannot be written \(\[Errno 27\]"):
        save_checkpoint(path, {"step": 2, "weights": torch.zeros(10_000)})
    assert load_checkpoint(path, {})["step"] == 1
    assert [*tmp_path.iterdir()] == [path]


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


def test_checkpoint_of_another_release_is_refused(tmp_path: Path) -> None:
    torch.save({"network": {}, "clock": {"step": 3}}, tmp_path / "last.ckpt")
    with pytest.raises(TrainingError, match=r"last.ckpt' was written by another release: end the"):
        load_checkpoint(tmp_path / "last.ckpt", {})


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(2), 3], ids=["list", "tensor", "number"])
def test_what_no_training_saves_is_named(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "last.ckpt")
    kind = type(content).__name__
    with pytest.raises(TrainingError, match=f"last.ckpt' is no checkpoint: it holds a {kind},"):
        load_checkpoint(tmp_path / "last.ckpt", {})


@pytest.mark.parametrize("identity", [{}, {"--seed": 3}, None], ids=["empty", "other", "none"])
def test_a_checkpoint_that_does_not_say_what_it_is_of_is_refused(
    tmp_path: Path, identity: object
) -> None:
    save_checkpoint(tmp_path / "last.ckpt", {"step": 1, "identity": identity})
    with pytest.raises(TrainingError, match="--batch-size was not recorded, is 8"):
        load_checkpoint(tmp_path / "last.ckpt", {"--batch-size": 8})


def draw() -> tuple[float, float, float]:
    """A number from each of the generators."""
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002


def test_random_state_survives_a_checkpoint(tmp_path: Path) -> None:
    state = RandomState(torch.device("cpu"))
    save_checkpoint(tmp_path / "last.ckpt", {"random": state.state_dict()})
    expected = [draw(), draw()]
    state.load_state_dict(load_checkpoint(tmp_path / "last.ckpt", {})["random"])
    assert [draw(), draw()] == expected
