# SPDX-License-Identifier: Apache-2.0
"""Training only the later stages of a network that was trained before."""

from __future__ import annotations

from torch import nn

from perception_kit.training.run import TrainingError


def frozen_prefixes(network: nn.Module, last_stage: str) -> tuple[str, ...]:
    """Prefixes of the tensors of all stages up to and with ``last_stage``.

    Raises TrainingError for a stage that the network has not, or for its last one: nothing would be
    left to train.
    """
    stages = list(network.STAGES)
    if last_stage not in stages[:-1]:
        raise TrainingError(
            f"cannot freeze up to '{last_stage}', expected one of {', '.join(stages[:-1])}"
        )
    return tuple(
        prefix
        for stage in stages[: stages.index(last_stage) + 1]
        for prefix in network.STAGES[stage]
    )


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
