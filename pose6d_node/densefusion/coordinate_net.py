# SPDX-License-Identifier: Apache-2.0
"""Compact estimator: dense fusion as in DenseFusion, with a vote for the object coordinates.

The published network regresses a whole rotation from every point, which takes days of training on a
GPU. Object coordinates, the position on the model of every point seen (Brachmann et al., "Learning
6D Object Pose Estimation using 3D Object Coordinates", ECCV 2014), are learned from the same fused
features in a small fraction of the steps. The pose is the rigid motion that takes them to the
points, weighted by the confidences of the votes. Confidence loss and iterative refinement are those
of DenseFusion.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose6d_node.densefusion.losses import Target, coordinate_distance
from pose6d_node.densefusion.pose_net import ColorNet, FusionFeatures, Widths, select_class
from pose6d_node.densefusion.rotations import fit_rigid


@dataclass
class CoordinateVotes:
    """Votes of N points for their object coordinates.

    ``coordinates`` (B, N, 3) in the model's frame, in diameters; ``confidence`` (B, N) in 0..1;
    ``features`` (B, E + 4, N), which the refiner sees: the colour embedding and the votes.
    """

    coordinates: Tensor
    confidence: Tensor
    features: Tensor

    def pose(self, cloud: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation (B, 3, 3), translation (B, 3) and the mean confidence (B,).

        The pose is the rigid motion from the coordinates to the points ``cloud`` (B, N, 3).
        """
        rotation, translation = fit_rigid(self.coordinates, cloud, self.confidence)
        return rotation, translation, self.confidence.mean(dim=1)

    def distance(self, cloud: Tensor, target: Target) -> Tensor:
        """(B, N) error of each vote in diameters."""
        return coordinate_distance(self.coordinates, cloud, target)


class CoordinateNet(nn.Module):
    """Object coordinates and a confidence from every point, for the class of each instance."""

    cnn: ColorNet

    def __init__(self, color_network: ColorNet, num_classes: int, widths: Widths) -> None:
        super().__init__()
        first, second = (2 * width for width in widths.local)
        hidden = widths.head
        self.cnn = color_network
        self.refiner_inputs = color_network.embedding_size + 4
        self.feat = FusionFeatures(color_network.embedding_size, widths, pooled_inputs=second)

        # The first layer of the heads, in two: its input from each point and its global input.
        self.local = nn.Conv1d(first + second, hidden[0], 1)
        self.pooled = nn.Linear(widths.pooled[1], hidden[0])
        self.hidden = nn.Conv1d(hidden[0], hidden[1], 1)

        self.coordinates = nn.Sequential(
            nn.Conv1d(hidden[1], hidden[2], 1),
            nn.ReLU(),
            nn.Conv1d(hidden[2], 3 * num_classes, 1),
        )
        self.confidence = nn.Sequential(
            nn.Conv1d(hidden[1], hidden[2], 1),
            nn.ReLU(),
            nn.Conv1d(hidden[2], num_classes, 1),
        )

    def forward(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> CoordinateVotes:
        """Votes of the points ``cloud`` (B, N, 3) of the crops ``image`` (B, 3, H, W).

        ``pixels`` (B, N, 2) are the positions of the points in the crops, -1..1; ``class_index``
        (B,) from 0.
        """
        # Features of each point and of all of them (Wang et al. 2019, sections 3.3 and 3.4).
        embedding = self.cnn(image, pixels)
        first, second = self.feat.local(cloud, embedding)
        pooled = self.feat.pooled(second)
        x = F.relu(self.local(torch.cat([first, second], dim=1)) + self.pooled(pooled).unsqueeze(2))
        x = F.relu(self.hidden(x))

        # Both heads, for the class of each instance.
        coordinates = select_class(self.coordinates[2], self.coordinates[:2](x), class_index, 3)
        confidence = select_class(self.confidence[2], self.confidence[:2](x), class_index, 1)
        confidence = confidence.sigmoid()

        features = torch.cat([embedding, coordinates, confidence], dim=1)
        return CoordinateVotes(coordinates.transpose(1, 2), confidence.squeeze(1), features)

    def best_pose(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pose and confidence that the votes of ``forward`` give, and their features."""
        votes = self(image, cloud, pixels, class_index)
        return *votes.pose(cloud), votes.features
