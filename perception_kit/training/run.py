# SPDX-License-Identifier: Apache-2.0
"""What the training commands share: arguments, checkpoints that survive a kill, and the record kept
beside each model.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from perception_kit.arguments import bounded_int, model_file, positive_float
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.training.clock import TrainingClock


class TrainingError(ValueError):
    """A run that cannot start, or go on, as it was asked for; the message says why and what to do."""


def add_training_arguments(
    parser: argparse.ArgumentParser, max_minutes: float, batch_size: int
) -> None:
    """The arguments that every training command has, with this command's defaults."""
    parser.add_argument(
        "--out",
        type=model_file,
        required=True,
        help="model file to write (.safetensors); its record goes to OUT.json",
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        required=True,
        help="folder for last.ckpt, log.jsonl and TensorBoard's events",
    )
    parser.add_argument(
        "--max-minutes",
        type=positive_float,
        default=max_minutes,
        help="wall time to train for (default %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=bounded_int(1),
        help="train for this many steps instead, if that ends before --max-minutes",
    )
    parser.add_argument(
        "--batch-size",
        type=bounded_int(1),
        default=batch_size,
        help="images or clips in a step (default %(default)s)",
    )
    parser.add_argument("--seed", type=bounded_int(0), default=0)
    parser.add_argument("--resume", action="store_true", help="go on from RUN_DIR/last.ckpt")
    parser.add_argument("--accelerator", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--precision",
        choices=["auto", "32-true", "bf16-mixed"],
        default="auto",
        help=(
            "auto: bf16-mixed on a GPU, 32-true on a CPU; CPUs with AVX512-BF16 or AMX gain from"
            " bf16-mixed, others lose; networks for actions take it on a GPU only"
        ),
    )


def uses_gpu(args: argparse.Namespace) -> bool:
    """Whether a training with these arguments runs on a GPU."""
    return args.accelerator == "cuda" or (args.accelerator == "auto" and torch.cuda.is_available())


def create_fabric(args: argparse.Namespace, devices: int = 1) -> Fabric:
    """Seeded Lightning Fabric on ``devices`` devices (several need its ``launch()``), in the
    precision that the arguments name.

    Raises TrainingError where more GPUs are asked for than there are, and where the run would
    overwrite the checkpoint of an earlier one.
    """
    checkpoint = args.run_dir / "last.ckpt"
    if checkpoint.exists() and not args.resume:
        raise TrainingError(
            f"'{checkpoint}' is of an earlier run: --resume to go on from it, or name another"
            " --run-dir, or remove it"
        )
    gpu = uses_gpu(args)
    automatic = "bf16-mixed" if gpu else "32-true"
    if gpu and devices > torch.cuda.device_count():
        raise TrainingError(
            f"the run needs {devices} GPUs, but PyTorch finds {torch.cuda.device_count()}: ask for"
            " fewer, or for a CPU"
        )
    precision = automatic if args.precision == "auto" else args.precision
    fabric = Fabric(accelerator="cuda" if gpu else "cpu", devices=devices, precision=precision)
    fabric.seed_everything(args.seed, verbose=False)
    return fabric


@contextmanager
def exit_on(*errors: type[Exception]) -> Iterator[None]:
    """End the program with exit code 2 and the message of a TrainingError or one of ``errors``:
    data or files that cannot be used.
    """
    try:
        yield
    except (TrainingError, *errors) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def load_matching(network: nn.Module, tensors: dict[str, torch.Tensor]) -> list[str]:
    """Copy the ``tensors`` whose name and shape fit, as a start for fine-tuning on other classes.

    Returns the names that keep their initial values. Raises ModelFileError where nothing fits.
    """
    own = network.state_dict()
    fitting = {
        name: tensor
        for name, tensor in tensors.items()
        if name in own and own[name].shape == tensor.shape
    }
    if not fitting:
        raise ModelFileError(
            f"none of the {len(tensors)} tensors fits this network: are these weights of another"
            " architecture?"
        )
    network.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


def check_finite(loss: torch.Tensor, step: int) -> None:
    """Raises TrainingError for a loss that is not finite: all that follows would be lost."""
    if not loss.isfinite().all():
        raise TrainingError(
            f"the loss is {loss.item()} at step {step}: lower --learning-rate and --resume from the"
            " last checkpoint"
        )


def random_state(generator: np.random.Generator) -> dict[str, Any]:
    """State of ``generator`` and of PyTorch's generators, for a checkpoint."""
    return {
        "numpy": generator.bit_generator.state,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def restore_random_state(state: dict[str, Any], generator: np.random.Generator) -> None:
    """Undo ``random_state``. GPU generators are left alone where the number of GPUs has changed."""
    generator.bit_generator.state = state["numpy"]
    torch.set_rng_state(state["torch"].cpu())
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([one.cpu() for one in state["cuda"]])


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` so that a kill at any time leaves either the old or the new checkpoint whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """State on the CPU of the run that ``identity`` describes: what it trains, which must not
    change when it goes on.

    It was given to ``save_checkpoint`` under that key. Raises TrainingError with what to do where
    there is no checkpoint, it is damaged, or of another run.
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
    earlier = state.get("identity", identity)  # checkpoints of earlier versions do not say
    changed = [
        f"{name} was {earlier.get(name)}, is {value}"
        for name, value in identity.items()
        if earlier.get(name) != value
    ]
    if changed:
        advice = (
            "give the data and options that it was started with, or start a new run in another"
            " --run-dir"
        )
        raise TrainingError(
            f"--resume: '{path}' is of another run ({'; '.join(changed)}): {advice}"
        )
    return state


class RunLog:
    """What a run reports while it trains, in its folder: lines of ``log.jsonl``, and TensorBoard's
    events (``writer``).

    ``step`` is the one at which the run starts or goes on: TensorBoard forgets what a killed
    process reported of later ones.
    """

    def __init__(self, run_dir: Path, step: int) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self._lines = run_dir / "log.jsonl"
        self.writer = SummaryWriter(run_dir, purge_step=step)

    def add(self, step: int, scalars: dict[str, float]) -> None:
        """Report the training's ``scalars`` by name."""
        with self._lines.open("a") as file:
            file.write(json.dumps({"step": step, **scalars}) + "\n")
        for name, value in scalars.items():
            self.writer.add_scalar(f"train/{name}", value, step)

    def close(self) -> None:
        """Write what is still kept back."""
        self.writer.close()


def write_record(
    model_path: Path,
    args: argparse.Namespace,
    clock: TrainingClock,
    data: dict[str, Any],
    score: dict[str, Any],
) -> Path:
    """Write ``MODEL.json``: how the model was trained and what it scores on held-out data.

    ``data`` says what was read (sizes, folders).
    """
    device = (
        torch.cuda.get_device_name()
        if args.accelerator != "cpu" and torch.cuda.is_available()
        else platform.machine()
    )
    record = {
        "command": shlex.join(["python", "-m", _module_name(), *sys.argv[1:]]),
        "config": {
            key: str(value) if isinstance(value, Path) else value
            for key, value in vars(args).items()
        },
        "data": data,
        "steps": clock.step,
        "minutes": round(clock.elapsed_seconds / 60, 2),
        "device": f"{device}, {torch.get_num_threads()} threads",
        "held_out": score,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "numpy")},
        },
    }
    path = model_path.with_name(model_path.name + ".json")
    path.write_text(json.dumps(record, indent=2, default=str) + "\n")
    return path


def _module_name() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else Path(sys.argv[0]).name
