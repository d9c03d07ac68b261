# SPDX-License-Identifier: Apache-2.0
"""The networks of a pose model, compiled by OpenVINO."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perception_kit.networks.graph_cache import compile_module
from perception_kit.networks.openvino_runtime import DYNAMIC
from pose6d_node.densefusion.coordinate_net import CoordinateNet, CoordinateVotes
from pose6d_node.densefusion.pose_model import Estimator, PoseModel


class _Outputs(nn.Module):
    """What ``OpenVINOEstimator`` needs of an estimator."""

    def __init__(self, estimator: Estimator) -> None:
        super().__init__()
        self.estimator = estimator

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if isinstance(self.estimator, CoordinateNet):
            votes = self.estimator(*inputs)
            return votes.coordinates, votes.confidence, votes.features
        return self.estimator.best_pose(*inputs)


class OpenVINOEstimator(nn.Module):
    """An estimator for any number of instances.

    The pose of a ``CoordinateNet`` is fitted to its votes by PyTorch.
    """

    def __init__(self, estimator: Estimator, inputs: list[Tensor]) -> None:
        super().__init__()
        self._gives_votes = isinstance(estimator, CoordinateNet)
        self._compiled = _compile(_Outputs(estimator).eval(), inputs)

    def best_pose(
        self, image: Tensor, cloud: Tensor, pixels: Tensor, class_index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See ``PoseNet.best_pose``."""
        outputs = self._compiled(image, cloud, pixels, class_index)
        if not self._gives_votes:
            return outputs
        votes = CoordinateVotes(*outputs)
        return *votes.pose(cloud), votes.features


@torch.no_grad()
def compile_networks(model: PoseModel) -> None:
    """Replace both networks of ``model``, which is in evaluation mode, by compiled ones.

    It is changed only where both can be compiled. Raises RuntimeUnavailableError without OpenVINO.
    """
    spec, size = model.spec, model.spec.crop_size
    if not spec.num_trained:
        return
    image = torch.zeros(2, 3, size, size)
    cloud = torch.rand(2, spec.num_points, 3)
    pixels, class_index = torch.zeros(2, spec.num_points, 2), torch.zeros(2, dtype=torch.long)
    features = torch.rand(2, model.estimator.refiner_inputs, spec.num_points)

    estimator = OpenVINOEstimator(model.estimator, [image, cloud, pixels, class_index])
    refiner = _compile(model.refiner, [cloud, features, class_index])
    model.add_module("estimator", estimator)
    model.add_module("refiner", refiner)


def _compile(network: nn.Module, inputs: list[Tensor]) -> nn.Module:
    """A network for any number of instances."""
    return compile_module(network, inputs, [(DYNAMIC, *value.shape[1:]) for value in inputs])
