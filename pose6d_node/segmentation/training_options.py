# SPDX-License-Identifier: Apache-2.0
"""Options of ``python -m pose6d_node.train_segmentation``, and which of them go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from perception_kit.arguments import CommandParser, bounded_int, positive_float, program_name
from perception_kit.datasets.mesh_units import MESH_UNIT_HELP, MESH_UNITS, MeshUnit
from perception_kit.networks.metadata_schema import metadata_fault
from perception_kit.training.data_help import (
    CLASSES_HELP,
    DATA_HELP,
    SPLIT_HELP,
    VAL_HELP,
    VAL_SPLIT_HELP,
)
from perception_kit.training.options import TrainingOptions, add_options, option
from pose6d_node.segmentation.layers import ARCHITECTURES, FIRST_LAYER, LAYERS

Augmentation = Literal["objects", "categories"]
MIN_INPUT_SIDE = 64  # pixels, of the coarsest level's single cell
PUBLISHED_WEIGHTS = {"imagenet": "efficientnet_lite0", "coco": "resnet50"}  # of architectures


@dataclass(kw_only=True)
class SegmentationTrainingOptions(TrainingOptions):
    """Options of the command."""

    default_minutes: ClassVar[float] = 40

    data: list[Path] = option(help=DATA_HELP, type=Path, action="append")
    split: list[str] = option([], SPLIT_HELP, nargs="+")
    classes: list[str] = option([], CLASSES_HELP, nargs="+")
    background: list[Path] = option(
        [],
        "a dataset without the classes, whose frames show what they are not (may be repeated)",
        Path,
        action="append",
    )
    mesh_unit: MeshUnit = option("auto", MESH_UNIT_HELP, choices=MESH_UNITS)
    val: Path | None = option(None, VAL_HELP, Path)
    val_split: str = option("val", VAL_SPLIT_HELP)
    architecture: str = option("efficientnet_lite0", "of the network", choices=ARCHITECTURES)
    depth: bool = option(
        False,
        "depth as a fourth input channel: tells small things from large ones of similar looks",
    )
    weights: str = option(
        "",
        "start from a .safetensors or .pth file, 'imagenet' (default of efficientnet_lite0), 'coco'"
        " (resnet50: torchvision's download) or 'none'",
    )
    freeze_through: str = option(
        FIRST_LAYER,
        "given weights stay up to and with this layer of the backbone; the more, the fewer your"
        " images are",
        choices=LAYERS,
    )
    input_size: list[int] = option(
        [320, 240],
        "pixels that images are fitted into",
        bounded_int(1),
        nargs=2,
        metavar=("W", "H"),
    )

    augmentation: Augmentation = option(
        "objects",
        "objects: classes are single things, never mirrored; categories (people, chairs): mirrored,"
        " and instances of other images pasted in; without --depth only",
        choices=get_args(Augmentation),
    )

    learning_rate: float = option(1e-3, "of AdamW, at the peak", positive_float)
    workers: int | None = option(
        None, "processes that augment images (default: 0 on a CPU, 8 with a GPU)", bounded_int(0)
    )


def parse_arguments(arguments: Sequence[str] | None = None) -> SegmentationTrainingOptions:
    """Options of the command line."""
    parser = CommandParser(
        prog=program_name("pose6d_node.train_segmentation"),
        description="Train Mask R-CNN on a dataset.",
    )
    add_options(parser, SegmentationTrainingOptions)
    options = SegmentationTrainingOptions(**vars(parser.parse_args(arguments)))
    if not options.weights:
        options.weights = "imagenet" if options.architecture == "efficientnet_lite0" else "none"

    needed = PUBLISHED_WEIGHTS.get(options.weights, options.architecture)
    if needed != options.architecture:
        parser.error(
            f"--weights {options.weights} are there for --architecture {needed}, not for"
            f" {options.architecture}"
        )
    if options.depth and options.augmentation == "categories":
        parser.error("--augmentation categories pastes colors alone: leave --depth out")
    width, height = options.input_size
    if min(width, height) < MIN_INPUT_SIDE:
        parser.error(
            f"--input-size {width} {height}: both must be at least {MIN_INPUT_SIDE} pixels"
        )
    if fault := metadata_fault({"input_size": options.input_size}):
        parser.error(f"argument --input-size: {fault}")
    return options
