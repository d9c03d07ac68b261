# SPDX-License-Identifier: Apache-2.0
"""The training loop: one network, its moving average, optimiser, schedule, checkpoints and logs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from lightning.fabric import Fabric
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from actionrec_node.data.training_clips import TrainingClips, batches, inverse_frequency_weights
from actionrec_node.networks.action_model import ActionModel
from actionrec_node.networks.fine_tuning import freeze, frozen_prefixes, train_mode
from perception_kit.training import run as training
from perception_kit.training.clock import TrainingClock, warmup_cosine

EMA_DECAY = 0.998
LEARNING_RATES = {"adamw": 2e-3, "sgd": 1e-2}
LOG_EVERY = 20
STEP_FACTOR = 0.1


def moving_average(
    averaged: torch.Tensor, current: torch.Tensor, count: torch.Tensor
) -> torch.Tensor:
    """Exponential moving average of the weights whose decay grows to EMA_DECAY, so that it forgets
    the random start at once.
    """
    decay = torch.clamp((1 + count) / (10 + count), max=EMA_DECAY)
    return averaged + (1 - decay) * (current - averaged)


def create_optimizer(name: str, model: ActionModel, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW, or SGD with the momentum and weight decay of the published 3D-ResNeXt training, of
    what is not frozen.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.02)
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9, weight_decay=1e-3)


class Trainer:
    """One run. ``score`` gives the held-out scores of a model."""

    def __init__(
        self,
        args: argparse.Namespace,
        fabric: Fabric,
        model: ActionModel,
        clips: TrainingClips,
        score: Callable[[ActionModel], dict],
    ) -> None:
        self.args, self.fabric, self.clips, self.score = args, fabric, clips, score
        self.steps_per_epoch = math.ceil(clips.epoch_clips / (args.batch_size * fabric.world_size))
        if args.epochs is not None:
            self.clock = TrainingClock(math.inf, args.epochs * self.steps_per_epoch)
        else:
            self.clock = TrainingClock(args.max_minutes, args.steps)
        self.frozen = (
            frozen_prefixes(model.network, args.freeze_through) if args.freeze_through else ()
        )
        freeze(model.network, self.frozen)
        self.learning_rate = (
            args.learning_rate if args.learning_rate is not None else LEARNING_RATES[args.optimizer]
        )
        self.average = AveragedModel(model, avg_fn=moving_average, use_buffers=True).to(
            fabric.device
        )
        self.model, self.optimizer = fabric.setup(
            model, create_optimizer(args.optimizer, model, self.learning_rate)
        )
        self.loss_weights = (
            inverse_frequency_weights(clips.counts).to(fabric.device)
            if args.balance == "weights"
            else None
        )
        self._log: training.RunLog | None = None

    def rate_factor(self, progress: float) -> float:
        """Factor of the learning rate: for SGD 0.1 at each epoch of ``lr_steps`` that is over, else
        warm-up and cosine.
        """
        if self.args.optimizer == "sgd":
            return STEP_FACTOR ** sum(
                self.clock.step >= epoch * self.steps_per_epoch for epoch in self.args.lr_steps
            )
        return warmup_cosine(progress, self.clock.step, warmup_steps=100)

    def step(
        self, inputs: tuple[torch.Tensor, ...], labels: torch.Tensor, progress: float
    ) -> float:
        """One optimiser step; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self.rate_factor(progress)
        try:
            logits = self.model(*inputs)
        except (
            ValueError
        ) as error:  # of batch normalisation, where one pixel is all that is left of a clip
            clips = f"{len(labels)} clips of {self.model.module.spec.size} pixels"
            raise training.TrainingError(
                f"{clips} at once cannot be trained on ({error}): raise --batch-size or"
                " --input-size"
            ) from error
        loss = functional.cross_entropy(
            logits, labels, weight=self.loss_weights, label_smoothing=self.args.label_smoothing
        )
        training.check_finite(loss, self.clock.step)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.model, self.optimizer, max_norm=5.0)
        self.optimizer.step()
        self.average.update_parameters(self.model.module)
        self.clock.tick()
        return loss.item()

    def run(self) -> None:
        """Train until the clock is finished; a checkpoint at least every two minutes and at the
        end.
        """
        fabric = self.fabric
        if fabric.is_global_zero:
            self._log = training.RunLog(self.args.run_dir, self.clock.step)
        train_mode(self.model.module.network, self.frozen)
        loader = batches(
            self.clips,
            self.args.batch_size,
            self.clock.step,
            self.args.workers,
            fabric.global_rank,
            fabric.world_size,
        )
        bar_format = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
        with tqdm(
            total=100,
            desc="training",
            unit="%",
            bar_format=bar_format,
            disable=not fabric.is_global_zero,
        ) as bar:
            for inputs, labels in loader:
                progress = fabric.broadcast(
                    self.clock.progress
                )  # the clocks of several processes differ
                if progress >= 1.0:
                    break
                loss = self.step(
                    tuple(part.to(fabric.device) for part in inputs),
                    labels.to(fabric.device),
                    progress,
                )
                bar.update(100 * progress - bar.n)
                bar.set_postfix(step=self.clock.step, loss=f"{loss:.3f}", refresh=False)
                self._after_step(loss, progress)
        self.save()
        if self._log is not None:
            self._log.close()

    def _after_step(self, loss: float, progress: float) -> None:
        """Logs, held-out scores and checkpoint, where they are due; the first process alone does
        this.
        """
        if self._log is None:
            return
        step = self.clock.step
        if step % LOG_EVERY == 0:
            rate = self.optimizer.param_groups[0]["lr"]
            self._log.add(step, {"loss": loss, "learning_rate": rate, "progress": progress})
        if self.args.evaluate_every and step % self.args.evaluate_every == 0:
            self.log_scores(self.score(self.average.module))
        if self.clock.checkpoint_due():
            self.save()

    def log_scores(self, scores: dict[str, Any]) -> None:
        """Held-out scores of each class to TensorBoard."""
        for name, values in scores["per_class"].items():
            for key in ("precision", "recall", "f1"):
                if values[key] is not None:
                    self._log.writer.add_scalar(
                        f"held_out/{name}/{key}", values[key], self.clock.step
                    )

    def save(self) -> None:
        """Write RUN_DIR/last.ckpt."""
        if not self.fabric.is_global_zero:
            return
        state = {
            "model": self.model.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "clock": self.clock.state_dict(),
            "random": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
            "identity": self.identity(),
        }
        training.save_checkpoint(self.args.run_dir / "last.ckpt", state)

    def identity(self) -> dict[str, str]:
        """What must not change when a run goes on: the same tensors would mean something else."""
        spec = self.model.module.spec
        windows = dict(zip(spec.class_names, self.clips.counts.tolist(), strict=True))
        options = {
            name: str(getattr(self.args, name))
            for name in ("optimizer", "balance", "freeze_through")
        }
        return {
            **{name: str(value) for name, value in asdict(spec).items()},
            **options,
            "windows of --data": str(windows),
        }

    def resume(self) -> None:
        """Go on from RUN_DIR/last.ckpt.

        The stream of clips needs no state: it goes on from the step.

        Raises TrainingError where the checkpoint is of another run or there is none.
        """
        state = training.load_checkpoint(self.args.run_dir / "last.ckpt", self.identity())
        self.model.module.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.clock.load_state_dict(state["clock"])
        torch.set_rng_state(state["random"][0])
        for device, random in enumerate(state["random"][1 : 1 + torch.cuda.device_count()]):
            torch.cuda.set_rng_state(random, device)
