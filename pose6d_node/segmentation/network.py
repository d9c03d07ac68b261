# SPDX-License-Identifier: Apache-2.0
"""The Mask R-CNN networks (He et al., "Mask R-CNN", ICCV 2017), built on torchvision's
implementation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from perception_kit.networks.model_file import save_model
from pose6d_node.segmentation.depth_input import (
    DEPTH_MEAN,
    DEPTH_STD,
    SIZE_CHANNELS,
    ColorDepthBackbone,
    SizedRoIAlign,
)
from pose6d_node.segmentation.descriptor import Descriptor
from pose6d_node.segmentation.efficientnet_lite import (
    STAGE_CHANNELS,
    efficientnet_lite0,
    imagenet_state,
)
from pose6d_node.segmentation.roi_align import GatherRoIAlign
from pose6d_node.segmentation.thin_resnet import thin_resnet

ARCHITECTURES = ("compact", "efficientnet_lite0", "resnet50")
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
PYRAMID_LEVELS = ["0", "1", "2", "3"]
PYRAMID_CHANNELS = 64
ANCHOR_SIZES = ((16, 24), (36, 54), (80, 120), (180, 260))  # pixels, for strides 8, 16, 32 and 64
ANCHOR_RATIOS = ((0.5, 1.0, 2.0),) * len(ANCHOR_SIZES)


class CoarseAnchors(AnchorGenerator):
    """Anchors for all pyramid levels but the finest, which only serves the masks: it is 3/4 of all
    positions.
    """

    def forward(
        self, image_list: ImageList, feature_maps: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Anchors (N, 4) of each image."""
        return super().forward(image_list, feature_maps[1:])


