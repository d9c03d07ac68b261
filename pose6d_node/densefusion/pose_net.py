# SPDX-License-Identifier: Apache-2.0
"""DenseFusion's pose network (Wang et al. 2019, section 3): colour and geometry fused point by
point, a pose voted by every point.

The published sizes are the defaults, and the tensors then have the names of the published
checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose6d_node.densefusion.losses import Target, pose_distance
from pose6d_node.densefusion.rotations import quaternion_to_matrix


@dataclass(frozen=True)
class Widths:
    """Layer widths: two local layers and two global ones of the features, three of each head, two
    of the refiner's heads.
    """

    local: tuple[int, int] = (64, 128)
    pooled: tuple[int, int] = (512, 1024)
    head: tuple[int, int, int] = (640, 256, 128)
    refiner_head: tuple[int, int] = (512, 128)


PUBLISHED_WIDTHS = Widths()


@dataclass
class PoseVotes:
    """What every point votes.

    ``quaternions`` (B, N, 4) wxyz, not normalised; ``offsets`` (B, N, 3) from the point to the
    object's origin; ``confidence`` (B, N) in
    0..1; ``features`` (B, E, N) the colour embedding, which the refiner sees.
    """

    quaternions: Tensor
    offsets: Tensor
    confidence: Tensor
    features: Tensor

    def pose(self, cloud: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation (B, 3, 3), translation (B, 3) and confidence (B,) that the most confident of the
        (B, N, 3) points votes for.
        """
        best = self.confidence.argmax(dim=1)
        row = torch.arange(len(best), device=best.device)
        rotation = quaternion_to_matrix(self.quaternions[row, best])
        return rotation, cloud[row, best] + self.offsets[row, best], self.confidence[row, best]

    def distance(self, cloud: Tensor, target: Target) -> Tensor:
        """(B, N) error of each vote in diameters: the mean distance of the model's points
        (equations 1 and 2).
        """
        return pose_distance(quaternion_to_matrix(self.quaternions), cloud + self.offsets, target)


class FusionFeatures(nn.Module):
    """Local features of points and colours at two levels, and one global feature pooled from their
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
        """(B, N, 3) points and (B, E, N) embeddings to the fused features (B, 2 * width, N) of each
        of the two levels.
        """
        points = F.relu_(self.conv1(cloud.transpose(1, 2)))
        colors = F.relu_(self.e_conv1(embedding))
        first = torch.cat([points, colors], dim=1)
        return first, F.relu_(torch.cat([self.conv2(points), self.e_conv2(colors)], dim=1))

    def pooled(self, features: Tensor) -> Tensor:
        """(B, C, N) to the mean (B, pooled[1]) over the points."""
        return F.relu_(self.conv6(F.relu_(self.conv5(features)))).mean(dim=2)


def select_class(layer: nn.Module, features: Tensor, class_index: Tensor, size: int) -> Tensor:
    """Outputs (B, size, N) of the rows that belong to each instance's class, from a layer of
    ``num_classes * size`` outputs.

    ``features`` (B, C, N), ``class_index`` (B,) from 0. The other classes' outputs are not
    computed.
    """
    weight = layer.weight.reshape(-1, size, features.shape[1])[class_index]
    bias = layer.bias.reshape(-1, size)[class_index]
    return torch.baddbmm(bias.unsqueeze(2), weight, features)


class PoseNet(nn.Module):
    """Quaternion, translation and confidence from every point, for the class of each instance."""

    def __init__(
        self, color_network: nn.Module, num_classes: int, widths: Widths = PUBLISHED_WIDTHS
    ) -> None:
        super().__init__()
        first, second = (2 * width for width in widths.local)
        self.cnn = color_network
        self.feat = FusionFeatures(color_network.embedding_size, widths, pooled_inputs=second)
        self.local_size = first + second
        self.refiner_inputs = color_network.embedding_size
        for name, size in (("r", 4), ("t", 3), ("c", 1)):
            sizes = (self.local_size + widths.pooled[1], *widths.head, num_classes * size)
            for number in range(4):
                setattr(
                    self, f"conv{number + 1}_{name}", nn.Conv1d(sizes[number], sizes[number + 1], 1)
                )

    def forward(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> PoseVotes:
        """Votes from (B, 3, H, W) crops and the (B, N, 3) points at (B, N, 2) ``pixels`` (-1..1) of
        them; ``class_index`` (B,).
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
        """Pose and confidence of ``forward`` and its features, where only the most confident point
        votes for a pose.
        """
        embedding, local, pooled = self._fuse(image, cloud, pixels)
        confidence = self._head("c", local, pooled, class_index, 1).sigmoid().squeeze(1)
        best = confidence.argmax(dim=1, keepdim=True)
        local = local.gather(2, best.unsqueeze(1).expand(-1, local.shape[1], -1))
        rotation, translation = (
            self._head(name, local, pooled, class_index, size).transpose(1, 2)
            for name, size in (("r", 4), ("t", 3))
        )
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
        layers = [getattr(self, f"conv{number}_{name}") for number in (1, 2, 3, 4)]
        # The pooled part of the input is the same for all points, so its share of the first layer
        # is computed once per instance.
        weight = layers[0].weight
        shared = F.linear(pooled, weight[:, self.local_size :, 0], layers[0].bias)
        own = weight[:, : self.local_size, 0].expand(len(local), -1, -1)
        x = F.relu_(torch.baddbmm(shared.unsqueeze(2), own, local))
        x = F.relu_(layers[2](F.relu_(layers[1](x))))
        return select_class(layers[3], x, class_index, size)
