# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that survive a kill, and the random state that makes a resumed run exact."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perception_kit.partial_file import replacing
from perception_kit.training.run import TrainingError

CHECKPOINT_FORMAT = 3  # until format 2, the identity had neither seed nor batch size


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` so that a kill at any time leaves either the old or the new file whole.

    Raises OSError with what to do where the file cannot be written.
    """
    with replacing(path, RuntimeError) as partial, partial.open("wb") as file:
        torch.save({"format": CHECKPOINT_FORMAT, **state}, file)


def load_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """State, on the CPU, that ``save_checkpoint`` wrote.

    ``identity`` says what the run trains, which must be what the checkpoint has under that key.
    Raises TrainingError with what to do where there is no checkpoint, or it is damaged, of another
    release or of another run.
    """
    if not path.is_file():
        raise TrainingError(
            f"--resume: there is no checkpoint '{path}'; leave --resume out to start a new run"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what the unpickler raises depends on where the file is damaged
        raise TrainingError(
            f"--resume: '{path}' is no checkpoint ({error}); leave --resume out to start a new run"
        ) from error

    if not isinstance(state, dict):
        raise TrainingError(
            f"--resume: '{path}' is no checkpoint: it holds a {type(state).__name__}, not what a"
            " training saves; leave --resume out to start a new run"
        )
    if state.get("format") != CHECKPOINT_FORMAT:
        raise TrainingError(
            f"--resume: '{path}' was written by another release: end the run with that release, or"
            " start a new run in another --run-dir"
        )
    earlier = state.get("identity") or {}
    changed = [
        f"{name} was {earlier.get(name, 'not recorded')}, is {value}"
        for name, value in identity.items()
        if name not in earlier or earlier[name] != value
    ]
    if changed:
        raise TrainingError(
            f"--resume: '{path}' is of another run ({'; '.join(changed)}): give the data and"
            " options that it was started with, or start a new run in another --run-dir"
        )
    return state


class RandomState:
    """The random generators that a training on ``device`` draws from, as a part of a checkpoint.

    Processes that train together draw alike: the state of one is that of all.
    """

    def __init__(self, device: torch.device) -> None:
        self._gpu = device if device.type == "cuda" else None

    def state_dict(self) -> dict[str, Any]:
        """State of the generators of Python, NumPy, PyTorch and the GPU, if that is used."""
        numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 (libraries draw from it)
        words = numpy_state["state"]["key"].tolist()  # a checkpoint holds no arrays
        return {
            "python": random.getstate(),
            "numpy": {**numpy_state, "state": {**numpy_state["state"], "key": words}},
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self._gpu) if self._gpu else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo ``state_dict``; a GPU's generator stays as it is after a run without one."""
        random.setstate(state["python"])
        np.random.set_state(state["numpy"])  # noqa: NPY002 (libraries draw from it)
        torch.set_rng_state(state["torch"])
        if self._gpu and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self._gpu)
