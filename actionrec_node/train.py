# SPDX-License-Identifier: Apache-2.0
"""Trains an action model on labeled videos: ``python -m actionrec_node.train --help``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, get_args

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.nn import functional

from actionrec_node.config_file import parse_with_yaml, save_options
from actionrec_node.data.annotations import (
    Annotations,
    DataError,
    check_disjoint,
    class_names_of,
    hold_out_fold,
    parse_fold,
    read_folders,
    split,
)
from actionrec_node.data.augmentation import Mode
from actionrec_node.data.crops import CONTEXT
from actionrec_node.data.labeled_videos import LabeledVideo, load_videos
from actionrec_node.data.person_boxes import read_boxes
from actionrec_node.data.training_clips import (
    MAX_SPEED_CHANGE,
    Balance,
    ClipSettings,
    TrainingClips,
    batches,
    inverse_frequency_weights,
)
from actionrec_node.evaluation.clip_scores import evaluate_clips, format_scores
from actionrec_node.networks.action_model import (
    ActionModel,
    ActionModelSpec,
    new_spec,
    read_spec,
    save_action_model,
)
from actionrec_node.networks.architectures import ARCHITECTURES
from actionrec_node.networks.fine_tuning import freeze, frozen_prefixes, train_mode
from actionrec_node.networks.published_weights import are_of_classes, load_pretrained
from perception_kit.alarm_classes import (
    alarm_warning,
    check_alarm_classes,
    check_lying_classes,
)
from perception_kit.arguments import bounded_float, bounded_int, positive_float, program_name
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import run_command
from perception_kit.training.clock import TrainingClock
from perception_kit.training.loop import StepResult, Trainer, TrainingLoop
from perception_kit.training.options import BATCH_SIZE, TrainingOptions, add_options, option
from perception_kit.training.run import TrainingError, create_fabric, exit_on, write_record
from perception_kit.videos.pictures import PICTURES_HELP
from perception_kit.videos.video import VideoFormat

Batch: TypeAlias = tuple[tuple[Tensor, ...], Tensor]
CACHED_SIDE = 12 / 7  # longer side of the frames that are kept / side of the input, for sharp crops
LEARNING_RATES = {"adamw": 2e-3, "sgd": 1e-2}
STEP_FACTOR = 0.1  # of the rate of SGD at each of --lr-steps
# Fields of the model's specification that are options of the command.
SPEC_OPTIONS = {
    "architecture": "--architecture",
    "clip_length": "--clip-length",
    "clip_fps": "--clip-fps",
    "input_size": "--input-size",
}
NEW_NAMES = {"--val-share": "--val-fraction"}


def _fold(text: str) -> str:
    """Type of ``--fold``, which stays text as in files of options."""
    try:
        parse_fold(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


@dataclass(kw_only=True)
class ActionTrainingOptions(TrainingOptions):
    """Options of the command."""

    default_minutes: ClassVar[float] = 25

    data: list[Path] = option(
        help="training data folder; may be given several times", type=Path, action="append"
    )
    val: Path | None = option(None, "held-out data folder, never trained on", Path)
    val_fraction: float | None = option(
        None, "hold out this fraction of --data instead, whole videos or subjects", positive_float
    )
    fold: str | None = option(
        None,
        "hold out fold K of N of the subjects (or videos) of --data instead, for cross-validation",
        _fold,
        metavar="K/N",
    )
    also_train: list[Path] = option(
        [],
        "data folder of which nothing is held out, such as renders; may be given several times",
        Path,
        action="append",
        metavar="DATA",
    )
    group_pattern: str | None = option(
        None,
        "with --val-fraction or --fold: regular expression for the part of a path that names the"
        " subject",
    )
    clip_length: int | None = option(None, "frames of a clip (default: 16)", bounded_int(2))
    clip_fps: float | None = option(
        None, "frames per second of a clip (default: the architecture's)", positive_float
    )
    input_size: int | None = option(
        None, "side of a clip's frames in pixels (default: the architecture's)", bounded_int(1)
    )
    alarm_class: list[str] | None = option(
        None,
        "class that raises the fall alarm; may be given several times (default: 'falling', or those"
        " of --weights with the same classes)",
        action="append",
        metavar="NAME",
    )
    lying_class: list[str] | None = option(
        None,
        "class that confirms a fall and holds its alarm; may be given several times (default:"
        " 'lying', or those of --weights with the same classes)",
        action="append",
        metavar="NAME",
    )
    folder_fps: float = option(30.0, "rate of the pictures in folders of frames", positive_float)
    pictures: str | None = option(None, PICTURES_HELP, metavar="GLOB")
    skip_bad: bool = option(False, "leave videos out that cannot be used, instead of stopping")

    architecture: str = option("resnext3d_compact", "of the network", choices=list(ARCHITECTURES))
    weights: list[Path] | None = option(
        None,
        "fine-tune: a model file or a published checkpoint; I3D: one per stream",
        Path,
        nargs="+",
    )
    freeze_through: str | None = option(
        None, "with --weights, do not train the network up to and with this stage", metavar="STAGE"
    )
    augmentation: Mode = option("some", "filters applied to a clip", choices=get_args(Mode))
    balance: Balance = option(
        "sampling",
        "draw all classes equally often, or weighted cross entropy by inverse class frequency, or"
        " neither",
        choices=get_args(Balance),
    )

    batch_size: int = option(16, **BATCH_SIZE)
    label_smoothing: float = option(0.05, "of the cross entropy", bounded_float(0.0, below=1.0))
    optimizer: str = option(
        "adamw", "adamw: warm-up and cosine; sgd: --lr-steps", choices=list(LEARNING_RATES)
    )
    learning_rate: float | None = option(
        None, f"at the peak (default: {LEARNING_RATES})", positive_float
    )
    lr_steps: list[int] = option(
        [],
        "sgd: epochs after which the rate is a tenth",
        bounded_int(1),
        nargs="*",
        metavar="EPOCH",
    )
    epochs: int | None = option(
        None,
        "instead of --steps and --max-minutes: epochs of one clip per labelled segment",
        bounded_int(1),
    )
    evaluate_every: int = option(
        0, "held-out scores for TensorBoard; 0: at the end", bounded_int(0), metavar="STEPS"
    )
    workers: int = option(1, "processes that prepare clips", bounded_int(0))
    devices: int = option(1, "GPUs, or processes on a CPU, each with its own batch", bounded_int(1))
    config: Path | None = None


def parse_arguments(arguments: Sequence[str] | None = None) -> ActionTrainingOptions:
    """Options of the command line and of the YAML file that it may name."""
    parser = argparse.ArgumentParser(
        prog=program_name("actionrec_node.train"),
        description="Train an action model on labelled videos.",
    )
    add_options(parser, ActionTrainingOptions)

    args = parse_with_yaml(parser, arguments, NEW_NAMES)
    options = ActionTrainingOptions(**vars(args))
    _check_together(parser, options)
    return options


def _check_together(parser: argparse.ArgumentParser, options: ActionTrainingOptions) -> None:
    """End the program with a message for options of which one needs, or rules out, another."""
    if options.freeze_through and not options.weights:
        parser.error(
            "--freeze-through needs --weights: stages that were never trained would be frozen"
        )

    ways = (options.val, options.val_fraction, options.fold)
    if sum(way is not None for way in ways) != 1:
        parser.error(
            "give one of --val, --val-fraction and --fold: the model is scored on videos that it"
            " was not trained on"
        )

    if options.precision == "bf16-mixed" and not options.uses_gpu:
        parser.error(
            "--precision bf16-mixed needs a GPU here: on CPUs, bfloat16 gradients of grouped 3D"
            " convolutions are at times infinite"
        )

    if options.group_pattern is not None and options.val is not None:
        parser.error(
            "--group-pattern needs --val-fraction or --fold: it says what of --data stays on one"
            " side"
        )
    if options.lr_steps and options.optimizer != "sgd":
        parser.error("--lr-steps needs --optimizer sgd: the rate of adamw falls by itself")


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
        if any(video.boxes is not None for video in self.held_out):
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


def _classes_of_falls(
    options: ActionTrainingOptions, class_names: Sequence[str]
) -> dict[str, tuple[str, ...] | None]:
    """The classes that raise and confirm the fall alarm; None: the default ones.

    Raises DataError.
    """
    same_classes = options.weights and are_of_classes(options.weights, class_names)
    before = read_spec(options.weights[0]) if options.weights and same_classes else None

    def choose(given: list[str] | None, earlier: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return earlier if given is None else tuple(given)

    alarms = choose(options.alarm_class, before.alarms if before else None)
    lying = choose(options.lying_class, before.confirmations if before else None)
    try:
        if alarms is not None:
            check_alarm_classes(class_names, alarms)
        if lying is not None:
            check_lying_classes(class_names, lying, alarms or ())
    except ValueError as error:
        raise DataError(f"--alarm-class, --lying-class: {error}") from error
    return {"alarm_classes": alarms, "lying_classes": lying}


def split_data(
    options: ActionTrainingOptions, annotations: Annotations
) -> tuple[Annotations, Annotations]:
    """What of --data is trained on, and what is held out. Raises DataError."""
    if options.fold is not None:
        return hold_out_fold(annotations, *parse_fold(options.fold), options.group_pattern)
    if options.val_fraction is not None:
        return split(annotations, options.val_fraction, options.seed, options.group_pattern)
    assert options.val is not None  # one of the three, see _check_together
    held_out = read_folders([options.val])
    check_disjoint(annotations, held_out)
    return annotations, held_out


def load_data(
    options: ActionTrainingOptions,
) -> tuple[ActionModelSpec, list[LabeledVideo], list[LabeledVideo]]:
    """Model specification, training videos and held-out videos. Raises DataError."""
    annotations, held_out = split_data(options, read_folders(options.data))
    if options.also_train:
        also = read_folders(options.also_train)
        check_disjoint(also, {**annotations, **held_out})
        annotations |= also
    folders = [*options.data, *options.also_train, *([options.val] if options.val else [])]

    side = options.input_size
    spec = new_spec(
        options.architecture,
        class_names_of(annotations),
        clip_length=options.clip_length,
        clip_fps=options.clip_fps,
        input_size=(side, side) if side else None,
        **_classes_of_falls(options, class_names_of(annotations)),
    )
    load = partial(
        load_videos,
        class_names=spec.class_names,
        form=VideoFormat(
            spec.clip_fps, round(CACHED_SIDE * spec.size), options.folder_fps, options.pictures
        ),
        min_frames=spec.clip_length,
        skip_bad=options.skip_bad,
        tracks=read_boxes(folders),
        folder=options.run_dir,
    )
    # Clips that are drawn end in a label; held-out videos are seen as a robot sees them.
    lead_frames = math.ceil(spec.clip_length * (1 + MAX_SPEED_CHANGE))
    return spec, load(annotations, lead_frames=lead_frames), load(held_out)


def run(options: ActionTrainingOptions) -> None:
    """Train, score on the held-out videos, write the model and its record.

    Raises DataError, ModelFileError, TrainingError, and OSError where a folder cannot be written
    to.
    """
    for folder in (options.out.parent, options.run_dir):  # not only after hours
        folder.mkdir(parents=True, exist_ok=True)
    fabric = create_fabric(options, options.devices)
    fabric.launch()

    spec, train_videos, val_videos = load_data(options)
    warning = alarm_warning(spec.class_names, spec.alarms)
    if warning and fabric.is_global_zero:
        print(f"warning: {warning}", file=sys.stderr)
    settings = ClipSettings(options.augmentation, options.balance, options.seed)
    folders = [*options.data, *options.also_train]
    clips = TrainingClips(train_videos, spec, settings, folders)
    data: dict[str, Any] = {
        "train_videos": len(train_videos),
        "held_out_videos": len(val_videos),
        "videos_with_boxes": sum(video.boxes is not None for video in (*train_videos, *val_videos)),
        "train_windows": dict(zip(spec.class_names, clips.counts.tolist(), strict=True)),
    }

    model = ActionModel(spec)
    if options.weights:
        same_classes = are_of_classes(options.weights, spec.class_names)
        load_pretrained(model.network, options.weights, keep_classifier=same_classes)

    trainer = ActionTrainer(fabric, options, model, clips, val_videos)
    clock = trainer.create_clock()
    loop = TrainingLoop(trainer, options, clock)
    if fabric.is_global_zero:
        print(f"training on {data}, {trainer.steps_per_epoch} steps an epoch")
        save_options(options.run_dir / "config.yaml", argparse.Namespace(**vars(options)))
    network = loop.run()
    if not fabric.is_global_zero:
        return

    save_action_model(options.out, network)
    scores = trainer.validate(network)
    print(format_scores(scores))
    if "per_person" in scores:
        print(f"the same with clips of the people\n{format_scores(scores['per_person'])}")
    record = write_record(options, clock, data, scores)
    print(f"model {options.out}, record {record}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; ends the program with a message for data and files that cannot be used."""
    options = parse_arguments(arguments)
    with exit_on(DataError, ModelFileError, OSError):
        run(options)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
