# SPDX-License-Identifier: Apache-2.0
"""Options of ``python -m pose6d_node.train_pose``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from perception_kit.arguments import (
    CommandParser,
    bounded_int,
    model_path,
    positive_float,
    program_name,
)
from perception_kit.datasets.mesh_units import MESH_UNIT_HELP, MESH_UNITS, MeshUnit
from perception_kit.datasets.scaling import SizeVariation
from perception_kit.training.data_help import (
    CLASSES_HELP,
    DATA_HELP,
    SPLIT_HELP,
    VAL_HELP,
    VAL_SPLIT_HELP,
)
from perception_kit.training.options import BATCH_SIZE, TrainingOptions, add_options, option
from pose6d_node.densefusion.architectures import ARCHITECTURES


@dataclass(kw_only=True)
class PoseTrainingOptions(TrainingOptions):
    """Options of the command."""

    data: list[Path] = option(help=DATA_HELP, type=Path, action="append")
    split: list[str] = option([], SPLIT_HELP, nargs="+")
    classes: list[str] = option([], CLASSES_HELP, nargs="+")
    mesh_unit: MeshUnit = option("auto", MESH_UNIT_HELP, choices=MESH_UNITS)
    val: Path = option(help=VAL_HELP, type=Path)
    val_split: str = option("val", VAL_SPLIT_HELP)
    architecture: str = option(
        "densefusion_compact", "of the network", choices=sorted(ARCHITECTURES)
    )
    weights: Path | None = option(
        None, "pose model file to start from; its objects may be others", model_path
    )

    batch_size: int = option(32, **BATCH_SIZE)
    learning_rate: float = option(1e-3, "of AdamW, at the peak", positive_float)
    confidence_weight: float = option(0.02, "w of the loss, in object diameters", float)
    refine_margin: float = option(
        0.05, "mean error in diameters below which the refiner joins in", float
    )
    refine_after: float = option(
        0.4, "fraction of the run after which it joins in at the latest", float
    )
    refine_iterations: int = option(2, "of the refiner, also when scored", bounded_int(1))

    min_visible: float = option(
        0.15, "fraction of an instance that must be seen to train on it", float
    )
    max_roll: float = option(0.35, "random rotation about the viewing ray, radians", float)

    estimate_size: SizeVariation | None = option(
        None,
        "estimate the sizes of instances, which differ from their model by one factor, or by one"
        " for each of its axes; the data must state their scale",
        choices=get_args(SizeVariation),
    )
    size_weight: float = option(0.05, "of the loss of the sizes", positive_float)


def parse_arguments(arguments: Sequence[str] | None = None) -> PoseTrainingOptions:
    """Options of the command line."""
    parser = CommandParser(
        prog=program_name("pose6d_node.train_pose"), description="Train DenseFusion on a dataset."
    )
    add_options(parser, PoseTrainingOptions)
    return PoseTrainingOptions(**vars(parser.parse_args(arguments)))
