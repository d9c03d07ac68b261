# SPDX-License-Identifier: Apache-2.0
"""Sizes of instances before their poses: the points are normalized by the estimated one.

The size network sees all instances of a class in one unit, in which the largest still fit; the pose
networks see each in the unit of its own, as large as any other of its class.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pose6d_node.densefusion.augmentation import uniform
from pose6d_node.densefusion.crops import Crops, NetworkInputs
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.size_net import ColorAndSizeNet, LogScale, SizeNet

UNIT_NOISE = 0.06  # relative, of the unit in training: estimates of it are not exact either
MAX_ZOOM = 1.4  # by which training instances are made larger or smaller
BEYOND = 0.1  # logarithm of the factor by which estimates may leave the range that was trained


def reach(model: PoseModel) -> Tensor:
    """(C,) metres: the diameters of the largest instances of each class."""
    return model.diameters * model.spec.size_range[1]


def units(model: PoseModel, class_index: Tensor, scale: Tensor) -> Tensor:
    """(B,) units of the pose networks, metres, for instances of (B, 3) factors."""
    return model.diameters[class_index] * scale.log().mean(dim=1).exp()


@torch.inference_mode()
def estimate_sizes(model: PoseModel, inputs: NetworkInputs) -> LogScale:
    """Sizes of B instances; of those whose size is known, all factors are 1 and certain.

    ``inputs`` are in the unit ``reach``.
    """
    if not model.spec.estimates_sizes or not len(inputs.class_index):
        known = torch.zeros(len(inputs.class_index), 3, device=inputs.cloud.device)
        return LogScale(known, known - torch.inf)
    network: nn.Module = model.size_network
    if isinstance(network, SizeNet):  # not compiled
        network = ColorAndSizeNet(model.estimator.cnn, network)
    arguments = inputs.image, inputs.cloud, inputs.pixels, inputs.class_index
    mean, log_std = network(*arguments)
    low, high = (math.log(factor) for factor in model.spec.size_range)
    return LogScale(mean.clamp(low - BEYOND, high + BEYOND), log_std)


def normalized(model: PoseModel, inputs: NetworkInputs, scale: Tensor) -> NetworkInputs:
    """The inputs of the pose networks, of instances of (B, 3) factors."""
    if not model.spec.estimates_sizes:
        return inputs
    return inputs.with_unit(units(model, inputs.class_index, scale))


def vary_sizes(
    crops: Crops, translation: Tensor, scale: Tensor, size_range: tuple[float, float]
) -> tuple[Crops, Tensor, Tensor]:
    """Training crops, translations (B, 3) and factors (B, 3) of larger and smaller instances.

    An object k times as large at k times the distance is the same picture. The factors stay within
    ``size_range``.
    """
    low = (size_range[0] / scale.amin(dim=1)).clamp(1 / MAX_ZOOM, 1.0)
    high = (size_range[1] / scale.amax(dim=1)).clamp(1.0, MAX_ZOOM)
    place = uniform(0.0, 1.0, len(scale), device=scale.device)
    zoom = (low.log() + place * (high / low).log()).exp()
    return crops.zoomed(zoom), translation * zoom.unsqueeze(1), scale * zoom.unsqueeze(1)


def noisy(scale: Tensor) -> Tensor:
    """(B, 3) factors as wrong as estimates of them, for training the pose networks."""
    noise = UNIT_NOISE * torch.randn(len(scale), 1, device=scale.device)
    return scale * noise.exp()
