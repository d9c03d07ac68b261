# SPDX-License-Identifier: Apache-2.0
"""Turns checkpoints that users have into model files.

``python -m pose6d_node.convert CHECKPOINT… --class-names A B … --out FILE`` understands
DenseFusion's pose_model_*.pth together with pose_refine_model_*.pth, and state dicts of
torchvision's maskrcnn_resnet50_fpn. What a checkpoint holds is told by its tensors; what it does
not hold is named on the command line. Exit code: 0; 2 for input that cannot be used.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from perception_kit.arguments import CommandParser, bounded_int, model_file, program_name
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.training.data_help import SPLIT_HELP

COCO = "coco"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = CommandParser(
        prog=program_name("pose6d_node.convert"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT",
        help=".pth file; two for DenseFusion",
    )
    parser.add_argument(
        "--out", type=model_file, required=True, help="model file to write (.safetensors)"
    )
    parser.add_argument(
        "--class-names",
        nargs="+",
        required=True,
        metavar="NAME",
        help=f"in the order of the outputs; '{COCO}' for torchvision's 90 labels",
    )

    segmentation = parser.add_argument_group("segmentation")
    segmentation.add_argument(
        "--input-size",
        type=bounded_int(1),
        nargs=2,
        default=[640, 480],
        metavar=("W", "H"),
        help="pixels (default 640 480)",
    )
    segmentation.add_argument(
        "--data",
        type=Path,
        help="dataset with frames of the classes, to fit the appearance descriptor to",
    )
    segmentation.add_argument("--split", nargs="+", default=[], help=SPLIT_HELP)

    pose = parser.add_argument_group("pose")
    pose.add_argument(
        "--models",
        type=Path,
        help="models folder of a dataset, for points, diameters and symmetries; classes by name",
    )
    add_mesh_unit(pose.add_argument)
    pose.add_argument(
        "--crop-size",
        type=bounded_int(1),
        default=160,
        help="side of the crops in pixels, a multiple of 8 (default %(default)s)",
    )
    pose.add_argument(
        "--num-points",
        type=bounded_int(1),
        default=500,
        help="points per object (default %(default)s; YCB-Video's checkpoint: 1000)",
    )

    args = parser.parse_args(arguments)
    if args.crop_size % 8:
        parser.error(f"--crop-size {args.crop_size}: the network needs a multiple of 8")
    if len(set(args.class_names)) < len(args.class_names):
        parser.error(f"--class-names {' '.join(args.class_names)}: every class needs its own name")
    return args
