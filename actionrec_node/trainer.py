# SPDX-License-Identifier: Apache-2.0
"""The training of action models: its step, its validation, and a run from data to model file."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import asdict
from typing import Any, TypeAlias

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.nn import functional

from actionrec_node.config_file import save_options
from actionrec_node.data.annotations import folder_numbers
from actionrec_node.data.backgrounds import Backgrounds
from actionrec_node.data.clip_settings import ClipSettings
from actionrec_node.data.crops import CONTEXT
from actionrec_node.data.labeled_videos import LabeledVideo
from actionrec_node.data.training_clips import (
    TrainingClips,
    batches,
    inverse_frequency_weights,
)
from actionrec_node.evaluation.clip_scores import evaluate_clips, format_scores
from actionrec_node.networks.action_model import ActionModel, save_action_model
from actionrec_node.networks.action_model_spec import ActionModelSpec
from actionrec_node.networks.fine_tuning import (
    freeze,
    frozen_prefixes,
    mix_weights,
    train_mode,
)
from actionrec_node.networks.published_weights import are_of_classes, load_pretrained
from actionrec_node.networks.resnext3d_lite0 import ResNeXt3dLite0
from actionrec_node.training_data import TrainingData, load_data
from actionrec_node.training_options import (
    LEARNING_RATES,
    SPEC_OPTIONS,
    ActionTrainingOptions,
)
from perception_kit.alarm_classes import alarm_warning
from perception_kit.partial_file import make_folder
from perception_kit.short_text import listed
from perception_kit.synth.room import find_photos
from perception_kit.training.clock import TrainingClock
from perception_kit.training.loop import StepResult, Trainer, TrainingLoop
from perception_kit.training.run import TrainingError, create_fabric, write_record

Batch: TypeAlias = tuple[tuple[Tensor, ...], Tensor]
STEP_FACTOR = 0.1  # of the rate of SGD at each of --lr-steps


def create_optimizer(name: str, model: ActionModel, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW, or SGD as in the published training of 3D-ResNeXt, of what is not frozen."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.02)
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9, weight_decay=1e-3)


class ActionTrainer(Trainer[ActionModel, Batch]):
    """Trains ``model`` on ``clips``, on one or several devices that ``fabric`` has launched."""

    def __init__(
        self,
        fabric: Fabric,
        options: ActionTrainingOptions,
        model: ActionModel,
        clips: TrainingClips,
        held_out: Sequence[LabeledVideo],
    ) -> None:
        self.fabric, self.options = fabric, options
        self.clips, self.held_out = clips, held_out
        self.validate_every = options.evaluate_every
        self.steps_per_epoch = math.ceil(
            clips.epoch_clips / (options.batch_size * fabric.world_size)
        )

        stages = options.freeze_through
        frozen = frozen_prefixes(model.network, stages) if stages else ()
        freeze(model.network, frozen)
        train_mode(model.network, frozen)

        self.network = model
        self.learning_rate = options.learning_rate or LEARNING_RATES[options.optimizer]
        self.model, self.optimizer = fabric.setup(
            model, create_optimizer(options.optimizer, model, self.learning_rate)
        )
        self.loss_weights = (
            inverse_frequency_weights(clips.counts).to(fabric.device)
            if options.balance == "weights"
            else None
        )

        spec = asdict(model.spec)
        del spec["alarm_classes"], spec["lying_classes"]  # which no tensor depends on
        windows = dict(zip(model.spec.class_names, clips.counts.tolist(), strict=True))
        self.identity = {
            **{SPEC_OPTIONS.get(name, name): str(value) for name, value in spec.items()},
            "--weights": [str(path) for path in options.weights or []],
            "--optimizer": options.optimizer,
            "--balance": options.balance,
            "--freeze-through": str(options.freeze_through),
            "--augmentation": options.augmentation,
            "--label-smoothing": options.label_smoothing,
            "windows of --data": str(windows),
        }

    def create_clock(self) -> TrainingClock:
        """A clock that ends the run at its limits; ``--epochs`` take the place of the others."""
        if self.options.epochs is None:
            return self.options.create_clock()
        return TrainingClock(math.inf, self.options.epochs * self.steps_per_epoch)

    def batches(self, first_step: int) -> Iterable[Batch]:
        """Clips that depend on seed and number, of which each process has its own."""
        return batches(
            self.clips,
            self.options.batch_size,
            first_step,
            self.options.workers,
            self.fabric.global_rank,
            self.fabric.world_size,
        )

    def rate_factor(self, step: int, progress: float) -> float:
        """For SGD 0.1 at each epoch of ``lr_steps`` that is over, else warm-up and cosine."""
        if self.options.optimizer != "sgd":
            return super().rate_factor(step, progress)
        passed = sum(step >= epoch * self.steps_per_epoch for epoch in self.options.lr_steps)
        return STEP_FACTOR**passed

    def step(self, batch: Batch, progress: float) -> StepResult:
        """Cross entropy of the clips, weighted and smoothed as the options say."""
        inputs = tuple(tensor.to(self.fabric.device) for tensor in batch[0])
        labels = batch[1].to(self.fabric.device)
        try:
            logits = self.model(*inputs)
        except ValueError as error:
            # Of batch normalization, where one pixel is all that is left of a clip.
            clips = f"{len(labels)} clips of {self.network.spec.size} pixels"
            raise TrainingError(
                f"{clips} at once cannot be trained on ({error}): raise --batch-size or"
                " --input-size"
            ) from error
        smoothing = self.options.label_smoothing
        loss = functional.cross_entropy(
            logits, labels, weight=self.loss_weights, label_smoothing=smoothing
        )
        return {"loss": loss}, {}

    def validate(self, network: ActionModel) -> dict[str, Any]:
        """Scores with clips of the whole image.

        ``per_person`` are those with clips of the people, where boxes of any are known.
        """
        scores = evaluate_clips(network, self.held_out)
        if any(video.shows_person for video in self.held_out):
            scores["per_person"] = evaluate_clips(network, self.held_out, context=CONTEXT)
        return scores

    def validation_scalars(self, scores: dict[str, Any]) -> dict[str, float]:
        """Precision, recall and F-score of each class that has them."""
        return {
            f"{name}/{key}": values[key]
            for name, values in scores["per_class"].items()
            for key in ("precision", "recall", "f1")
            if values[key] is not None
        }


def _build_model(options: ActionTrainingOptions, spec: ActionModelSpec) -> ActionModel:
    """The model before the first step: ImageNet's slow path, and ``--weights`` where given.

    Raises ModelFileError, and TrainingError where ``--wise-ft`` has no weights to mix with.
    """
    model = ActionModel(spec)
    if isinstance(model.network, ResNeXt3dLite0):
        model.network.load_imagenet(spec.mean, spec.std)
    if not options.weights:
        return model
    same_classes = are_of_classes(options.weights, spec.class_names)
    if options.wise_ft is not None and not same_classes:
        raise TrainingError(
            f"--wise-ft {options.wise_ft:g} needs --weights of the same classes, expected"
            f" {', '.join(spec.class_names)}: else the classifier is a new one"
        )
    load_pretrained(model.network, options.weights, keep_classifier=same_classes)
    return model


def _warn(data: TrainingData) -> None:
    """Say on standard error what makes the model, or its scores, worth less than they look."""
    warning = alarm_warning(data.spec.class_names, data.spec.alarms)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    if data.shared_subjects:
        print(
            "warning: subjects of both sides of the data:"
            f" {listed(data.shared_subjects, separator=', ')}; scores of people who were trained on"
            " say little of others: unless they only have the same names, hold them out by"
            " --val-fraction or --fold",
            file=sys.stderr,
        )


def run(options: ActionTrainingOptions) -> None:
    """Train, score on the held-out videos, write the model and its record.

    Raises DataError, ModelFileError, TrainingError, and OSError where a folder cannot be written
    to.
    """
    make_folder(options.out.parent, "--out")
    make_folder(options.run_dir, "--run-dir")
    fabric = create_fabric(options, options.devices)
    fabric.launch()

    loaded = load_data(options)
    spec = loaded.spec
    if fabric.is_global_zero:
        _warn(loaded)
    settings = ClipSettings(options.augmentation, options.balance, options.seed)
    folders = folder_numbers([*options.data, *options.also_train])
    photographs = Backgrounds(find_photos(options.backgrounds)) if options.backgrounds else None
    clips = TrainingClips(loaded.train, spec, settings, folders, photographs)
    data: dict[str, Any] = {
        "train_videos": len(loaded.train),
        "held_out_videos": len(loaded.held_out),
        "videos_with_boxes": sum(video.shows_person for video in (*loaded.train, *loaded.held_out)),
        "train_windows": dict(zip(spec.class_names, clips.counts.tolist(), strict=True)),
        "shared_subjects": loaded.shared_subjects,
    }

    model = _build_model(options, spec)
    start = deepcopy(model.state_dict()) if options.wise_ft is not None else {}

    trainer = ActionTrainer(fabric, options, model, clips, loaded.held_out)
    clock = trainer.create_clock()
    loop = TrainingLoop(trainer, options, clock)
    if fabric.is_global_zero:
        print(f"training on {data}, {trainer.steps_per_epoch} steps an epoch")
        save_options(options.run_dir / "config.yaml", argparse.Namespace(**vars(options)))
    network = loop.run()
    if not fabric.is_global_zero:
        return

    if options.wise_ft is not None:
        mix_weights(network, start, options.wise_ft)
    save_action_model(options.out, network)
    scores = trainer.validate(network)
    print(format_scores(scores))
    if "per_person" in scores:
        print(f"the same with clips of the people\n{format_scores(scores['per_person'])}")
    record = write_record(options, clock, data, scores)
    print(f"model {options.out}, record {record}")
