# SPDX-License-Identifier: Apache-2.0
"""3D-ResNeXt: ResNeXt-50 and -101 with 3D convolutions, and the plain 3D ResNets from 50 layers on.

Hara, Kataoka, Satoh, "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?",
CVPR 2018. Tensor names are those of the public 3D-ResNets-PyTorch checkpoints. Those trained on
Kinetics and published in 2018 have a stem of 64 channels (``resnext3d_101_stem64``), later ones a
stem of 128.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from actionrec_node.networks.resnext3d_config import ResNeXt3dConfig
from actionrec_node.networks.stages import StagedNetwork, Stages

DIFFERENCE_GAIN = 3.0  # brings frame differences to about the spread of the frames


class _ZeroPadShortcut(nn.Module):
    """Shortcut type A: subsample, then fill the missing channels with zeros.

    It has no parameters.
    """

    def __init__(self, out_channels: int, stride: int) -> None:
        super().__init__()
        self.out_channels, self.stride = out_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, 0, 0, self.out_channels - x.shape[1]))


class ResNeXtBlock(nn.Module):
    """1x1x1 reduction, grouped 3x3x3 convolution, 1x1x1 expansion, and the shortcut around them."""

    def __init__(self, config: ResNeXt3dConfig, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * config.expansion

        # Reduce, transform in groups (the cardinality), expand.
        self.conv1 = nn.Conv3d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(
            width, width, 3, stride=stride, padding=1, groups=config.cardinality, bias=False
        )
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out_channels)
        self.relu = nn.ReLU(inplace=True)

        # Where the shape changes, the shortcut is more than the identity.
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            if config.shortcut == "A":
                self.downsample = _ZeroPadShortcut(out_channels, stride)
            else:
                self.downsample = nn.Sequential(
                    nn.Conv3d(in_channels, out_channels, 1, stride=stride, bias=False),
                    nn.BatchNorm3d(out_channels),
                )

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + residual)


class ResNeXt3d(StagedNetwork):
    """Clips (N, 3, T, H, W) float32, normalized, to class logits (N, num_classes)."""

    STAGES: ClassVar[Stages] = {
        "conv1": ("conv1.", "bn1."),
        **{f"layer{number}": (f"layer{number}.",) for number in range(1, 5)},
        "fc": ("fc.",),
    }
    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, config: ResNeXt3dConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config

        # Stem (conv1 and pooling), strided in space before it is in time.
        time, height, width = config.stem_kernel
        self.conv1 = nn.Conv3d(
            6 if config.frame_differences else 3,
            config.stem_channels,
            config.stem_kernel,
            stride=config.stem_stride,
            padding=(time // 2, height // 2, width // 2),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(config.stem_channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, stride=(config.pool_time_stride, 2, 2), padding=1)

        # Stages conv2_x to conv5_x; all but the first halve time, height and width.
        channels = config.stem_channels
        stages = zip(config.layers, config.widths, strict=True)
        for number, (blocks, inner_width) in enumerate(stages, start=1):
            stage = self._stage(channels, inner_width, blocks, stride=1 if number == 1 else 2)
            setattr(self, f"layer{number}", stage)
            channels = inner_width * config.expansion

        # Global average pooling and the classifier.
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(channels, num_classes)

        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def _stage(self, channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        """Blocks of one width, the first of which changes channels and size."""
        config = self.config
        first = ResNeXtBlock(config, channels, width, stride)
        following = (
            ResNeXtBlock(config, width * config.expansion, width, 1) for _ in range(blocks - 1)
        )
        return nn.Sequential(first, *following)

    def forward(self, rgb: Tensor) -> Tensor:
        return self.classify(self.layer2(self.layer1(self.stem(rgb))))

    def stem(self, rgb: Tensor) -> Tensor:
        """What ``layer1`` is given."""
        if self.config.frame_differences:
            before = torch.cat([rgb[:, :, :1], rgb[:, :, :-1]], dim=2)
            rgb = torch.cat([rgb, DIFFERENCE_GAIN * (rgb - before)], dim=1)
        return self.maxpool(self.relu(self.bn1(self.conv1(rgb))))

    def classify(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of what ``layer2`` made of the clips."""
        x = self.layer4(self.layer3(x))
        return self.fc(self.avgpool(x).flatten(1))
