# SPDX-License-Identifier: Apache-2.0
"""Options of ``python -m actionrec_node.train``, and which of them go together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_args

from actionrec_node.config_file import parse_with_yaml
from actionrec_node.data.augmentation import Mode
from actionrec_node.data.clip_settings import Balance
from actionrec_node.data.splits import parse_fold
from actionrec_node.networks.architectures import ARCHITECTURES, find_architecture
from perception_kit.arguments import (
    CommandParser,
    bounded_float,
    bounded_int,
    model_path,
    positive_float,
    program_name,
)
from perception_kit.networks.metadata_schema import metadata_fault
from perception_kit.training.options import BATCH_SIZE, TrainingOptions, add_options, option
from perception_kit.videos.pictures import PICTURES_HELP

LEARNING_RATES = {"adamw": 2e-3, "sgd": 1e-2}
# Fields of the model's specification that are options of the command.
SPEC_OPTIONS = {
    "architecture": "--architecture",
    "clip_length": "--clip-length",
    "clip_fps": "--clip-fps",
    "input_size": "--input-size",
    "surroundings": "--surroundings",
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
    backgrounds: Path | None = option(
        None,
        "folder of photographs in which nobody is: half of the clips whose person has a box in all"
        " frames are moved there",
        Path,
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
    surroundings: float | None = option(
        None,
        "fraction of the contrast that is left around a person's box, 0 to 1: the smaller, the less"
        " a network can learn actions by the rooms (default: all)",
        bounded_float(0.0, 1.0),
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
        model_path,
        nargs="+",
    )
    freeze_through: str | None = option(
        None, "with --weights, do not train the network up to and with this stage", metavar="STAGE"
    )
    wise_ft: float | None = option(
        None,
        "with --weights of the same classes: how much of the model is as trained; the rest is"
        " --weights, which keeps what they know of other people and places (default: all)",
        bounded_float(0.0, 1.0),
        metavar="FRACTION",
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
    parser = CommandParser(
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
    if options.wise_ft is not None and not options.weights:
        parser.error("--wise-ft needs --weights: it takes the mean with them")

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
    # Files of options hold the default limit beside --epochs.
    has_limit = options.max_minutes not in (None, options.default_minutes)
    if options.epochs is not None and (has_limit or options.steps is not None):
        parser.error("give either --epochs or --steps and --max-minutes: they say when a run ends")
    _check_model(parser, options)


def _check_model(parser: argparse.ArgumentParser, options: ActionTrainingOptions) -> None:
    """End the program with a message where nothing would read the model file of the run."""
    default, side = find_architecture(options.architecture), options.input_size
    metadata = {
        "clip_length": options.clip_length or default.clip_length,
        "clip_fps": options.clip_fps or default.clip_fps,
        "input_size": default.input_size if side is None else (side, side),
    }
    for name, value in metadata.items():
        if fault := metadata_fault({name: value}):
            parser.error(f"argument {SPEC_OPTIONS[name]}: {fault}")
    if fault := metadata_fault(metadata):
        parser.error(f"{fault}: lower --clip-length or --input-size")
