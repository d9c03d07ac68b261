# SPDX-License-Identifier: Apache-2.0
"""Colour embedding of the published DenseFusion: a PSPNet on a dilated ResNet-18.

Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017; as published with DenseFusion, the ResNet
has no normalisation layers. The tensors have the names of the published checkpoints, less the
prefix ``cnn.model.module.``.

What comes after an interpolation is linear up to the next activation, and is computed before it,
where there are fewer pixels.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016), without batch normalisation."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.conv2 = nn.Conv2d(
            channels, channels, 3, padding=dilation, dilation=dilation, bias=False
        )

        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, channels, H / stride, W / stride)."""
        return F.relu_(self.conv2(F.relu_(self.conv1(x))) + self.downsample(x))


class DilatedResNet18(nn.Module):
    """ResNet-18 of output stride 8.

    The last two stages keep the resolution and widen their view by dilation 2 and 4.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = self._stage(64, 64, stride=1, dilation=1)
        self.layer2 = self._stage(64, 128, stride=2, dilation=1)
        self.layer3 = self._stage(128, 256, stride=1, dilation=2)
        self.layer4 = self._stage(256, 512, stride=1, dilation=4)

    @staticmethod
    def _stage(in_channels: int, channels: int, stride: int, dilation: int) -> nn.Sequential:
        # As published, only the second block of a stage is dilated.
        return nn.Sequential(
            BasicBlock(in_channels, channels, stride, 1),
            BasicBlock(channels, channels, 1, dilation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 512, H / 8, W / 8)."""
        x = self.maxpool(F.relu_(self.conv1(x)))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class PyramidPooling(nn.Module):
    """Context of the whole image at four grid sizes, joined to each position."""

    def __init__(
        self, channels: int, out_channels: int, sizes: tuple[int, ...] = (1, 2, 3, 6)
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Conv2d(channels, channels, 1, bias=False))
            for size in sizes
        )
        self.bottleneck = nn.Conv2d(channels * (len(sizes) + 1), out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, out_channels, H, W).

        The bottleneck is linear: what each grid adds to it is computed at the size of the grid and
        then brought to that of the image.
        """
        height, width = x.shape[2:]
        *grid_weights, own_weight = self.bottleneck.weight.split(x.shape[1], dim=1)

        # For each grid its cells' contributions, and how much each of them counts in every pixel.
        cells, spread = [], []
        for stage, weight in zip(self.stages, grid_weights, strict=True):
            grid = F.conv2d(stage(x), weight)
            cells.append(grid.flatten(2))
            unit = torch.eye(cells[-1].shape[2], device=x.device).view(1, -1, *grid.shape[2:])
            spread.append(_interpolate(unit, height, width).flatten(2))

        context = torch.cat(spread, dim=1).mT @ torch.cat(cells, dim=2).mT
        context = context.unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return F.relu_(F.conv2d(x, own_weight, self.bottleneck.bias) + context)


def _interpolate(x: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


class Upsampling(nn.Module):
    """Twice the resolution, then a 3x3 convolution and a PReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.PReLU(),
        )

    def _layers(self) -> tuple[nn.Upsample, nn.Conv2d, nn.PReLU]:
        return cast("tuple[nn.Upsample, nn.Conv2d, nn.PReLU]", tuple(self.conv))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, 2 H, 2 W).

        Both steps are linear: the nine taps of the kernel are applied at the low resolution, a
        quarter of the products, and their results are then interpolated, shifted and added by one
        small matrix for each axis.
        """
        _, convolution, activation = self._layers()
        batch, channels, height, width = x.shape

        # The nine taps, at the low resolution: (tap y, tap x, image, y, x, channel).
        kernel = convolution.weight.permute(2, 3, 1, 0).reshape(9, channels, -1)
        taps = x.permute(0, 2, 3, 1).reshape(-1, channels) @ kernel
        taps = taps.view(3, 3, batch, height, width, -1)

        # Along x, then along y: interpolate, shift and add. The rows are (image, tap y, y), (tap x,
        # x), channel.
        rows = taps.permute(2, 0, 3, 1, 4, 5).reshape(batch * 3 * height, 3 * width, -1)
        rows = doubling(width).to(rows) @ rows
        out = doubling(height).to(rows) @ rows.view(batch, 3 * height, -1)

        out = out.view(batch, 2 * height, 2 * width, -1)
        if convolution.bias is not None:
            out = out + convolution.bias
        return activation(out.permute(0, 3, 1, 2))

    def at(self, x: Tensor, pixels: Tensor) -> Tensor:
        """(B, out_channels, N): what ``forward`` gives in the pixels at some positions.

        ``pixels`` (B, N, 2) are the positions x, y in -1..1 (the outer edges).
        """
        upsample, convolution, activation = self._layers()
        doubled = F.pad(upsample(x), (1, 1, 1, 1)).permute(0, 2, 3, 1)
        batch, height, width, channels = doubled.shape

        # The pixels that hold the positions; with the border, they are also the top left corners of
        # their 3x3 neighbourhoods.
        size = pixels.new_tensor([width - 2, height - 2])
        corner = ((pixels + 1) * size / 2).long().clamp(min=0).minimum(size.long() - 1)
        column, row = corner.unbind(2)
        image = torch.arange(batch, device=x.device).view(-1, 1)
        first = image * (height * width) + row * width + column

        # Their nine taps, as one row of a matrix for each position.
        taps = torch.arange(3, device=x.device)
        index = first.unsqueeze(2) + (taps.view(3, 1) * width + taps).flatten()
        patches = doubled.reshape(-1, channels)[index.flatten()].view(batch, -1, 9 * channels)

        kernel = convolution.weight.permute(0, 2, 3, 1).reshape(-1, 9 * channels)
        return activation(F.linear(patches, kernel, convolution.bias).transpose(1, 2))


def doubling(size: int) -> Tensor:
    """(2 ``size``, 3 ``size``) interpolation of a row to twice its pixels.

    The result is seen by the three taps of a kernel, with zeros around.
    """
    rows = torch.eye(size).unsqueeze(0)
    doubled = F.interpolate(rows, size=2 * size, mode="linear", align_corners=True)[0].T
    padded = F.pad(doubled, (0, 0, 1, 1))
    return torch.cat([padded[tap : tap + 2 * size] for tap in range(3)], dim=1)


class PSPNet(nn.Module):
    """Colour embedding of chosen pixels: log-softmax over 32 channels."""

    embedding_size = 32

    def __init__(self) -> None:
        super().__init__()
        self.feats = DilatedResNet18()
        self.psp = PyramidPooling(512, 1024)
        self.up_1 = Upsampling(1024, 256)
        self.up_2 = Upsampling(256, 64)
        self.up_3 = Upsampling(64, 64)
        self.final = nn.Sequential(nn.Conv2d(64, self.embedding_size, 1), nn.LogSoftmax(dim=1))
        self.drop_1 = nn.Dropout2d(0.3)
        self.drop_2 = nn.Dropout2d(0.15)

    def forward(self, image: Tensor, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) normalised image to the embedding (B, 32, N) of its pixels.

        ``pixels`` (B, N, 2) are positions x, y in -1..1 (the outer edges); H and W are multiples
        of 8.
        """
        x = self.drop_1(self.psp(self.feats(image)))
        x = self.drop_2(self.up_1(x))
        x = self.drop_2(self.up_2(x))
        return self.final(self.up_3.at(x, pixels).unsqueeze(3)).squeeze(3)
