# SPDX-License-Identifier: Apache-2.0
"""Fits the appearance descriptor of a trained network to annotated frames."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from pose6d_node.segmentation.dataset import AnnotatedFrames, detection_target


@torch.inference_mode()
def fit_descriptor(network: MaskRCNN, frames: AnnotatedFrames, max_frames: int = 300) -> None:
    """Fit ``network.descriptor`` to the annotated boxes of at most ``max_frames`` of ``frames``.

    One of these must show an instance.
    """
    device = next(network.parameters()).device
    network.eval()

    averages: list[Tensor] = []
    for index in np.random.default_rng(0).permutation(len(frames.classes)):
        labels = torch.from_numpy(frames.labels[index])
        classes = torch.from_numpy(frames.classes[index])
        boxes = detection_target(labels, classes)["boxes"].to(device)
        if len(boxes) == 0:
            continue

        images, _ = network.transform([frames.image(index).to(device)])
        features = network.backbone(images.tensors)
        pooled = network.roi_heads.box_roi_pool(features, [boxes], images.image_sizes)
        averages.append(network.descriptor.average(pooled))
        if len(averages) == max_frames:
            break

    network.descriptor.fit(torch.cat(averages))
