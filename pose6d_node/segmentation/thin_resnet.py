# SPDX-License-Identifier: Apache-2.0
"""ResNet with fewer channels, for robots without a GPU.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn
from torchvision.models.resnet import BasicBlock, conv1x1


def thin_resnet(
    inputs: int, widths: Sequence[int], blocks: Sequence[int] = (2, 2, 2, 2)
) -> nn.Sequential:
    """Convolutional stages ``layer1`` to ``layer4`` with strides 4, 8, 16 and 32.

    They have ``inputs`` input and ``widths`` output channels; the default ``blocks`` are those of
    ResNet-18. The stem is two 3x3 convolutions of stride 2 instead of a 7x7 one and a max-pooling:
    cheaper, and small objects keep more detail.
    """
    stem = nn.Sequential(
        _conv_bn_relu(inputs, widths[0] // 2, stride=2),
        _conv_bn_relu(widths[0] // 2, widths[0], stride=2),
    )
    stages: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    channels = widths[0]
    for number, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        stages[f"layer{number}"] = _stage(channels, width, count, stride=1 if number == 1 else 2)
        channels = width

    network = nn.Sequential(stages)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def _conv_bn_relu(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _stage(inputs: int, outputs: int, count: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))
    first = BasicBlock(inputs, outputs, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs) for _ in range(count - 1)))
