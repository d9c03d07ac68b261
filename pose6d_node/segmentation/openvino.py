# SPDX-License-Identifier: Apache-2.0
"""The convolutions of a segmentation network, compiled by OpenVINO.

RoIAlign, anchors and suppression stay in PyTorch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from perception_kit.networks.openvino_module import compile_module
from perception_kit.networks.openvino_runtime import DYNAMIC
from pose6d_node.segmentation.first_stage import FirstStageOutputs

_SIDE = 256  # pixels of the image that the networks are traced with


class _Stage(nn.Module):
    """Backbone and region proposal head, whose outputs follow one another."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        levels = list(self.backbone(image).values())
        objectness, deltas = self.head(levels)
        return (*levels, *objectness, *deltas)


class OpenVINOFirstStage:
    """``FirstStage`` as one graph, for images of any size."""

    def __init__(self, network: MaskRCNN, image: Tensor, rounds: bool) -> None:
        self._names = list(network.backbone(image))
        shape = (1, image.shape[1], DYNAMIC, DYNAMIC)
        stage = _Stage(network.backbone, network.rpn.head).eval()
        self._compiled = compile_module(stage, [image], [shape], rounds)

    def __call__(self, image: Tensor) -> FirstStageOutputs:
        """Of a normalized (1, C, H, W) image; see ``FirstStage``."""
        outputs = list(self._compiled(image))
        count = len(self._names)
        middle = (count + len(outputs)) // 2
        levels = dict(zip(self._names, outputs[:count], strict=True))
        return FirstStageOutputs(levels, outputs[count:middle], outputs[middle:])


@torch.no_grad()
def compile_parts(network: MaskRCNN, rounds: bool = False) -> OpenVINOFirstStage:
    """The compiled first stage; compiled heads take the place of those of ``network``.

    Backbone and region proposal head, which are no longer needed, give their memory back. The
    network is in evaluation mode, and changed only where all of it can be compiled. It computes in
    bfloat16 where it ``rounds``. Raises RuntimeUnavailableError without OpenVINO.
    """
    image = torch.zeros(1, len(network.transform.image_mean), _SIDE, _SIDE)
    channels = next(iter(network.backbone(image).values())).shape[1]
    first_stage = OpenVINOFirstStage(network, image, rounds)

    heads = network.roi_heads
    size = heads.box_roi_pool.output_size
    inputs = heads.box_head.fc6.in_features // math.prod(size)
    box_head = _compile_head(heads.box_head, inputs, size, rounds)
    mask_head = _compile_head(
        nn.Sequential(heads.mask_head, heads.mask_predictor),
        channels,
        heads.mask_roi_pool.output_size,
        rounds,
    )

    heads.box_head, heads.mask_head, heads.mask_predictor = box_head, nn.Identity(), mask_head
    network.backbone = network.rpn.head = nn.Identity()
    return first_stage


def _compile_head(head: nn.Module, channels: int, size: tuple[int, int], rounds: bool) -> nn.Module:
    """A head for any number of regions with (channels, *size) features."""
    example, shape = torch.zeros(2, channels, *size), (DYNAMIC, channels, *size)
    return compile_module(head, [example], [shape], rounds)
