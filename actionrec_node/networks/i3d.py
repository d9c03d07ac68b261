# SPDX-License-Identifier: Apache-2.0
"""Two-stream Inflated 3D ConvNet (I3D).

Carreira, Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset", CVPR
2017. Each stream is Inception-v1 with all filters inflated to 3D (section 2.4, figure 3). Tensor
names within a stream are those of the public PyTorch checkpoints ``rgb_imagenet.pt`` and
``flow_imagenet.pt``, which were converted from the authors' own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from actionrec_node.networks.stages import StagedNetwork, Stages

Stream = Literal["rgb", "flow"]
STREAM_CHANNELS: dict[str, int] = {"rgb": 3, "flow": 2}
# Output channels of the branches of each Inception module: 1x1x1; 1x1x1, 3x3x3; 1x1x1, 3x3x3; 1x1x1
# behind the pooling.
_MIXED: dict[str, tuple[int, int, int, int, int, int]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
_LAYERS = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3", *_MIXED)
_CLASSIFIER = "logits"


def same_padding(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[int]:
    """Zeros before and after each axis, last axis first (the order of ``functional.pad``).

    They are those of TensorFlow's padding SAME: the output has ``ceil(size / stride)`` values, and
    an odd number of zeros has the extra one at the end.
    """
    padding: list[int] = []
    for length, width, step in zip(reversed(size), reversed(kernel), reversed(stride), strict=True):
        total = max((math.ceil(length / step) - 1) * step + width - length, 0)
        padding += [total // 2, total - total // 2]
    return padding


class _Unit(nn.Module):
    """Convolution with padding SAME, batch normalisation with the authors' epsilon, and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(out_channels, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        padding = same_padding(x.shape[2:], self.conv3d.kernel_size, self.conv3d.stride)
        return functional.relu(self.bn(self.conv3d(functional.pad(x, padding))))


def _max_pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Pooling with padding SAME. The padded zeros never win: the values are behind a ReLU."""
    padding = same_padding(x.shape[2:], kernel, stride)
    return functional.max_pool3d(functional.pad(x, padding), kernel, stride)


class _Inception(nn.Module):
    """Inception module (figure 3, right): four branches, whose channels are concatenated."""

    def __init__(self, in_channels: int, channels: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        self.b0 = _Unit(in_channels, channels[0], 1)
        self.b1a = _Unit(in_channels, channels[1], 1)
        self.b1b = _Unit(channels[1], channels[2], 3)
        self.b2a = _Unit(in_channels, channels[3], 1)
        self.b2b = _Unit(channels[3], channels[4], 3)
        self.b3b = _Unit(in_channels, channels[5], 1)
        self.out_channels = channels[0] + channels[2] + channels[4] + channels[5]

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.b0(x),
            self.b1b(self.b1a(x)),
            self.b2b(self.b2a(x)),
            self.b3b(_max_pool(x, (3, 3, 3), (1, 1, 1))),
        ]
        return torch.cat(branches, dim=1)


class _Classifier(nn.Module):
    """1x1x1 convolution to one logit per class."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3d(x)


class InceptionI3d(nn.Module):
    """One stream (figure 3, left): clips (N, in_channels, T, H, W) to logits (N, num_classes).

    Clips are float32 with values from -1 to 1.
    """

    Mixed_3b: _Inception
    Mixed_3c: _Inception
    Mixed_4b: _Inception
    Mixed_4c: _Inception
    Mixed_4d: _Inception
    Mixed_4e: _Inception
    Mixed_4f: _Inception
    Mixed_5b: _Inception
    Mixed_5c: _Inception

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(in_channels, 64, 7, stride=2)
        self.Conv3d_2b_1x1 = _Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3)

        channels = 192
        for name, widths in _MIXED.items():
            module = _Inception(channels, widths)
            setattr(self, name, module)
            channels = module.out_channels

        self.dropout = nn.Dropout(dropout)
        self.logits = _Classifier(channels, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        # The first two poolings do not pool time, so that the receptive field does not grow too
        # fast in it (section 2.4); the later ones are symmetric.
        x = _max_pool(self.Conv3d_1a_7x7(clips), (1, 3, 3), (1, 2, 2))
        x = _max_pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        x = _max_pool(self.Mixed_3c(self.Mixed_3b(x)), (3, 3, 3), (2, 2, 2))
        x = self.Mixed_4f(self.Mixed_4e(self.Mixed_4d(self.Mixed_4c(self.Mixed_4b(x)))))
        x = _max_pool(x, (2, 2, 2), (2, 2, 2))
        x = self.Mixed_5c(self.Mixed_5b(x))

        # For 224 x 224 pixels this is the published pooling over 2 x 7 x 7; logits are averaged
        # over what is left of the time. int: a kernel must be constant where the network is traced.
        frames, height, width = (int(size) for size in x.shape[2:])
        x = functional.avg_pool3d(x, (min(2, frames), height, width), stride=1)
        return self.logits(self.dropout(x)).mean(dim=(2, 3, 4))


class I3d(StagedNetwork):
    """The chosen ``streams``: RGB (N, 3, T, H, W) and flow (N, 2, T, H, W), both from -1 to 1.

    Each is a network of its own (section 2.4), and their logits are added as in the authors' code.
    """

    STAGES: ClassVar[Stages] = {
        name: tuple(f"{stream}.{name}." for stream in STREAM_CHANNELS)
        for name in (*_LAYERS, _CLASSIFIER)
    }

    def __init__(self, num_classes: int, streams: Sequence[Stream] = ("rgb", "flow")) -> None:
        super().__init__()
        for stream in streams:
            self.add_module(stream, InceptionI3d(STREAM_CHANNELS[stream], num_classes))

    def forward(self, **clips: Tensor) -> Tensor:
        return sum(network(clips[stream]) for stream, network in self.named_children())
