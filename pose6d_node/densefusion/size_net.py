# SPDX-License-Identifier: Apache-2.0
"""Geometry branch for objects of unknown size: by how much each is larger than its class's model.

It sees the points of an instance in a unit that does not depend on its size, with the color
embedding of the estimator, which tells the parts of an object apart. It predicts logarithms of the
factors with their uncertainty (Nix and Weigend, "Estimating the mean and variance of the target
probability distribution", 1994).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose6d_node.densefusion.pose_net import ColorNet, select_class

POINT_WIDTHS, HEAD_WIDTHS = (64, 128, 256), (128, 64)
LOG_STD_RANGE = (-4.5, 0.5)  # a standard deviation of 1 % to 65 %


@dataclass
class LogScale:
    """Predictions of B instances: ``mean`` and ``log_std`` (B, 3) of the logarithms of their
    factors along the axes of the model.
    """

    mean: Tensor
    log_std: Tensor

    @property
    def scale(self) -> Tensor:
        """(B, 3) factors."""
        return self.mean.exp()

    @property
    def relative_std(self) -> Tensor:
        """(B, 3) standard deviations of the factors, as fractions of them."""
        return self.log_std.exp()

    def loss(self, scale: Tensor) -> Tensor:
        """Gaussian negative log-likelihood of the true factors (B, 3)."""
        variance = (2 * self.log_std).exp()
        return F.gaussian_nll_loss(self.mean, scale.log(), variance)


class SizeNet(nn.Module):
    """Factors of each instance from its points (PointNet: Qi et al., CVPR 2017).

    ``groups`` (C, 3) numbers the axes of each class that have one factor (``axis_groups``).
    """

    sharing: Tensor

    def __init__(self, embedding_size: int, groups: Tensor) -> None:
        super().__init__()
        self.points = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise((3 + embedding_size, *POINT_WIDTHS))
                for layer in (nn.Conv1d(inputs, outputs, 1), nn.ReLU())
            )
        )
        # The mean and the extremes of the points' features.
        self.hidden = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise((2 * POINT_WIDTHS[-1], *HEAD_WIDTHS))
                for layer in (nn.Linear(inputs, outputs), nn.ReLU())
            )
        )
        self.factors = nn.Linear(HEAD_WIDTHS[-1], 6 * len(groups))

        # (C, 3, 3): the mean over the axes of a group.
        same = (groups.unsqueeze(2) == groups.unsqueeze(1)).float()
        sharing = same / same.sum(dim=2, keepdim=True)
        self.register_buffer("sharing", sharing, persistent=False)

    def forward(self, embedding: Tensor, cloud: Tensor, class_index: Tensor) -> tuple[Tensor, ...]:
        """``mean`` and ``log_std`` (B, 3) of a ``LogScale``.

        ``embedding`` (B, E, N) of the points ``cloud`` (B, N, 3); ``class_index`` (B,) from 0.
        """
        features = self.points(torch.cat([cloud.transpose(1, 2), embedding], dim=1))
        pooled = torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1)
        hidden = self.hidden(pooled).unsqueeze(2)
        values = select_class(self.factors, hidden, class_index, 6).view(-1, 2, 3)
        mean, log_std = (values @ self.sharing[class_index]).unbind(1)
        return mean, log_std.clamp(*LOG_STD_RANGE)

    @torch.no_grad()
    def initialize(self) -> None:
        """Start from instances as large as their models, give or take a third."""
        self.factors.weight.mul_(0.1)
        self.factors.bias.view(-1, 2, 3)[:, 1] = -1.0


class ColorAndSizeNet(nn.Module):
    """A ``SizeNet`` after the color network whose embedding it sees."""

    def __init__(self, color_network: ColorNet, size_network: SizeNet) -> None:
        super().__init__()
        self.cnn, self.size_network = color_network, size_network

    def forward(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> tuple[Tensor, ...]:
        """``mean`` and ``log_std`` (B, 3); arguments are those of the estimator."""
        mean, log_std = self.size_network(self.cnn(image, pixels), cloud, class_index)
        return mean, log_std
