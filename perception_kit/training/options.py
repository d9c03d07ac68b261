# SPDX-License-Identifier: Apache-2.0
"""Options of the training commands: dataclasses whose fields are arguments of the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from perception_kit.arguments import bounded_int, model_file, positive_float
from perception_kit.resources import choose_device
from perception_kit.training.clock import TrainingClock


def option(
    default: Any = MISSING, help: str = "", type: Callable[[str], Any] = str, **argument: Any
) -> Any:
    """A field for ``add_options``; ``argument`` is what ``add_argument`` gets besides."""
    metadata = {"help": help, "type": type, **argument}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def add_options(parser: argparse.ArgumentParser, options: type[TrainingOptions]) -> None:
    """Add each ``option`` as an argument ``--of-its-name``, required where it has no default."""
    for item in fields(options):
        if not item.metadata:
            continue

        argument = dict(item.metadata)
        default = item.default if item.default_factory is MISSING else item.default_factory()
        if item.name == "max_minutes":  # the only default that depends on another option
            argument["help"] += f" (default {options.default_minutes:g}, or no limit with --steps)"

        if default is False:
            argument = {"help": argument["help"], "action": "store_true"}
        elif default is MISSING:
            argument["required"] = True
        else:
            argument["default"] = default
            shown = " ".join(map(str, default)) if isinstance(default, list) else default
            argument["help"] += f" (default {shown})" if shown not in (None, "") else ""

        parser.add_argument(f"--{item.name.replace('_', '-')}", **argument)


BATCH_SIZE: dict[str, Any] = {"help": "images or clips in a step", "type": bounded_int(1)}


@dataclass(kw_only=True)
class TrainingOptions:
    """Options of every training command, by the names that the record of a model has for them.

    A run without ``steps`` and ``max_minutes`` trains for the ``default_minutes`` of its command.
    """

    default_minutes: ClassVar[float] = 30

    out: Path = option(
        help="model file to write (.safetensors); its record goes to OUT.json", type=model_file
    )
    run_dir: Path = option(
        None,
        "folder for last.ckpt, log.jsonl and TensorBoard's events (default: OUT with .run for"
        " .safetensors)",
        Path,
    )
    max_minutes: float | None = option(None, "wall time to train for", positive_float)
    steps: int | None = option(
        None,
        "train for this many steps, or for --max-minutes where these are given too and over"
        " earlier; with --steps alone, a resumed run ends exactly as an uninterrupted one",
        bounded_int(1),
    )
    batch_size: int = option(8, **BATCH_SIZE)
    seed: int = option(0, "of all random numbers", bounded_int(0))
    resume: bool = option(False, "go on from RUN_DIR/last.ckpt")
    accelerator: Literal["auto", "cpu", "cuda"] = option(
        "auto", "auto: a GPU where there is one", choices=["auto", "cpu", "cuda"]
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = option(
        "auto",
        "auto: bf16-mixed on a GPU, 32-true on a CPU; CPUs with AVX512-BF16 or AMX gain from"
        " bf16-mixed, others lose; networks for actions take it on a GPU only",
        choices=["auto", "32-true", "bf16-mixed"],
    )

    def __post_init__(self) -> None:
        if self.run_dir is None:
            self.run_dir = self.out.with_suffix(".run")
        if self.max_minutes is None and self.steps is None:
            self.max_minutes = self.default_minutes

    @property
    def checkpoint(self) -> Path:
        """The file that an interrupted run is resumed from."""
        return self.run_dir / "last.ckpt"

    @property
    def uses_gpu(self) -> bool:
        """Whether the training runs on a GPU."""
        automatic = self.accelerator == "auto" and choose_device("auto") == "cuda"
        return self.accelerator == "cuda" or automatic

    def create_clock(self) -> TrainingClock:
        """A clock that ends the run at its limits."""
        return TrainingClock(self.max_minutes or math.inf, self.steps)
