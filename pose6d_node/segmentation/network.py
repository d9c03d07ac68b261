# SPDX-License-Identifier: Apache-2.0
"""The Mask R-CNN networks, built on torchvision's implementation.

He et al., "Mask R-CNN", ICCV 2017, with a feature pyramid (Lin et al., "Feature Pyramid Networks
for Object Detection", CVPR 2017).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

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

from perception_kit.networks.efficientnet_lite import STAGE_CHANNELS, efficientnet_lite0
from pose6d_node.segmentation.depth_input import (
    DEPTH_MEAN,
    DEPTH_STD,
    SIZE_CHANNELS,
    ColorDepthBackbone,
    SizedRoIAlign,
)
from pose6d_node.segmentation.descriptor import Descriptor
from pose6d_node.segmentation.layers import ARCHITECTURES, FIRST_LAYER
from pose6d_node.segmentation.roi_align import GatherRoIAlign
from pose6d_node.segmentation.thin_resnet import thin_resnet

# Mean and standard deviation of ImageNet's colours in [0, 1], as torchvision's weights use them.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)

# Feature pyramid; features pooled for the box head and for the mask head (Mask R-CNN, figure 4).
PYRAMID_LEVELS = ["0", "1", "2", "3"]
BOX_BINS, MASK_BINS = 7, 14

# The light networks.
PYRAMID_CHANNELS = 64
BOX_FEATURES = 256
COMPACT_WIDTHS = (32, 64, 128, 256)
ANCHOR_SIZES = ((16, 24), (36, 54), (80, 120), (180, 260))  # pixels, for strides 8, 16, 32 and 64
ANCHOR_RATIOS = ((0.5, 1.0, 2.0),) * len(ANCHOR_SIZES)
# Side in pixels of the regions that belong to the level of stride 16. FPN's equation 1 takes 224,
# for images that are twice as large.
CANONICAL_SIDE = 112


class CoarseAnchors(AnchorGenerator):
    """Anchors for all pyramid levels but the finest.

    That one only serves the masks: it is 3/4 of all positions.
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
    """Normalises and pads images, and keeps their size.

    torchvision's own rescales them (its ``_skip_resize`` only acts in training).
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
    """Untrained network for ``num_classes`` classes without the background.

    Their labels are 1 to ``num_classes``. The network takes images in [0, 1] at the size they have
    (no rescaling inside) and normalises them by ``mean`` and ``std``; with ``depth``, a fourth
    channel follows, see ``depth_channel``. ``proposals`` is the number of regions that reach the
    heads at test time. Its module ``descriptor`` is not part of torchvision's network: it is fitted
    after training and called with RoIAlign features. Raises ValueError for an unknown architecture.
    """
    settings = {
        "rpn_pre_nms_top_n_test": 3 * proposals,
        "rpn_post_nms_top_n_test": proposals,
    }
    if architecture == "compact":
        body, widths = thin_resnet(3, COMPACT_WIDTHS), COMPACT_WIDTHS
        network = _light_mask_rcnn(body, widths, num_classes + 1, settings)
    elif architecture == "efficientnet_lite0":
        network = _light_mask_rcnn(efficientnet_lite0(), STAGE_CHANNELS, num_classes + 1, settings)
    elif architecture == "resnet50":
        network = maskrcnn_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=num_classes + 1, **settings
        )
        network.roi_heads.box_roi_pool = GatherRoIAlign(PYRAMID_LEVELS, BOX_BINS, 2)
        network.roi_heads.mask_roi_pool = GatherRoIAlign(PYRAMID_LEVELS, MASK_BINS, 2)
    else:
        raise ValueError(
            f"unknown architecture '{architecture}', expected one of {', '.join(ARCHITECTURES)}"
        )

    network.transform = NativeSize(mean, std)
    if depth:
        network.transform = NativeSize([*mean, DEPTH_MEAN], [*std, DEPTH_STD])
        _add_depth(network)

    # With depth, the last channel of the pyramid is the depth itself, which is no appearance.
    network.descriptor = Descriptor(network.backbone.out_channels - depth)
    return network


def _light_mask_rcnn(
    body: nn.Module, widths: Sequence[int], outputs: int, settings: dict[str, int]
) -> MaskRCNN:
    """Mask R-CNN on a small backbone, with a 64-channel pyramid and light heads.

    Most of the time of torchvision's on a CPU is spent in its heads.
    """
    channels = PYRAMID_CHANNELS
    layers = {f"layer{number}": level for number, level in enumerate(PYRAMID_LEVELS, start=1)}
    backbone = BackboneWithFPN(body, layers, list(widths), channels, norm_layer=nn.BatchNorm2d)

    def roi_align(bins: int) -> GatherRoIAlign:
        return GatherRoIAlign(
            PYRAMID_LEVELS, output_size=bins, sampling_ratio=2, canonical_scale=CANONICAL_SIDE
        )

    return MaskRCNN(
        backbone,
        # Region proposals.
        rpn_anchor_generator=CoarseAnchors(ANCHOR_SIZES, ANCHOR_RATIOS),
        rpn_head=CoarseRPNHead(channels, len(ANCHOR_SIZES[0]) * len(ANCHOR_RATIOS[0])),
        rpn_pre_nms_top_n_train=300,
        rpn_post_nms_top_n_train=150,
        # Class and box.
        box_roi_pool=roi_align(BOX_BINS),
        box_head=TwoMLPHead(channels * BOX_BINS**2, BOX_FEATURES),
        box_predictor=FastRCNNPredictor(BOX_FEATURES, outputs),
        box_batch_size_per_image=64,
        # Mask.
        mask_roi_pool=roi_align(MASK_BINS),
        mask_head=MaskRCNNHeads(channels, [channels] * 2, dilation=1, norm_layer=nn.BatchNorm2d),
        mask_predictor=MaskRCNNPredictor(channels, channels, outputs),
        **settings,
    )


def _add_depth(network: MaskRCNN) -> None:
    """Let the network see depth, and its box head the size of each region."""
    network.backbone = ColorDepthBackbone(network.backbone, PYRAMID_LEVELS)

    heads = network.roi_heads
    pool, first = heads.box_roi_pool, heads.box_head.fc6
    heads.box_roi_pool = SizedRoIAlign(
        PYRAMID_LEVELS, pool.output_size, pool.sampling_ratio, canonical_scale=pool.canonical_scale
    )
    inputs = first.in_features + SIZE_CHANNELS * math.prod(pool.output_size)
    heads.box_head.fc6 = nn.Linear(inputs, first.out_features)


def freeze_first_layers(network: MaskRCNN, last: str = FIRST_LAYER) -> None:
    """Keep the pre-trained layers up to and with ``last`` as they are, normalisation included.

    Low-level features of photographs carry over from renders to real images better than those
    learnt from renders (Hinterstoisser et al., "On Pre-Trained Image Features and Synthetic Images
    for Deep Learning", 2017); and few photographs teach less than they make forget.
    """
    backbone = network.backbone
    color = backbone.colour if isinstance(backbone, ColorDepthBackbone) else backbone
    for name, module in color.body.named_children():
        module.requires_grad_(False).eval()
        if name == last:
            break


def with_depth(tensors: dict[str, torch.Tensor], network: MaskRCNN) -> dict[str, torch.Tensor]:
    """Tensors of a network that sees colour only, for ``network``, which sees depth.

    With them, its box head does not look at the sizes of regions yet.
    """
    renamed = {
        re.sub(r"^backbone\.(?!colour\.|depth\.)", "backbone.colour.", name): tensor
        for name, tensor in tensors.items()
    }

    # The inputs that the box head has more, the sizes, get weights of 0.
    name = "roi_heads.box_head.fc6.weight"
    if name in renamed:
        missing = network.roi_heads.box_head.fc6.in_features - renamed[name].shape[1]
        if missing > 0:
            renamed[name] = functional.pad(renamed[name], (0, missing))
    return renamed


def without_depth(tensors: dict[str, torch.Tensor], network: MaskRCNN) -> dict[str, torch.Tensor]:
    """Tensors of a network that may see depth, for ``network``, which sees color only."""
    prefix = "backbone.colour."
    if not any(name.startswith(prefix) for name in tensors):
        return tensors
    renamed = {name.replace(prefix, "backbone."): tensor for name, tensor in tensors.items()}

    # The sizes of regions, which depth gives, are the last inputs of the box head.
    name = "roi_heads.box_head.fc6.weight"
    renamed[name] = renamed[name][:, : network.roi_heads.box_head.fc6.in_features].contiguous()
    return renamed
