# SPDX-License-Identifier: Apache-2.0
"""Stages of a network from input to output, by which it is fine-tuned."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

Stages = dict[str, tuple[str, ...]]


class StagedNetwork(nn.Module):
    """A network whose tensors are grouped by stage.

    ``STAGES``: the stages from input to output, each with the prefixes of its tensors; the last is
    the classifier.
    """

    STAGES: ClassVar[Stages]


def stages_of(network: nn.Module) -> Stages:
    """``STAGES`` of a network. Raises TypeError for one that has none, such as a compiled one."""
    if not isinstance(network, StagedNetwork):
        raise TypeError(f"expected a network with stages, got {type(network).__name__}")
    return network.STAGES
