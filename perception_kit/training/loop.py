# SPDX-License-Identifier: Apache-2.0
"""The training loop of all networks."""

from __future__ import annotations

import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from perception_kit.processes import ignoring_interrupts, noting_signals
from perception_kit.training import checkpoint
from perception_kit.training.clock import TrainingClock, warmup_cosine
from perception_kit.training.options import TrainingOptions
from perception_kit.training.run import RunLog, TrainingError, check_finite

Network = TypeVar("Network", bound=nn.Module)
Batch = TypeVar("Batch")
Tensors: TypeAlias = tuple[Tensor, ...] | list[Tensor]
StepResult: TypeAlias = tuple[dict[str, Tensor], dict[str, float]]
LOG_EVERY = 20  # steps
WARMUP_STEPS = 100
BAR_FORMAT = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"


class Trainer(ABC, Generic[Network, Batch]):
    """What one training command adds to the loop: data, losses and scores of its network.

    ``optimizer`` trains ``network``, which lies on the device of ``fabric``; ``learning_rate`` is
    that of the peak. ``identity`` names what must stay the same when a run is resumed.
    """

    ema_decay = 0.998
    max_gradient_norm = 5.0
    validate_every = 0  # steps; 0: after the training only

    fabric: Fabric
    network: Network
    optimizer: torch.optim.Optimizer
    learning_rate: float
    identity: dict[str, Any]

    @abstractmethod
    def batches(self, first_step: int) -> Iterable[Batch]:
        """Batches of ``first_step`` and all later steps, without end.

        They follow from seed and step, or from PyTorch's random state, and from nothing else: a
        resumed run sees those of an uninterrupted one.
        """

    @abstractmethod
    def step(self, batch: Batch, progress: float) -> StepResult:
        """Losses to add up, and what else to log, by name; ``progress`` is that of the run."""

    @abstractmethod
    def validate(self, network: Network) -> dict[str, Any]:
        """Scores of the averaged ``network`` on held-out data."""

    def validation_scalars(self, scores: dict[str, Any]) -> dict[str, float]:
        """What TensorBoard shows of the scores of ``validate``, by name."""
        return {}

    def rate_factor(self, step: int, progress: float) -> float:
        """Learning rate of a step as a fraction of that of the peak."""
        return warmup_cosine(progress, step, WARMUP_STEPS)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs beside network and optimizer."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict()`` of an earlier process."""


def moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Exponential moving average of the weights, for ``AveragedModel``.

    After n updates its decay is min(``decay``, (1 + n) / (10 + n)): the memory grows with the run,
    so that the first steps do not linger in short ones.
    """

    def update(averaged: Tensors, current: Tensors, updates: Tensor | int) -> None:
        count = int(updates)
        get_ema_multi_avg_fn(min(decay, (1 + count) / (10 + count)))(averaged, current, updates)

    return update


class Stateful(Protocol):
    """What a checkpoint holds the state of."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class TrainingLoop(Generic[Network, Batch]):
    """One run of ``trainer`` until ``clock`` is finished, resumed where the options say so.

    Where steps alone limit it, a resumed run ends with the weights of an uninterrupted one, bit by
    bit on a CPU. Minutes rule that out: the learning rate then follows the wall time. Raises
    TrainingError where the run cannot be resumed.
    """

    def __init__(
        self, trainer: Trainer[Network, Batch], options: TrainingOptions, clock: TrainingClock
    ) -> None:
        self.trainer, self.options, self.clock = trainer, options, clock
        # The statistics of normalization layers belong to the weights: they are averaged with them.
        self.average = AveragedModel(
            trainer.network, multi_avg_fn=moving_average(trainer.ema_decay), use_buffers=True
        )
        self._parts: dict[str, Stateful] = {
            "model": trainer.network,
            "average": self.average,
            "optimizer": trainer.optimizer,
            "clock": clock,
            "trainer": trainer,
            "random": checkpoint.RandomState(trainer.fabric.device),
        }

        # Seed and batch size decide which samples a step sees. The learning rate may change, since
        # that is what mends a run that diverges.
        self._identity = {
            "--seed": options.seed,
            "--batch-size": options.batch_size,
            **trainer.identity,
        }
        if options.resume:
            self._restore()

    def run(self) -> Network:
        """Train; returns the network with averaged weights.

        SIGINT and SIGTERM end the run after the current step, with a checkpoint and
        KeyboardInterrupt. Raises TrainingError where a loss or a gradient is not finite, and
        OSError where a checkpoint or the log cannot be written.
        """
        trainer, clock = self.trainer, self.clock
        log = RunLog(self.options.run_dir, clock.step) if trainer.fabric.is_global_zero else None
        bar = tqdm(total=100, desc="training", unit="%", bar_format=BAR_FORMAT, disable=not log)
        with ignoring_interrupts():  # by the loader's workers, which go on until the step is done
            batches = iter(trainer.batches(clock.step))

        with noting_signals() as interrupted:
            while (progress := self._progress()) < 1.0 and not interrupted.is_set():
                losses, scalars, loss = self._update(next(batches), progress)

                # Report, and checkpoint from time to time.
                if log:
                    bar.set_postfix(step=clock.step, loss=f"{loss:.3f}", refresh=False)
                    bar.update(100 * clock.progress - bar.n)
                    self._report(log, losses, scalars | {"progress": progress, "loss": loss})
                if clock.checkpoint_due():
                    self._save()
            self._save()

        bar.close()
        if log:
            log.close()
        if progress < 1.0:
            print(f"stopped after step {clock.step}: --resume goes on from there", file=sys.stderr)
            raise KeyboardInterrupt
        return cast(Network, self.average.module)

    def _progress(self) -> float:
        """Progress by the clock of the first of several processes: theirs differ."""
        return self.trainer.fabric.broadcast(self.clock.progress)

    def _update(
        self, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], dict[str, float], float]:
        """One step of the training; returns its losses, what else to log, and their sum."""
        trainer = self.trainer
        rate = trainer.learning_rate * trainer.rate_factor(self.clock.step, progress)
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate

        # Forward and backward pass, with the gradient's norm limited.
        losses, scalars = trainer.step(batch, progress)
        total = torch.stack([*losses.values()]).sum()
        trainer.optimizer.zero_grad()
        trainer.fabric.backward(total)
        weights = trainer.network.parameters()
        norm = nn.utils.clip_grad_norm_(weights, trainer.max_gradient_norm)
        loss = check_finite(total, norm, self.clock.step)

        # Update of the weights and of their average.
        trainer.optimizer.step()
        self.average.update_parameters(trainer.network)
        self.clock.tick()
        return losses, scalars | {"learning_rate": rate}, loss

    def _report(self, log: RunLog, losses: dict[str, Tensor], scalars: dict[str, float]) -> None:
        step, every = self.clock.step, self.trainer.validate_every
        if step % LOG_EVERY == 0:
            minutes = round(self.clock.elapsed_seconds / 60, 2)
            values = {name: loss.item() for name, loss in losses.items()}
            log.add(step, {"minutes": minutes, **scalars, **values})
        if every and step % every == 0:
            scores = self.trainer.validate(cast(Network, self.average.module))
            log.add_held_out(step, self.trainer.validation_scalars(scores))

    def _restore(self) -> None:
        """Go on from the run's checkpoint. Raises TrainingError where it does not fit."""
        path = self.options.checkpoint
        states = checkpoint.load_checkpoint(path, self._identity)
        for name, part in self._parts.items():
            try:
                part.load_state_dict(states[name])
            except (KeyError, ValueError, RuntimeError, TypeError) as error:
                reason = textwrap.shorten(f"{type(error).__name__}: {error}", 200)
                raise TrainingError(
                    f"--resume: '{path}' does not fit this training, its part '{name}' cannot be"
                    f" restored ({reason}): give the options that the run was started with, or"
                    " start a new run in another --run-dir"
                ) from error

    def _save(self) -> None:
        if self.trainer.fabric.is_global_zero:
            states = {name: part.state_dict() for name, part in self._parts.items()}
            checkpoint.save_checkpoint(
                self.options.checkpoint, {"identity": self._identity, **states}
            )
