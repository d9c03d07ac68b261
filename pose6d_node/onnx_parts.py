# SPDX-License-Identifier: Apache-2.0
"""The networks of a segmentation or pose model that are written as ONNX files."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.onnx_export import Part
from pose6d_node.densefusion.coordinate_net import CoordinateVotes
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.pose_net import PoseVotes
from pose6d_node.densefusion.size_net import ColorAndSizeNet
from pose6d_node.segmentation.segmentation_model import load_segmentation

_INSTANCES = 2  # in the examples
_SIDE = 32  # the sides of images are multiples of this


class _Votes(nn.Module):
    """The votes of an estimator as a tuple."""

    def __init__(self, estimator: nn.Module) -> None:
        super().__init__()
        self.estimator = estimator

    def forward(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> tuple[Tensor, ...]:
        votes: PoseVotes | CoordinateVotes = self.estimator(image, cloud, pixels, class_index)
        return tuple(vars(votes).values())


class _Pyramid(nn.Module):
    """The values of the dictionary that a backbone gives."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.backbone(image).values())


@torch.no_grad()
def segmentation_parts(path: Path) -> tuple[list[Part], dict[str, Any]]:
    """The convolutions of a segmentation model, and its specification.

    Raises ModelFileError.
    """
    network, spec = load_segmentation(path)
    network.eval()
    width, height = (_SIDE * math.ceil(side / _SIDE) for side in spec.input_size)
    image = torch.rand(1, len(network.transform.image_mean), height, width)
    levels = network.backbone(image)
    names = tuple(f"level_{name}" for name in levels)
    sizes = {name: {2: f"{name}_height", 3: f"{name}_width"} for name in names}

    # The heads work on any number of regions.
    heads = network.roi_heads
    size = heads.box_roi_pool.output_size
    channels = heads.box_head.fc6.in_features // math.prod(size)
    box_features = torch.rand(_INSTANCES, channels, *size)
    deep = next(iter(levels.values())).shape[1]
    mask_features = torch.rand(_INSTANCES, deep, *heads.mask_roi_pool.output_size)
    masks = nn.Sequential(heads.mask_head, heads.mask_predictor)
    boxes = _BoxHead(heads.box_head, heads.box_predictor)
    # The finest level makes no proposals in some architectures.
    used = names[-len(network.rpn.head(list(levels.values()))[0]) :]
    proposals = tuple(f"{kind}_{name}" for kind in ("objectness", "deltas") for name in used)
    used_levels = tuple(levels[name] for name in list(levels)[-len(used) :])
    head = _UsedLevels(network.rpn.head, len(names) - len(used))
    box_outputs = ("features", "class_logits", "box_deltas")
    any_regions = {"regions": {0: "regions"}}
    any_size = {"image": {2: "height", 3: "width"}}
    parts = [
        Part("backbone", _Pyramid(network.backbone), (image,), ("image",), names, any_size),
        Part("proposals", head, used_levels, used, proposals, {name: sizes[name] for name in used}),
        Part("box_head", boxes, (box_features,), ("regions",), box_outputs, any_regions),
        Part("mask_head", masks, (mask_features,), ("regions",), ("mask_logits",), any_regions),
    ]
    return parts, {"kind": "segmentation", **asdict(spec)}


class _UsedLevels(nn.Module):
    """A region proposal head that takes no levels of which it makes no use, the first ``unused``.

    ONNX files have no such inputs.
    """

    def __init__(self, head: nn.Module, unused: int) -> None:
        super().__init__()
        self.head, self.unused = head, unused

    def forward(self, *levels: Tensor) -> tuple[Tensor, ...]:
        objectness, deltas = self.head([*levels[:1] * self.unused, *levels])
        return (*objectness, *deltas)


class _BoxHead(nn.Module):
    """The features of regions, the logits of their classes and the deltas of their boxes."""

    def __init__(self, head: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.head, self.predictor = head, predictor

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.head(regions)
        return (features, *self.predictor(features))


@torch.no_grad()
def pose_parts(path: Path) -> tuple[list[Part], dict[str, Any]]:
    """Estimator, refiner and size network of a pose model, and its specification.

    Raises ModelFileError, also for a model without trained networks.
    """
    model = PoseModel.load(path)
    spec = model.spec
    if not spec.num_trained:
        raise ModelFileError(f"'{path}' has no trained network to export: its poses need none")
    image = torch.rand(_INSTANCES, 3, spec.crop_size, spec.crop_size)
    cloud = torch.rand(_INSTANCES, spec.num_points, 3) - 0.5
    pixels = torch.rand(_INSTANCES, spec.num_points, 2) * 2 - 1
    class_index = torch.arange(_INSTANCES) % spec.num_trained
    votes = model.estimator(image, cloud, pixels, class_index)
    features = votes.features

    inputs = ("image", "cloud", "pixels", "class_index")
    seen = ("cloud", "features", "class_index")
    batch = {0: "instances"}
    examples = (image, cloud, pixels, class_index)
    refined = (cloud, features, class_index)
    parts = [
        Part(
            "estimator",
            _Votes(model.estimator),
            examples,
            inputs,
            tuple(vars(votes)),
            {name: batch for name in inputs},
        ),
        Part(
            "refiner",
            model.refiner,
            refined,
            seen,
            ("quaternion", "translation"),
            {name: batch for name in seen},
        ),
    ]
    if spec.estimates_sizes:
        sizes = ColorAndSizeNet(model.estimator.cnn, model.size_network).eval()
        outputs, any_number = ("mean", "log_std"), {name: batch for name in inputs}
        parts.append(Part("sizes", sizes, examples, inputs, outputs, any_number))
    about = {name: value for name, value in asdict(spec).items() if name != "symmetries"}
    return parts, {"kind": "pose", **about}
