# SPDX-License-Identifier: Apache-2.0
"""What the training commands share around the loop: device, messages, log and record of a model."""

from __future__ import annotations

import json
import math
import platform
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.partial_file import refuse_links, replacing
from perception_kit.training.clock import TrainingClock
from perception_kit.training.options import TrainingOptions
from perception_kit.training.shared_memory import shared_memory_problem

LEAST_ROOM = 1 << 20  # bytes on the disk, for a run to go on
RUN_DIR_ADVICE = "make room on it, or name another --run-dir"


class TrainingError(ValueError):
    """A training run that cannot be started or resumed; the message says why and what to do."""


def create_fabric(options: TrainingOptions, devices: int = 1) -> Fabric:
    """Seeded Lightning Fabric on ``devices`` devices (several need its ``launch()``).

    Raises TrainingError where more GPUs are asked for than there are, and where the run would
    overwrite the checkpoint of an earlier one.
    """
    if options.checkpoint.exists() and not options.resume:
        raise TrainingError(
            f"'{options.checkpoint}' is of an earlier run: --resume to go on from it, or name"
            " another --run-dir, or remove it"
        )
    if options.uses_gpu and devices > torch.cuda.device_count():
        raise TrainingError(
            f"the run needs {devices} GPUs, but PyTorch finds {torch.cuda.device_count()}: ask for"
            " fewer, or for a CPU"
        )

    accelerator = "cuda" if options.uses_gpu else "cpu"
    automatic: Literal["32-true", "bf16-mixed"] = "bf16-mixed" if options.uses_gpu else "32-true"
    precision = automatic if options.precision == "auto" else options.precision
    fabric = Fabric(accelerator=accelerator, devices=devices, precision=precision)
    fabric.seed_everything(options.seed, verbose=False)
    return fabric


@contextmanager
def exit_on(*errors: type[Exception]) -> Iterator[None]:
    """End the program with exit code 2 and the message of a TrainingError or one of ``errors``.

    The same for a lack of shared memory, which PyTorch reports as a RuntimeError.
    """
    reported: tuple[type[Exception], ...] = (TrainingError, *errors)
    try:
        yield
    except reported as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        problem = shared_memory_problem(error)
        if problem is None:
            raise
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)


def load_matching(network: nn.Module, tensors: dict[str, Tensor]) -> list[str]:
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


def check_finite(loss: Tensor, gradient_norm: Tensor, step: int) -> float:
    """The loss as a number.

    Raises TrainingError where loss or gradient are not finite: all that follows would be lost.
    """
    # One transfer from the device for both.
    values = torch.stack([loss.detach(), gradient_norm]).tolist()
    for name, value in zip(("loss", "gradient's norm"), values, strict=True):
        if not math.isfinite(value):
            raise TrainingError(
                f"the {name} is {value} at step {step}: lower --learning-rate and --resume from the"
                " last checkpoint"
            )
    return values[0]


class RunLog:
    """What a run reports while it trains: lines of RUN_DIR/log.jsonl, and TensorBoard's events.

    ``step`` is the one at which the run starts or goes on: TensorBoard forgets what a killed
    process reported of later ones, and so do the lines. Raises OSError with what to do where
    RUN_DIR cannot be written.
    """

    def __init__(self, run_dir: Path, step: int) -> None:
        self._lines = run_dir / "log.jsonl"
        with self._written():
            run_dir.mkdir(parents=True, exist_ok=True)
            refuse_links(run_dir, (self._lines.name,))
            self._lines.touch()
        self._forget_after(step)
        self._writer = SummaryWriter(run_dir, purge_step=step + 1)

    def add(self, step: int, scalars: dict[str, float]) -> None:
        """Report the training's ``scalars`` by name."""
        with self._written(), self._lines.open("a") as file:
            file.write(json.dumps({"step": step, **scalars}) + "\n")
        for name, value in scalars.items():
            self._writer.add_scalar(f"train/{name}", value, step)

    def _forget_after(self, step: int) -> None:
        """Remove the lines of steps that come again, and one that a kill cut off."""
        text = self._lines.read_text(errors="replace")
        kept = [f"{line}\n" for line in text.splitlines() if _step_of(line) <= step]
        if "".join(kept) != text:
            with replacing(self._lines) as partial:
                partial.write_text("".join(kept))

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Writes into the folder; raises OSError where that fails, or the disk is all but full.

        TensorBoard, which writes from a thread of its own, would print a traceback then.
        """
        folder = self._lines.parent
        try:
            yield
            disk = shutil.disk_usage(folder)
        except OSError as error:
            raise OSError(f"'{folder}' cannot be written ({error}): {RUN_DIR_ADVICE}") from error
        if disk.total and disk.free < LEAST_ROOM:
            raise OSError(f"{disk.free} bytes are left on the disk of '{folder}': {RUN_DIR_ADVICE}")

    def add_held_out(self, step: int, scalars: dict[str, float]) -> None:
        """Report scores on held-out data by name, to TensorBoard only."""
        for name, value in scalars.items():
            self._writer.add_scalar(f"held_out/{name}", value, step)

    def close(self) -> None:
        """Write what is still kept back."""
        self._writer.close()


def _step_of(line: str) -> float:
    """Step of a line of the log; infinity, later than all, for one that is not whole."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return math.inf


def write_record(
    options: TrainingOptions, clock: TrainingClock, data: dict[str, Any], scores: dict[str, Any]
) -> Path:
    """Write ``MODEL.json``: how the model was trained and what it scores on held-out data.

    ``data`` says what was read (sizes, folders). Raises OSError where it cannot be written.
    """
    device = torch.cuda.get_device_name() if options.uses_gpu else platform.machine()
    record = {
        "command": shlex.join([*_program(), *sys.argv[1:]]),
        "config": asdict(options),
        "data": data,
        "steps": clock.step,
        "minutes": round(clock.elapsed_seconds / 60, 2),
        "device": f"{device}, {torch.get_num_threads()} threads",
        "held_out": scores,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "numpy")},
        },
    }
    path = options.out.with_name(options.out.name + ".json")
    with replacing(path) as partial:
        partial.write_text(json.dumps(record, indent=2, default=str) + "\n")
    return path


def _program() -> list[str]:
    """How this process was started: as a module, or by the name of an installed command."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return ["python", "-m", spec.name] if spec else [Path(sys.argv[0]).name]
