# SPDX-License-Identifier: Apache-2.0
"""Auxiliary task of training: where on the object each point lies.

It is no part of the published method and of the model file. Direct regression of a rotation says little about why it was wrong; predicting
every point's object coordinates (Brachmann et al., ECCV 2014) from the same features says it point by point, so that features that tell
the sides of an object apart are learned in far fewer steps.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from pose6d_node.densefusion.pose_net import select_class


class CoordinateHead(nn.Module):
    """Object coordinates of points, in diameters, for the class of each instance."""

    def __init__(self, local_size: int, pooled_size: int, num_classes: int, width: int = 128) -> None:
        super().__init__()
        self.local = nn.Conv1d(local_size, width, 1)
        self.pooled = nn.Linear(pooled_size, width)
        self.final = nn.Conv1d(width, 3 * num_classes, 1)

    def forward(self, local: Tensor, pooled: Tensor, class_index: Tensor) -> Tensor:
        """(B, local_size, P) features of points, (B, pooled_size) of instances and (B,) class indices to (B, P, 3)."""
        x = F.relu(self.local(local) + self.pooled(pooled).unsqueeze(2))
        return select_class(self.final, x, class_index, 3).transpose(1, 2)


def coordinate_loss(
    coordinates: Tensor, points: Tensor, true_rotation: Tensor, true_translation: Tensor, symmetries: Tensor, scale: Tensor
) -> Tensor:
    """Mean distance in diameters between predicted (B, P, 3) and true object coordinates, under the symmetry that fits each instance best.

    ``points`` (B, P, 3), ``true_rotation`` (B, 3, 3) and ``true_translation`` (B, 3) in the networks' frame, ``symmetries`` (B, K, 4, 4)
    with translations in metres, ``scale`` (B,) metres per diameter.
    """
    truth = ((points - true_translation.unsqueeze(1)) @ true_rotation).unsqueeze(1)
    shift = (symmetries[:, :, :3, 3] / scale.view(-1, 1, 1)).unsqueeze(2)
    alternatives = truth @ symmetries[:, :, :3, :3].mT + shift
    distance = ((coordinates.unsqueeze(1) - alternatives).square().sum(dim=3) + 1e-12).sqrt().mean(dim=2)
    return distance.amin(dim=1).mean()
