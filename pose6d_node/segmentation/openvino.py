# SPDX-License-Identifier: Apache-2.0
"""The convolutions of a segmentation network, compiled by OpenVINO.

RoIAlign, anchors and suppression stay in PyTorch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from perception_kit.networks.openvino_runtime import DYNAMIC, compile_module

_SIDE = 256  # pixels of the image that the networks are traced with


class Pyramid(nn.Module):
    """The values of the dictionary that a backbone gives."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.backbone(image).values())


class Proposals(nn.Module):
    """The two lists that a region proposal head gives, concatenated.

    It takes the levels as arguments.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, *levels: Tensor) -> tuple[Tensor, ...]:
        objectness, deltas = self.head(list(levels))
        return (*objectness, *deltas)


class OpenVINOBackbone(nn.Module):
    """A backbone with its feature pyramid, for images of any size."""

    def __init__(self, backbone: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.names = list(backbone(image))
        self.out_channels = backbone.out_channels
        shape = (1, image.shape[1], DYNAMIC, DYNAMIC)
        self.pyramid = compile_module(Pyramid(backbone), [image], [shape])

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Levels by name of a (1, C, H, W) image."""
        return dict(zip(self.names, self.pyramid(image), strict=True))


class OpenVINORPNHead(nn.Module):
    """A region proposal head for levels of any size."""

    def __init__(self, head: nn.Module, levels: list[Tensor]) -> None:
        super().__init__()
        shapes = [(1, level.shape[1], DYNAMIC, DYNAMIC) for level in levels]
        self.proposals = compile_module(Proposals(head), levels, shapes)

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Objectness and box deltas of each level."""
        outputs = list(self.proposals(*levels))
        half = len(outputs) // 2
        return outputs[:half], outputs[half:]


@torch.no_grad()
def compile_parts(network: MaskRCNN) -> None:
    """Replace backbone, region proposal head, box head and mask head by compiled ones.

    The network is in evaluation mode. Raises RuntimeUnavailableError without OpenVINO.
    """
    image = torch.zeros(1, len(network.transform.image_mean), _SIDE, _SIDE)
    levels = list(network.backbone(image).values())
    network.backbone = OpenVINOBackbone(network.backbone, image)
    network.rpn.head = OpenVINORPNHead(network.rpn.head, levels)

    heads = network.roi_heads
    size = heads.box_roi_pool.output_size
    channels = heads.box_head.fc6.in_features // math.prod(size)
    heads.box_head = _compile_head(heads.box_head, channels, size)

    mask_head = nn.Sequential(heads.mask_head, heads.mask_predictor)
    heads.mask_head = _compile_head(mask_head, levels[0].shape[1], heads.mask_roi_pool.output_size)
    heads.mask_predictor = nn.Identity()


def _compile_head(head: nn.Module, channels: int, size: tuple[int, int]) -> nn.Module:
    """A head for any number of regions with (channels, *size) features."""
    return compile_module(head, [torch.zeros(2, channels, *size)], [(DYNAMIC, channels, *size)])
