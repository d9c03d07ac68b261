# SPDX-License-Identifier: Apache-2.0
"""Turns checkpoints that users have into model files: ``python -m pose6d_node.convert CHECKPOINT…
--class-names A B … --out FILE``.

Understood are DenseFusion's pose_model_*.pth together with pose_refine_model_*.pth, and state dicts
of torchvision's maskrcnn_resnet50_fpn. What a checkpoint holds is told by its tensors; what it does
not hold is named on the command line. Exit code: 0; 2 for input that cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from torch import Tensor
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

from perception_kit.arguments import bounded_int, model_file
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.opener import open_dataset, open_models
from perception_kit.networks.model_file import file_sha256, load_weights, read_state_dict
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node.densefusion.crops import CAMERA_FRAME
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.segmentation.dataset import load_frames
from pose6d_node.segmentation.descriptor import fit_descriptor
from pose6d_node.segmentation.network import build_network, save_segmentation

EXIT_BAD_INPUT = 2
# Every kind of checkpoint, and the tensor that tells it and the number of its classes: outputs per
# class, and classes that are not counted.
SEGMENTATION, ESTIMATOR, REFINER = "Mask R-CNN", "DenseFusion estimator", "DenseFusion refiner"
MARKS = {
    SEGMENTATION: ("roi_heads.box_predictor.cls_score.bias", 1, 1),
    ESTIMATOR: ("conv4_c.bias", 1, 0),
    REFINER: ("conv3_r.bias", 4, 0),
}
COCO = "coco"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pose6d_node.convert",
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
    pose = parser.add_argument_group("pose")
    pose.add_argument(
        "--models",
        type=Path,
        help="models folder of a dataset, for points, diameters and symmetries; classes by name",
    )
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)
    try:
        checkpoints = [
            read_checkpoint(path, len(args.class_names) if args.class_names != [COCO] else None)
            for path in args.checkpoints
        ]
        kinds = [one.kind for one in checkpoints]
        if kinds == [SEGMENTATION]:
            convert_segmentation(args, checkpoints[0])
        elif sorted(kinds) == [ESTIMATOR, REFINER]:
            convert_pose(args, *sorted(checkpoints, key=attrgetter("kind")))
        else:
            raise ModelFileError(
                f"got {', '.join(kinds)}: give one {SEGMENTATION}, or one {ESTIMATOR} and its"
                f" {REFINER}"
            )
    except (DatasetError, ModelFileError, OSError) as error:
        print(f"convert: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    print(f"wrote {args.out}")
    return 0


@dataclass
class Checkpoint:
    """Tensors by name of a file, and which of ``MARKS`` they are."""

    path: Path
    kind: str
    tensors: dict[str, Tensor]


def read_checkpoint(path: Path, num_classes: int | None) -> Checkpoint:
    """The networks that a file holds.

    Raises ModelFileError where it holds anything but tensors, is of no known kind, or is not for
    ``num_classes`` (None: not checked).
    """
    state = read_state_dict(path)
    for kind, (mark, size, uncounted) in MARKS.items():
        if mark in state:
            found = state[mark].numel() // size - uncounted
            if num_classes not in (None, found):
                raise ModelFileError(
                    f"'{path}' ({kind}) is for {found} classes, but {num_classes} class names are"
                    " given"
                )
            return Checkpoint(path, kind, state)
    raise ModelFileError(
        f"'{path}' is none of {', '.join(MARKS)} (its tensors are {sorted(state)[:5]}, …)"
    )


def convert_segmentation(args: argparse.Namespace, checkpoint: Checkpoint) -> None:
    """Write the model file of a torchvision Mask R-CNN.

    Raises ModelFileError where it is not the one with ResNet-50 and FPN.
    """
    names = (
        MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"][1:]
        if args.class_names == [COCO]
        else args.class_names
    )
    network = build_network("resnet50", len(names))
    own = network.state_dict()
    # What torchvision does not have: the descriptor; and frozen normalisation does not count its
    # batches.
    extra = {
        name: value
        for name, value in own.items()
        if name.startswith("descriptor.") or name.endswith("num_batches_tracked")
    }
    load_weights(network, {**extra, **checkpoint.tensors}, checkpoint.path)
    if args.data is not None:
        fit_descriptor(
            network, load_frames(open_dataset(args.data, "train"), tuple(args.input_size))
        )
    else:
        print(
            "no --data: the appearance descriptor is not fitted, so tracking will tell objects of a"
            " class apart less well"
        )
    save_segmentation(args.out, network, "resnet50", list(names), list(args.input_size))


def convert_pose(args: argparse.Namespace, estimator: Checkpoint, refiner: Checkpoint) -> None:
    """Write the model file of DenseFusion's two networks.

    Raises ModelFileError or DatasetError where something does not fit.
    """
    if args.models is None:
        raise ModelFileError(
            "a pose model needs --models: the folder of the object models that the checkpoint was"
            " trained on"
        )
    models = {
        model.name: model for model in open_models(args.models).values() if not model.articulated
    }
    if missing := [name for name in args.class_names if name not in models]:
        raise ModelFileError(
            f"'{args.models}' has no model named {', '.join(missing)}: it has {', '.join(models)}"
        )
    model = PoseModel.for_objects([models[name] for name in args.class_names], "densefusion")
    model.config.crop_size, model.config.num_points, model.config.input_frame = (
        args.crop_size,
        args.num_points,
        CAMERA_FRAME,
    )
    published = {
        name.replace("cnn.model.", "cnn.", 1).replace("cnn.module.", "cnn.", 1): tensor
        for name, tensor in estimator.tensors.items()
        if ".classifier." not in name  # published, but never evaluated
    }
    load_weights(model.estimator, published, estimator.path)
    load_weights(model.refiner, refiner.tensors, refiner.path)
    model.save(
        args.out, {"converted_from": {path.name: file_sha256(path) for path in args.checkpoints}}
    )


if __name__ == "__main__":
    sys.exit(main())
