# SPDX-License-Identifier: Apache-2.0
"""DenseFusion's pose network: colour and geometry fused point by point, a pose from every point.

Wang et al. 2019, sections 3.3 to 3.5. The published sizes are the defaults, and the tensors then
have the names of the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose6d_node.densefusion.compact_color_net import CompactColorNet
from pose6d_node.densefusion.losses import Target, pose_distance
from pose6d_node.densefusion.psp_net import PSPNet
from pose6d_node.densefusion.rotations import quaternion_to_matrix

ColorNet = PSPNet | CompactColorNet


@dataclass(frozen=True)
class Widths:
    """Layer widths: local and global features, the heads, and the heads of the refiner."""

    local: tuple[int, int] = (64, 128)
    pooled: tuple[int, int] = (512, 1024)
    head: tuple[int, int, int] = (640, 256, 128)
    refiner_head: tuple[int, int] = (512, 128)


PUBLISHED_WIDTHS = Widths()


@dataclass
class PoseVotes:
    """Votes of N points for the pose.

    ``quaternions`` (B, N, 4) wxyz, not normalised; ``offsets`` (B, N, 3) from the point to the
    object's origin; ``confidence`` (B, N) in 0..1; ``features`` (B, E, N), which the refiner sees:
    the colour embedding.
    """

    quaternions: Tensor
    offsets: Tensor
    confidence: Tensor
    features: Tensor

    def pose(self, cloud: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation (B, 3, 3), translation (B, 3) and confidence (B,) of the most confident vote.

        ``cloud`` (B, N, 3) are the points that vote.
        """
        best = self.confidence.argmax(dim=1)
        row = torch.arange(len(best), device=best.device)
        rotation = quaternion_to_matrix(self.quaternions[row, best])
        return rotation, cloud[row, best] + self.offsets[row, best], self.confidence[row, best]

    def distance(self, cloud: Tensor, target: Target) -> Tensor:
        """(B, N) error of each vote in diameters (equations 1 and 2)."""
        return pose_distance(quaternion_to_matrix(self.quaternions), cloud + self.offsets, target)


