# SPDX-License-Identifier: Apache-2.0
"""A second implementation of one stream of I3D, to check the network against.

It follows figure 3 of the paper and uses tensors by name only.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

BRANCHES = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
MODULES = tuple(f"Mixed_{name}" for name in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"))
UNITS = (
    "Conv3d_1a_7x7",
    "Conv3d_2b_1x1",
    "Conv3d_2c_3x3",
    *(f"{module}.{branch}" for module in MODULES for branch in BRANCHES),
)


def public_names() -> set[str]:
    """Tensor names of the published ``rgb_imagenet.pt`` and ``flow_imagenet.pt``."""
    leaves = ("conv3d.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    return {f"{unit}.{leaf}" for unit in UNITS for leaf in leaves} | {
        "logits.conv3d.weight",
        "logits.conv3d.bias",
    }


def logits(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    """(N, C) of clips (N, channels, T, H, W).

    Height and width leave a 1 x 1 map, and T is more than 8.
    """

    def padded(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        for axis, (width, step) in enumerate(zip(kernel, stride, strict=True), start=2):
            length = x.shape[axis]
            total = max((math.ceil(length / step) - 1) * step + width - length, 0)
            before, after = total // 2, total - total // 2
            zeros = [torch.zeros_like(x.narrow(axis, 0, 1))]
            x = torch.cat([*zeros * before, x, *zeros * after], dim=axis)
        return x

    def unit(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = tensors[f"{name}.conv3d.weight"]
        x = functional.conv3d(padded(x, weight.shape[2:], (stride,) * 3), weight, stride=stride)
        mean, variance, scale, shift = (
            tensors[f"{name}.bn.{leaf}"].view(1, -1, 1, 1, 1)
            for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (variance + 1e-3).sqrt() * scale + shift).clamp(min=0)

    def pool(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        return functional.max_pool3d(padded(x, kernel, stride), kernel, stride)

    def mixed(x: Tensor, name: str) -> Tensor:
        branches = [
            unit(x, f"{name}.b0"),
            unit(unit(x, f"{name}.b1a"), f"{name}.b1b"),
            unit(unit(x, f"{name}.b2a"), f"{name}.b2b"),
            unit(pool(x, (3, 3, 3), (1, 1, 1)), f"{name}.b3b"),
        ]
        return torch.cat(branches, dim=1)

    x = pool(unit(x, "Conv3d_1a_7x7", stride=2), (1, 3, 3), (1, 2, 2))
    x = pool(unit(unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    pools = {"Mixed_4b": ((3, 3, 3), (2, 2, 2)), "Mixed_5b": ((2, 2, 2), (2, 2, 2))}
    for name in MODULES:
        x = mixed(pool(x, *pools[name]) if name in pools else x, name)
    pairs = (x[:, :, :-1] + x[:, :, 1:]) / 2  # mean over two moments
    weight = tensors["logits.conv3d.weight"].flatten(1)
    return (pairs.flatten(2).transpose(1, 2) @ weight.T + tensors["logits.conv3d.bias"]).mean(dim=1)
