# SPDX-License-Identifier: Apache-2.0
"""Depth as the fourth input channel of the segmentation.

It tells how large objects are, which a colour image cannot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool2d
from torchvision.models.detection.backbone_utils import BackboneWithFPN

from pose6d_node.segmentation.roi_align import GatherRoIAlign
from pose6d_node.segmentation.thin_resnet import thin_resnet

# The channel.
UNIT = 400.0  # pixels per metre for a value of 1: about an arm's length in an image 320 pixels wide
MAX_VALUE = 5.0
STEPS = 4096  # per unit, where a channel is kept as whole numbers
DEPTH_MEAN, DEPTH_STD = 0.7, 0.5  # of its values in typical images
LEAST_VALUE = 0.01  # what is less is unknown

# The network.
DEPTH_WIDTHS = (16, 32, 64, 96)
FIRST_STRIDE = 4  # of the pyramid; each further level has twice the stride of the one before
TYPICAL_SIZE = 0.2  # metres, of a region whose size channels are 0
SIZE_CHANNELS = 2  # width and height


def depth_channel(depth: np.ndarray, focal_length: float, size: tuple[int, int]) -> np.ndarray:
    """Channel (height, width) float32 from ``depth`` (H, W) in metres, 0 unknown.

    It is resized to ``size`` (width, height); ``focal_length`` is that of the full image in pixels.
    The value is the number of pixels of the resized image that a metre at that depth spans, in
    units of ``UNIT``: a mug and a bowl that cover the same pixels differ in it, and cameras of
    another focal length give the same value for the same pixels of the same object. 0 where the
    depth is unknown.
    """
    scale = size[0] / depth.shape[1]
    small = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)

    known = np.isfinite(small) & (small > 0)
    values = np.zeros(small.shape, np.float32)
    values[known] = np.minimum(focal_length * scale / (UNIT * small[known]), MAX_VALUE)
    return values


class ColorDepthBackbone(nn.Module):
    """Feature pyramid of colour plus one of depth, level by level.

    So the colour network can start from weights that never saw depth. The last channel of every
    level is the depth channel itself, averaged over what is known of it.
    """

    colour: BackboneWithFPN
    depth: BackboneWithFPN

    def __init__(self, colour: BackboneWithFPN, levels: Sequence[str]) -> None:
        super().__init__()
        layers = {f"layer{number}": level for number, level in enumerate(levels, start=1)}
        self.out_channels = colour.out_channels
        self.colour = colour
        body = thin_resnet(1, DEPTH_WIDTHS, blocks=(1, 1, 1, 1))
        self.depth = BackboneWithFPN(
            body, layers, list(DEPTH_WIDTHS), colour.out_channels, norm_layer=nn.BatchNorm2d
        )

    def forward(self, images: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """Features by level of normalised (N, 4, H, W) images.

        Their last channel is ``depth_channel``.
        """
        color, depth = self.colour(images[:, :3]), self.depth(images[:, 3:])

        value = images[:, 3:].float() * DEPTH_STD + DEPTH_MEAN
        known = (value > LEAST_VALUE).float()
        value = value * known

        # Add the pyramids, and put the mean of the known depth into the last channel.
        levels: OrderedDict[str, torch.Tensor] = OrderedDict()
        for name, features in color.items():
            shrink = 2 if levels else FIRST_STRIDE
            value, known = (avg_pool2d(image, shrink, ceil_mode=True) for image in (value, known))
            mean = (value / known.clamp(min=1e-6)).to(features.dtype)
            levels[name] = torch.cat([(features + depth[name])[:, :-1], mean], dim=1)
        return levels


class SizedRoIAlign(GatherRoIAlign):
    """RoIAlign over the features of ``ColorDepthBackbone``, with the size of each region in metres.

    RoIAlign brings regions of all sizes to the same grid; so a small box and a large one with the
    same print are the same to what follows. Width and height, two further channels, come from the
    depth of each bin: log(metres / 0.2), and 0 where the depth is unknown.
    """

    def forward(
        self,
        x: dict[str, torch.Tensor],
        boxes: list[torch.Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> torch.Tensor:
        """(R, C + 2, P, P) features of the R ``boxes`` of all images.

        ``boxes`` are lists of (N, 4) in pixels of the images.
        """
        pooled = super().forward(x, boxes, image_shapes)
        corners = torch.cat(boxes).float()
        sides = (corners[:, 2:] - corners[:, :2]).view(-1, 2, 1, 1)

        pixels_per_meter = UNIT * pooled[:, -1:].float()
        known = pixels_per_meter > UNIT * LEAST_VALUE
        meters = (sides / pixels_per_meter.clamp(min=UNIT * LEAST_VALUE)).clamp(0.01, 4.0)
        sizes = torch.where(known, (meters / TYPICAL_SIZE).log(), 0.0)

        return torch.cat([pooled, sizes.to(pooled.dtype)], dim=1)
