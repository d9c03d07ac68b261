# SPDX-License-Identifier: Apache-2.0
"""Compact estimator: DenseFusion's dense fusion of colour and geometry, but every point votes for
where on the object it lies.

The published network regresses a whole rotation from every point, which takes days of training on a
GPU. Object coordinates (Brachmann et al., ECCV 2014) are learned from the same fused features in a
small part of the steps; the pose is the rigid motion that takes them to the points, weighted by the
confidences of the votes. Confidence loss and iterative refinement are those of DenseFusion.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose6d_node.densefusion.losses import Target, coordinate_distance
from pose6d_node.densefusion.pose_net import FusionFeatures, Widths, select_class
from pose6d_node.densefusion.rotations import fit_rigid


@dataclass
class CoordinateVotes:
    """What every point votes: ``coordinates`` (B, N, 3) on the object in diameters and
    ``confidence`` (B, N) in 0..1.

    ``features`` (B, E + 4, N), which the refiner sees, are the colour embedding and the votes.
    """

    coordinates: Tensor
    confidence: Tensor
    features: Tensor

    def pose(self, cloud: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation (B, 3, 3), translation (B, 3) fitted to the (B, N, 3) points, and the mean
        confidence (B,).
        """
        return *fit_rigid(self.coordinates, cloud, self.confidence), self.confidence.mean(dim=1)

    def distance(self, cloud: Tensor, target: Target) -> Tensor:
        """(B, N) error of each vote in diameters."""
        return coordinate_distance(self.coordinates, cloud, target)


class CoordinateNet(nn.Module):
    """Object coordinates and a confidence from every point, for the class of each instance."""

    def __init__(self, color_network: nn.Module, num_classes: int, widths: Widths) -> None:
        super().__init__()
        first, second = (2 * width for width in widths.local)
        hidden = widths.head
        self.cnn = color_network
        self.refiner_inputs = color_network.embedding_size + 4
        self.feat = FusionFeatures(color_network.embedding_size, widths, pooled_inputs=second)
        self.local = nn.Conv1d(first + second, hidden[0], 1)
        self.pooled = nn.Linear(widths.pooled[1], hidden[0])
        self.hidden = nn.Conv1d(hidden[0], hidden[1], 1)
        self.coordinates = nn.Sequential(
            nn.Conv1d(hidden[1], hidden[2], 1), nn.ReLU(), nn.Conv1d(hidden[2], 3 * num_classes, 1)
        )
        self.confidence = nn.Sequential(
            nn.Conv1d(hidden[1], hidden[2], 1), nn.ReLU(), nn.Conv1d(hidden[2], num_classes, 1)
        )

    def forward(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> CoordinateVotes:
        """Votes from (B, 3, H, W) crops and the (B, N, 3) points at (B, N, 2) ``pixels`` (-1..1) of
        them; ``class_index`` (B,).
        """
        embedding = self.cnn(image, pixels)
        first, second = self.feat.local(cloud, embedding)
        pooled = self.feat.pooled(second)
        x = F.relu(self.local(torch.cat([first, second], dim=1)) + self.pooled(pooled).unsqueeze(2))
        x = F.relu(self.hidden(x))
        coordinates = select_class(self.coordinates[2], self.coordinates[:2](x), class_index, 3)
        confidence = select_class(
            self.confidence[2], self.confidence[:2](x), class_index, 1
        ).sigmoid()
        features = torch.cat([embedding, coordinates, confidence], dim=1)
        return CoordinateVotes(coordinates.transpose(1, 2), confidence.squeeze(1), features)

    def best_pose(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pose and confidence of ``forward`` and its features."""
        votes = self(image, cloud, pixels, class_index)
        return *votes.pose(cloud), votes.features