class FusionFeatures(nn.Module):
    """Pixel-wise dense fusion (section 3.4).

    Local features of points and colours at two levels, and one global feature pooled from their
    fusion.
    """

    def __init__(self, embedding_size: int, widths: Widths, pooled_inputs: int) -> None:
        super().__init__()
        first, second = widths.local
        self.conv1 = nn.Conv1d(3, first, 1)
        self.e_conv1 = nn.Conv1d(embedding_size, first, 1)
        self.conv2 = nn.Conv1d(first, second, 1)
        self.e_conv2 = nn.Conv1d(first, second, 1)

        self.conv5 = nn.Conv1d(pooled_inputs, widths.pooled[0], 1)
        self.conv6 = nn.Conv1d(widths.pooled[0], widths.pooled[1], 1)

    def local(self, cloud: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Fused features (B, 2 * width, N) of each of the two levels.

        Of the points ``cloud`` (B, N, 3) and their colour ``embedding`` (B, E, N).
        """
        points = F.relu_(self.conv1(cloud.transpose(1, 2)))
        colors = F.relu_(self.e_conv1(embedding))
        first = torch.cat([points, colors], dim=1)

        second = F.relu_(torch.cat([self.conv2(points), self.e_conv2(colors)], dim=1))
        return first, second

    def pooled(self, features: Tensor) -> Tensor:
        """(B, C, N) to the mean (B, pooled[1]) over the points."""
        return F.relu_(self.conv6(F.relu_(self.conv5(features)))).mean(dim=2)


def select_class(layer: nn.Module, features: Tensor, class_index: Tensor, size: int) -> Tensor:
    """Outputs (B, size, N) of a last layer for the class of each instance.

    ``layer`` has ``size`` outputs for each class, ``features`` (B, C, N) are its inputs,
    ``class_index`` (B,) counts from 0. The other classes' outputs are not computed.
    """
    if not isinstance(layer, nn.Conv1d | nn.Linear):
        raise TypeError(f"expected a linear layer or a convolution of width 1, got {layer}")
    if layer.bias is None:
        raise TypeError(f"expected a layer with a bias, got {layer}")
    weight = layer.weight.reshape(-1, size, features.shape[1])[class_index]
    bias = layer.bias.reshape(-1, size)[class_index]
    return torch.baddbmm(bias.unsqueeze(2), weight, features)


class PoseNet(nn.Module):
    """Quaternion, translation and confidence from every point, for the class of each instance."""

    cnn: ColorNet

    def __init__(
        self, color_network: ColorNet, num_classes: int, widths: Widths = PUBLISHED_WIDTHS
    ) -> None:
        super().__init__()
        first, second = (2 * width for width in widths.local)
        self.cnn = color_network
        self.feat = FusionFeatures(color_network.embedding_size, widths, pooled_inputs=second)
        self.local_size = first + second
        self.refiner_inputs = color_network.embedding_size

        # conv1_r to conv4_r vote for the quaternion, …_t for the translation, …_c for the
        # confidence.
        for name, size in (("r", 4), ("t", 3), ("c", 1)):
            sizes = (self.local_size + widths.pooled[1], *widths.head, num_classes * size)
            for number in range(4):
                layer = nn.Conv1d(sizes[number], sizes[number + 1], 1)
                setattr(self, f"conv{number + 1}_{name}", layer)

    def forward(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> PoseVotes:
        """Votes of the points ``cloud`` (B, N, 3) of the crops ``image`` (B, 3, H, W).

        ``pixels`` (B, N, 2) are the positions of the points in the crops, -1..1; ``class_index``
        (B,) from 0.
        """
        embedding, local, pooled = self._fuse(image, cloud, pixels)
        rotation = self._head("r", local, pooled, class_index, 4)
        translation = self._head("t", local, pooled, class_index, 3)
        confidence = self._head("c", local, pooled, class_index, 1).sigmoid()
        return PoseVotes(
            rotation.transpose(1, 2), translation.transpose(1, 2), confidence.squeeze(1), embedding
        )

    def best_pose(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pose and confidence that the votes of ``forward`` give, and their features.

        Only the most confident point computes its vote for a pose.
        """
        embedding, local, pooled = self._fuse(image, cloud, pixels)
        confidence = self._head("c", local, pooled, class_index, 1).sigmoid().squeeze(1)

        best = confidence.argmax(dim=1, keepdim=True)
        local = local.gather(2, best.unsqueeze(1).expand(-1, local.shape[1], -1))
        rotation = self._head("r", local, pooled, class_index, 4).transpose(1, 2)
        translation = self._head("t", local, pooled, class_index, 3).transpose(1, 2)

        votes = PoseVotes(rotation, translation, confidence.gather(1, best), embedding)
        return *votes.pose(cloud.gather(1, best.unsqueeze(2).expand(-1, -1, 3))), embedding

    def _fuse(self, image: Tensor, cloud: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Colour embedding (B, E, N), local features (B, C, N) and the global feature (B, D)."""
        embedding = self.cnn(image, pixels)
        first, second = self.feat.local(cloud, embedding)
        return embedding, torch.cat([first, second], dim=1), self.feat.pooled(second)

    def _head(
        self, name: str, local: Tensor, pooled: Tensor, class_index: Tensor, size: int
    ) -> Tensor:
        layers: list[nn.Conv1d] = [getattr(self, f"conv{number}_{name}") for number in (1, 2, 3, 4)]

        # The global feature is the same for all points, so what it adds to the first layer is
        # computed once per instance.
        weight = layers[0].weight
        of_pooled = F.linear(pooled, weight[:, self.local_size :, 0], layers[0].bias)
        of_local = weight[:, : self.local_size, 0].expand(len(local), -1, -1)
        x = F.relu_(torch.baddbmm(of_pooled.unsqueeze(2), of_local, local))

        x = F.relu_(layers[2](F.relu_(layers[1](x))))
        return select_class(layers[3], x, class_index, size)
