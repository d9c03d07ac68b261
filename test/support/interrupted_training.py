# SPDX-License-Identifier: Apache-2.0
"""Trains with and without interruption, and compares what comes out of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

STEPS = 6

# Runs a training command that writes a checkpoint after each step, and kills itself, as the kernel
# would, when it is to write that of step LAST: before it, or in the middle of it.
KILLED_COMMAND = """
import os, signal, sys
from importlib import import_module
from perception_kit.training import checkpoint
from perception_kit.training.clock import TrainingClock

moment, last, module, *arguments = sys.argv[1:]
save = checkpoint.save_checkpoint

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def save_or_die(path, state):
    if state["clock"]["step"] == int(last):
        if moment == "before":
            die()
        os.fsync = die
    save(path, state)

TrainingClock.checkpoint_due = lambda clock: True
checkpoint.save_checkpoint = save_or_die
import_module(module).main(arguments)
"""


def assert_resume_is_exact(
    monkeypatch: pytest.MonkeyPatch, module: str, arguments: Sequence[str], folder: Path
) -> None:
    """A training of ``STEPS`` steps that is killed twice ends with the weights of one that is not.

    ``arguments`` are those of the training command ``module``, without limits, unless ``--epochs``
    are as many steps, and without outputs, which go to ``folder``.
    """
    limits = [] if "--epochs" in arguments else ["--steps", str(STEPS)]
    whole = [*arguments, *limits, *_outputs(folder / "whole")]
    killed = [*arguments, *limits, *_outputs(folder / "killed")]

    # sums in the same order in all processes, whatever earlier tests did to the number of threads
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert import_module(module).main(whole) == 0
        _train_until_killed("before", 3, module, killed)
        assert _step_of_checkpoint(folder / "killed") == 2
        _train_until_killed("within", 5, module, [*killed, "--resume"])
        assert _step_of_checkpoint(folder / "killed") == 4
        assert import_module(module).main([*killed, "--resume"]) == 0
    finally:
        torch.set_num_threads(threads)

    expected, actual = (load_file(folder / run / "m.safetensors") for run in ("whole", "killed"))
    assert expected.keys() == actual.keys()
    different = [name for name in expected if not torch.equal(expected[name], actual[name])]
    assert different == []


def _outputs(folder: Path) -> list[str]:
    model = str(folder / "m.safetensors")
    return ["--accelerator", "cpu", "--out", model, "--run-dir", str(folder)]


def _train_until_killed(moment: str, last: int, module: str, arguments: list[str]) -> None:
    command = [sys.executable, "-c", KILLED_COMMAND, moment, str(last), module, *arguments]
    assert subprocess.run(command, timeout=600).returncode == -signal.SIGKILL


def _step_of_checkpoint(run_dir: Path) -> int:
    return torch.load(run_dir / "last.ckpt", weights_only=True)["clock"]["step"]
