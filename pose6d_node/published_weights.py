# SPDX-License-Identifier: Apache-2.0
"""Published weights as tensors of the networks here.

Understood are DenseFusion's checkpoints, torchvision's Mask R-CNN and EfficientNet-Lite0's ImageNet
weights. What a checkpoint holds is told by its tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN, MaskRCNN_ResNet50_FPN_Weights

from perception_kit.networks.efficientnet_lite import imagenet_state
from perception_kit.networks.model_file import read_state_dict
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node.segmentation.network import IMAGE_MEAN, IMAGE_STD

# Every kind of checkpoint, and the tensor that tells it and the number of its classes: outputs per
# class, and classes that are not counted.
SEGMENTATION, ESTIMATOR, REFINER = "Mask R-CNN", "DenseFusion estimator", "DenseFusion refiner"
MARKS = {
    SEGMENTATION: ("roi_heads.box_predictor.cls_score.bias", 1, 1),
    ESTIMATOR: ("conv4_c.bias", 1, 0),
    REFINER: ("conv3_r.bias", 4, 0),
}


@dataclass
class PublishedWeights:
    """Tensors by name of a file, and which of ``MARKS`` they are."""

    path: Path
    kind: str
    tensors: dict[str, Tensor]


def read_published_weights(path: Path, num_classes: int | None) -> PublishedWeights:
    """The network that a checkpoint holds.

    Raises ModelFileError where it holds anything but tensors, is of no known kind, or is not for
    ``num_classes`` (None: not checked).
    """
    state = read_state_dict(path)
    for kind, (mark, outputs_per_class, uncounted) in MARKS.items():
        if mark not in state:
            continue
        found = state[mark].numel() // outputs_per_class - uncounted
        if num_classes not in (None, found):
            raise ModelFileError(
                f"'{path}' ({kind}) is for {found} classes, but {num_classes} class names are given"
            )
        return PublishedWeights(path, kind, state)

    raise ModelFileError(
        f"'{path}' is none of {', '.join(MARKS)} (its tensors are {sorted(state)[:5]}, …)"
    )


def densefusion_tensors(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of DenseFusion's estimator under the names of ``PoseNet``.

    Its colour network was saved inside a DataParallel; its classifier is never evaluated.
    """
    return {
        name.replace("cnn.model.", "cnn.", 1).replace("cnn.module.", "cnn.", 1): tensor
        for name, tensor in published.items()
        if ".classifier." not in name
    }


def torchvision_tensors(published: dict[str, Tensor], network: MaskRCNN) -> dict[str, Tensor]:
    """Tensors of torchvision's Mask R-CNN, completed by those that only ``network`` has.

    These are the descriptor's, and the batch counters: torchvision's frozen normalisation has none.
    """
    own = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name.startswith("descriptor.") or name.endswith("num_batches_tracked")
    }
    return {**own, **published}


def coco_class_names() -> list[str]:
    """torchvision's names of the labels 1 to 90 of its COCO weights."""
    return list(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"][1:])


def imagenet_weights() -> dict[str, Tensor]:
    """Tensors of the backbone ``efficientnet_lite0`` trained on ImageNet."""
    state = imagenet_state(torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD))
    return {f"backbone.body.{name}": tensor for name, tensor in state.items()}
