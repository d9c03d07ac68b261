# SPDX-License-Identifier: Apache-2.0
"""The networks of a pose model, compiled by OpenVINO."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perception_kit.networks.openvino_module import compile_module
from perception_kit.networks.openvino_runtime import DYNAMIC
from pose6d_node.densefusion.coordinate_net import CoordinateNet, CoordinateVotes
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.size_net import ColorAndSizeNet


class _Votes(nn.Module):
    """The values of the votes of a network."""

    def __init__(self, network: CoordinateNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        votes = self.network(*inputs)
        return votes.coordinates, votes.confidence, votes.features


class OpenVINOCoordinateNet(nn.Module):
    """A ``CoordinateNet`` for any number of instances; PyTorch fits the pose to the votes."""

    def __init__(self, network: CoordinateNet, inputs: list[Tensor], rounds: bool) -> None:
        super().__init__()
        self._compiled = _compile(_Votes(network).eval(), inputs, rounds)

    def best_pose(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See ``CoordinateNet.best_pose``."""
        votes = CoordinateVotes(*self._compiled(image, cloud, pixels, class_index))
        return *votes.pose(cloud), votes.features


def can_be_compiled(model: PoseModel) -> bool:
    """Whether OpenVINO runs the networks of ``model``: not the published ones."""
    return bool(model.spec.num_trained) and isinstance(model.estimator, CoordinateNet)


@torch.no_grad()
def compile_networks(model: PoseModel, rounds: bool = False) -> None:
    """Replace both networks of ``model``, which is in evaluation mode, by compiled ones.

    It is changed only where both can be compiled. They compute in bfloat16 where they ``rounds``.
    Raises RuntimeUnavailableError without OpenVINO, TypeError for networks that ``can_be_compiled``
    denies.
    """
    spec, size, network = model.spec, model.spec.crop_size, model.estimator
    if not isinstance(network, CoordinateNet):
        raise TypeError(f"expected a CoordinateNet, got {type(network).__name__}")
    image = torch.zeros(2, 3, size, size)
    cloud = torch.rand(2, spec.num_points, 3)
    pixels, class_index = torch.zeros(2, spec.num_points, 2), torch.zeros(2, dtype=torch.long)
    features = torch.rand(2, network.refiner_inputs, spec.num_points)

    estimator = OpenVINOCoordinateNet(network, [image, cloud, pixels, class_index], rounds)
    refiner = _compile(model.refiner, [cloud, features, class_index], rounds)
    if spec.estimates_sizes:
        sizes = ColorAndSizeNet(network.cnn, model.size_network).eval()
        model.add_module(
            "size_network", _compile(sizes, [image, cloud, pixels, class_index], rounds)
        )
    model.add_module("estimator", estimator)
    model.add_module("refiner", refiner)


def _compile(network: nn.Module, inputs: list[Tensor], rounds: bool) -> nn.Module:
    """A network for any number of instances."""
    shapes = [(DYNAMIC, *value.shape[1:]) for value in inputs]
    return compile_module(network, inputs, shapes, rounds)
