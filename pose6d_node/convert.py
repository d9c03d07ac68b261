# SPDX-License-Identifier: Apache-2.0
"""Turns checkpoints that users have into model files.

``python -m pose6d_node.convert CHECKPOINT… --class-names A B … --out FILE`` understands
DenseFusion's pose_model_*.pth together with pose_refine_model_*.pth, and state dicts of
torchvision's maskrcnn_resnet50_fpn. What a checkpoint holds is told by its tensors; what it does
not hold is named on the command line. Exit code: 0; 2 for input that cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from perception_kit.arguments import CommandParser, bounded_int, model_file, program_name
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.joined import open_datasets
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.datasets.opener import open_models
from perception_kit.networks.model_file import file_sha256, load_weights
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import reporting, run_command
from perception_kit.training.data_help import SPLIT_HELP
from pose6d_node.densefusion.crops import CAMERA_FRAME
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.published_weights import (
    ESTIMATOR,
    REFINER,
    SEGMENTATION,
    PublishedWeights,
    coco_class_names,
    densefusion_tensors,
    read_published_weights,
    torchvision_tensors,
)
from pose6d_node.segmentation.dataset import load_frames
from pose6d_node.segmentation.descriptor_fitting import fit_descriptor
from pose6d_node.segmentation.network import build_network
from pose6d_node.segmentation.segmentation_model import save_segmentation

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


@reporting("convert", DatasetError, ModelFileError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)
    convert(args)
    print(f"wrote {args.out}")
    return 0


def convert(args: argparse.Namespace) -> None:
    """Read the checkpoints, and write the model file of what they hold.

    Raises ModelFileError, DatasetError or OSError where something does not fit.
    """
    num_classes = None if args.class_names == [COCO] else len(args.class_names)
    checkpoints = [read_published_weights(path, num_classes) for path in args.checkpoints]

    kinds = [checkpoint.kind for checkpoint in checkpoints]
    if kinds == [SEGMENTATION]:
        convert_segmentation(args, checkpoints[0])
    elif sorted(kinds) == [ESTIMATOR, REFINER]:
        convert_pose(args, *sorted(checkpoints, key=attrgetter("kind")))
    else:
        raise ModelFileError(
            f"got {', '.join(kinds)}: give one {SEGMENTATION}, or one {ESTIMATOR} and its {REFINER}"
        )


def convert_segmentation(args: argparse.Namespace, checkpoint: PublishedWeights) -> None:
    """Write the model file of a torchvision Mask R-CNN.

    Raises ModelFileError where it is not the one with ResNet-50 and FPN.
    """
    names = coco_class_names() if args.class_names == [COCO] else args.class_names
    network = build_network("resnet50", len(names))
    load_weights(network, torchvision_tensors(checkpoint.tensors, network), checkpoint.path)

    if args.data is not None:
        frames = load_frames(open_datasets([args.data], args.split), tuple(args.input_size))
        fit_descriptor(network, frames)
    else:
        print(
            "no --data: the appearance descriptor is not fitted, so tracking will tell objects of a"
            " class apart less well"
        )

    save_segmentation(args.out, network, "resnet50", names, args.input_size)


def convert_pose(
    args: argparse.Namespace, estimator: PublishedWeights, refiner: PublishedWeights
) -> None:
    """Write the model file of DenseFusion's two networks.

    Raises ModelFileError or DatasetError where something does not fit.
    """
    # The objects that the checkpoint knows.
    if args.models is None:
        raise ModelFileError(
            "a pose model needs --models: the folder of the object models that the checkpoint was"
            " trained on"
        )
    models = {
        model.name: model
        for model in open_models(args.models, args.mesh_unit).values()
        if not model.articulated
    }
    if missing := [name for name in args.class_names if name not in models]:
        raise ModelFileError(
            f"'{args.models}' has no model named {', '.join(missing)}: it has {', '.join(models)}"
        )

    objects = [models[name] for name in args.class_names]
    for note in (note for entry in objects for note in entry.notes):
        print(note)

    # The networks, which see what they were trained on.
    model = PoseModel.for_objects(objects, "densefusion")
    model.spec.crop_size = args.crop_size
    model.spec.num_points = args.num_points
    model.spec.input_frame = CAMERA_FRAME
    load_weights(model.estimator, densefusion_tensors(estimator.tensors), estimator.path)
    load_weights(model.refiner, refiner.tensors, refiner.path)

    sources = {path.name: file_sha256(path) for path in args.checkpoints}
    model.save(args.out, {"converted_from": sources})


if __name__ == "__main__":
    sys.exit(run_command(main))