class CoarseRPNHead(RPNHead):
    """Region proposal head for the levels of ``CoarseAnchors``."""

    def forward(self, x: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Objectness and box deltas of each level."""
        return super().forward(x[1:])


class NativeSize(GeneralizedRCNNTransform):
    """Normalises and pads images; unlike torchvision's own, it keeps their size (its
    ``_skip_resize`` only acts in training).
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(min_size=0, max_size=0, image_mean=list(mean), image_std=list(std))

    def resize(
        self, image: torch.Tensor, target: dict[str, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
        """Image and target as they are."""
        return image, target


def build_network(
    architecture: str,
    num_classes: int,
    mean: Sequence[float] = IMAGE_MEAN,
    std: Sequence[float] = IMAGE_STD,
    depth: bool = False,
    proposals: int = 100,
) -> MaskRCNN:
    """Untrained network for ``num_classes`` classes without the background, whose labels are 1 to
    ``num_classes``.

    The network takes images in [0, 1] at the size they have (no rescaling inside) and normalises
    them by ``mean`` and ``std``; with ``depth``, a fourth channel follows, see ``depth_channel``.
    ``proposals`` is the number of regions that reach the heads at test time. Its module
    ``descriptor`` is not part of torchvision's network: it is fitted after training and called with
    RoIAlign features. Raises ValueError for an unknown architecture.
    """
    settings = {
        "rpn_pre_nms_top_n_test": 3 * proposals,
        "rpn_post_nms_top_n_test": proposals,
    }
    if architecture in ("compact", "efficientnet_lite0"):
        network = _light(architecture, num_classes + 1, settings)
    elif architecture == "resnet50":
        network = maskrcnn_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=num_classes + 1, **settings
        )
        network.roi_heads.box_roi_pool = GatherRoIAlign(
            PYRAMID_LEVELS, output_size=7, sampling_ratio=2
        )
        network.roi_heads.mask_roi_pool = GatherRoIAlign(
            PYRAMID_LEVELS, output_size=14, sampling_ratio=2
        )
    else:
        raise ValueError(
            f"unknown architecture '{architecture}', expected one of {', '.join(ARCHITECTURES)}"
        )
    network.transform = NativeSize(mean, std)
    if depth:
        network.transform = NativeSize([*mean, DEPTH_MEAN], [*std, DEPTH_STD])
        _add_depth(network)
    network.descriptor = Descriptor(
        network.backbone.out_channels - depth
    )  # the last channel is the depth, which is no appearance
    return network


def _add_depth(network: MaskRCNN) -> None:
    network.backbone = ColorDepthBackbone(network.backbone, PYRAMID_LEVELS)
    heads = network.roi_heads
    pool, first = heads.box_roi_pool, heads.box_head.fc6
    heads.box_roi_pool = SizedRoIAlign(
        PYRAMID_LEVELS, pool.output_size, pool.sampling_ratio, canonical_scale=pool.canonical_scale
    )
    heads.box_head.fc6 = nn.Linear(
        first.in_features + SIZE_CHANNELS * math.prod(pool.output_size), first.out_features
    )


def _light(architecture: str, outputs: int, settings: dict[str, Any]) -> MaskRCNN:
    """A small backbone, a 64-channel pyramid and light heads: most of Mask R-CNN's time on a CPU is
    spent in its heads.
    """
    channels, hidden = PYRAMID_CHANNELS, 256
    widths = (32, 64, 128, 256) if architecture == "compact" else STAGE_CHANNELS
    body = thin_resnet(3, widths) if architecture == "compact" else efficientnet_lite0()
    layers = {f"layer{number + 1}": level for number, level in enumerate(PYRAMID_LEVELS)}
    backbone = BackboneWithFPN(body, layers, list(widths), channels, norm_layer=nn.BatchNorm2d)
    return MaskRCNN(
        backbone,
        rpn_anchor_generator=CoarseAnchors(ANCHOR_SIZES, ANCHOR_RATIOS),
        rpn_head=CoarseRPNHead(channels, len(ANCHOR_SIZES[0]) * len(ANCHOR_RATIOS[0])),
        rpn_pre_nms_top_n_train=300,
        rpn_post_nms_top_n_train=150,
        box_roi_pool=GatherRoIAlign(
            PYRAMID_LEVELS, output_size=7, sampling_ratio=2, canonical_scale=112
        ),
        box_head=TwoMLPHead(channels * 7 * 7, hidden),
        box_predictor=FastRCNNPredictor(hidden, outputs),
        box_batch_size_per_image=64,
        mask_roi_pool=GatherRoIAlign(
            PYRAMID_LEVELS, output_size=14, sampling_ratio=2, canonical_scale=112
        ),
        mask_head=MaskRCNNHeads(channels, [channels] * 2, dilation=1, norm_layer=nn.BatchNorm2d),
        mask_predictor=MaskRCNNPredictor(channels, channels, outputs),
        **settings,
    )


def freeze_first_layers(network: MaskRCNN) -> None:
    """Keep the pre-trained stem and first layer as they are, normalisation included.

    Low-level features of photographs carry over from renders to real images better than those
    learnt from renders (Hinterstoisser et al., "On Pre-Trained Image Features and Synthetic Images
    for Deep Learning", 2017).
    """
    color = (
        network.backbone.colour
        if isinstance(network.backbone, ColorDepthBackbone)
        else network.backbone
    )
    for name, module in color.body.named_children():
        module.requires_grad_(False).eval()
        if name == "layer1":
            break


def save_segmentation(
    path: str | Path,
    network: MaskRCNN,
    architecture: str,
    class_names: list[str],
    input_size: list[int],
) -> None:
    """Write a model file of a network of ``build_network`` with default normalisation;
    ``input_size`` is width and height in pixels.
    """
    metadata = {
        "architecture": architecture,
        "class_names": class_names,
        "input_size": input_size,
        "mean": IMAGE_MEAN,
        "std": IMAGE_STD,
        "descriptor_size": network.descriptor.size,
        "depth": isinstance(network.backbone, ColorDepthBackbone),
    }
    save_model(path, "segmentation", network.state_dict(), metadata)


def with_depth(tensors: dict[str, torch.Tensor], network: MaskRCNN) -> dict[str, torch.Tensor]:
    """Tensors of a network that sees colour only, as they are in ``network``, which sees depth:
    first it does not look at sizes.
    """
    renamed = {
        re.sub(r"^backbone\.(?!colour\.|depth\.)", "backbone.colour.", name): tensor
        for name, tensor in tensors.items()
    }
    name = "roi_heads.box_head.fc6.weight"
    missing = (
        network.roi_heads.box_head.fc6.in_features - renamed[name].shape[1]
        if name in renamed
        else 0
    )
    if missing > 0:
        renamed[name] = functional.pad(renamed[name], (0, missing))
    return renamed


def imagenet_weights() -> dict[str, torch.Tensor]:
    """Tensors of the backbone ``efficientnet_lite0`` trained on ImageNet."""
    state = imagenet_state(torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD))
    return {f"backbone.body.{name}": tensor for name, tensor in state.items()}
