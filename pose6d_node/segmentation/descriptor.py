# SPDX-License-Identifier: Apache-2.0
"""Appearance descriptor of an instance: its RoIAlign features, averaged, whitened and normalised."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize
from torchvision.models.detection import MaskRCNN

from pose6d_node.segmentation.dataset import Frames, detection_target

DESCRIPTOR_SIZE = 32
RIDGE = 1e-3  # of the mean variance; keeps directions that hardly vary from being blown up


class Descriptor(nn.Module):
    """Whitened mean of RoIAlign features, with norm 1.

    The box head's embedding is trained to be the same for all instances of a class; the features
    before it still tell two of them apart. Averages of convolutional features are all alike (cosine
    distances of 0.1 between different things); whitened by their covariance over many objects,
    different things lie about 1 apart, so that a tracker's distance threshold means something.
    """

    def __init__(self, channels: int, size: int = DESCRIPTOR_SIZE) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("projection", torch.eye(channels, size))

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """(N, D) descriptors of (N, C or more, h, w) RoIAlign features, of which the first C are
        the appearance.
        """
        return normalize(
            (pooled[:, : len(self.mean)].mean(dim=(2, 3)) - self.mean) @ self.projection, dim=1
        )

    def fit(self, averages: torch.Tensor) -> None:
        """Set mean and projection (the largest principal components, scaled to unit variance) from
        (M, C) averaged features.
        """
        self.mean = averages.mean(dim=0)
        centered = averages - self.mean
        covariance = centered.T @ centered / max(len(averages), 1)
        variances, directions = torch.linalg.eigh(covariance)
        ridge = RIDGE * variances.mean().clamp(min=1e-12)
        self.projection = (
            directions[:, -self.size :] / (variances[-self.size :].clamp(min=0) + ridge).sqrt()
        )


@torch.inference_mode()
def fit_descriptor(network: MaskRCNN, frames: Frames, max_frames: int = 300) -> None:
    """Fit ``network.descriptor`` to the annotated boxes of at most ``max_frames`` of ``frames``;
    one must show an instance.
    """
    device = next(network.parameters()).device
    network.eval()
    averages: list[torch.Tensor] = []
    for index in np.random.default_rng(0).permutation(len(frames.classes)):
        boxes = detection_target(
            torch.from_numpy(frames.labels[index]), torch.from_numpy(frames.classes[index])
        )["boxes"]
        if len(boxes) == 0:
            continue
        images, _ = network.transform([frames.image(index).to(device)])
        pooled = network.roi_heads.box_roi_pool(
            network.backbone(images.tensors), [boxes.to(device)], images.image_sizes
        )
        averages.append(pooled[:, : len(network.descriptor.mean)].mean(dim=(2, 3)))
        if len(averages) == max_frames:
            break
    network.descriptor.fit(torch.cat(averages))
