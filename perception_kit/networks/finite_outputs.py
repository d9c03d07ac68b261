# SPDX-License-Identifier: Apache-2.0
"""Outputs of networks that are not finite are an error and never a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class NonFiniteError(ValueError):
    """A network gave values that are not finite; the message says which part of it."""


def refuse_non_finite(part: nn.Module, name: str) -> None:
    """Raise NonFiniteError from now on where an output of ``part``, called ``name``, is not finite.

    What follows would hide it: no comparison with NaN is true, so that nothing seems to be found.
    """

    part.register_forward_hook(lambda module, inputs, output: check_finite(output, name))


def check_finite(output: Any, name: str) -> None:
    """Raise NonFiniteError where a tensor of ``output``, of the part ``name``, is not finite."""
    if not all(map(_is_finite, _tensors(output))):
        raise NonFiniteError(f"the {name} of the network gave values that are not finite")


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point():
        return True
    # One sum instead of a comparison of each value; the faster one may overflow.
    return bool(tensor.sum(dtype=torch.float32).isfinite()) or bool(
        tensor.sum(dtype=torch.float64).isfinite()
    )


def _tensors(output: Any) -> list[Tensor]:
    """The tensors of a nested output."""
    if isinstance(output, Tensor):
        return [output]
    values = output.values() if isinstance(output, Mapping) else output
    return [tensor for value in values for tensor in _tensors(value)]
