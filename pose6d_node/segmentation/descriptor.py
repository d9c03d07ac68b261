# SPDX-License-Identifier: Apache-2.0
"""Appearance descriptor of an instance: its averaged RoIAlign features, whitened, of norm 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

DESCRIPTOR_SIZE = 32  # principal components that are kept
RIDGE = 1e-3  # of the mean variance; keeps directions that hardly vary from being blown up


class Descriptor(nn.Module):
    """Whitened mean of RoIAlign features, with norm 1.

    The box head's embedding is trained to be the same for all instances of a class; the features
    before it still tell two of them apart. Averages of convolutional features are all alike (cosine
    distances of 0.1 between different objects); whitened by their covariance over many objects,
    different objects lie about 1 apart, so that a tracker's distance threshold means something.
    """

    mean: Tensor
    projection: Tensor

    def __init__(self, channels: int, size: int = DESCRIPTOR_SIZE) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("projection", torch.eye(channels, size))

    def average(self, pooled: Tensor) -> Tensor:
        """(N, C) means of (N, C or more, h, w) RoIAlign features.

        The first C channels are the appearance.
        """
        return pooled[:, : len(self.mean)].mean(dim=(2, 3))

    def forward(self, pooled: Tensor) -> Tensor:
        """(N, D) descriptors of (N, C or more, h, w) RoIAlign features."""
        return normalize((self.average(pooled) - self.mean) @ self.projection, dim=1)

    def fit(self, averages: Tensor) -> None:
        """Set mean and projection from (M, C) averaged features.

        The projection is onto the largest principal components, scaled to unit variance.
        """
        self.mean = averages.mean(dim=0)
        centered = averages - self.mean
        covariance = centered.T @ centered / max(len(averages), 1)

        # Eigenvalues come in ascending order.
        variances, directions = torch.linalg.eigh(covariance)
        ridge = RIDGE * variances.mean().clamp(min=1e-12)
        largest = variances[-self.size :].clamp(min=0)
        self.projection = directions[:, -self.size :] / (largest + ridge).sqrt()
