# SPDX-License-Identifier: Apache-2.0
"""Compact colour embedding: an encoder-decoder small enough to train on two CPU cores.

It takes the place of the published PSPNet.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1
) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class CompactColorNet(nn.Module):
    """Embedding of chosen points at half the resolution of the input.

    It is made of features at strides 2, 4 and 8 and of the mean of the crop.
    """

    embedding_size = 32

    def __init__(self, channels: tuple[int, int, int] = (24, 48, 96)) -> None:
        super().__init__()
        half, quarter, eighth = channels

        # Encoder, to strides 2, 4 and 8.
        self.down_2 = nn.Sequential(
            conv_norm_relu(3, half, kernel=5, stride=2),
            conv_norm_relu(half, half),
        )
        self.down_4 = nn.Sequential(
            conv_norm_relu(half, quarter, stride=2),
            conv_norm_relu(quarter, quarter),
        )
        self.down_8 = nn.Sequential(
            conv_norm_relu(quarter, eighth, stride=2),
            conv_norm_relu(eighth, eighth),
            conv_norm_relu(eighth, eighth),
        )
        self.context = nn.Conv2d(eighth, eighth, 1)

        # Decoder, back to stride 2.
        self.reduce_8 = nn.Conv2d(eighth, quarter, 1)
        self.up_4 = conv_norm_relu(quarter, quarter)
        self.reduce_4 = nn.Conv2d(quarter, half, 1)
        self.up_2 = conv_norm_relu(half, self.embedding_size)
        self.final = nn.Conv2d(self.embedding_size, self.embedding_size, 1)

    def forward(self, image: Tensor, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) normalised image to the embedding (B, 32, N) of its points.

        ``pixels`` (B, N, 2) are their positions x, y in -1..1 (the outer edges); H and W are
        multiples of 8.
        """
        half = self.down_2(image)
        quarter = self.down_4(half)
        eighth = self.down_8(quarter)
        eighth = F.relu(eighth + self.context(eighth.mean(dim=(2, 3), keepdim=True)))

        quarter = self.up_4(quarter + _upsample(self.reduce_8(eighth)))
        half = self.up_2(half + _upsample(self.reduce_4(quarter)))
        embedding = self.final(half)

        at_points = F.grid_sample(
            embedding,
            pixels.unsqueeze(1),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return at_points.squeeze(2)


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
