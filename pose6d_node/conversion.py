# SPDX-License-Identifier: Apache-2.0
"""What checkpoints of others hold, as model files."""

from __future__ import annotations

import argparse
from operator import attrgetter

from perception_kit.datasets.joined import open_datasets
from perception_kit.datasets.opener import open_models
from perception_kit.networks.model_file import file_sha256, load_weights
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node.conversion_options import COCO
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
