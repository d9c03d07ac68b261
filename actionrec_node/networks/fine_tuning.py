# SPDX-License-Identifier: Apache-2.0
"""What is kept of a network that was trained before: its early stages, or a part of all weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from actionrec_node.networks.stages import stages_of
from perception_kit.training.run import TrainingError


def frozen_prefixes(network: nn.Module, last_stage: str) -> tuple[str, ...]:
    """Prefixes of the tensors of all stages up to and with ``last_stage``.

    Raises TrainingError for a stage that the network has not, or for its last one: nothing would be
    left to train.
    """
    stages = stages_of(network)
    names = list(stages)
    if last_stage not in names[:-1]:
        raise TrainingError(
            f"cannot freeze up to '{last_stage}', expected one of {', '.join(names[:-1])}"
        )
    frozen = names[: names.index(last_stage) + 1]
    return tuple(prefix for name in frozen for prefix in stages[name])


def freeze(network: nn.Module, prefixes: tuple[str, ...]) -> None:
    """Take the parameters that start with one of ``prefixes`` out of training."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith(prefixes))


def train_mode(network: nn.Module, prefixes: tuple[str, ...]) -> None:
    """Training mode, except for what is frozen: batch normalisation there keeps its statistics."""
    network.train()
    for name, module in network.named_modules():
        if f"{name}.".startswith(prefixes):
            module.eval()


@torch.no_grad()
def mix_weights(network: nn.Module, start: Mapping[str, Tensor], fraction: float) -> None:
    """Leave ``fraction`` of the weights as trained, and take the rest from ``start``.

    ``start`` is the ``state_dict`` before the training, whose statistics of batch normalization
    are mixed, too. WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022,
    equation 1).
    """
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.lerp(start[name].to(tensor), tensor, fraction))
