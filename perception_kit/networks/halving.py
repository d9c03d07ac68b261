# SPDX-License-Identifier: Apache-2.0
"""The weights of a model in half the bytes."""

from __future__ import annotations

import torch

MAX_FLOAT16 = torch.finfo(torch.float16).max


def halve(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors, those of two and more dimensions as float16.

    Raises ValueError, which names the tensor, for a value that float16 cannot hold.
    """
    halved = {}
    for name, tensor in tensors.items():
        is_large = tensor.is_floating_point() and tensor.ndim >= 2 and tensor.numel() > 0
        if is_large and (peak := float(tensor.abs().max())) > MAX_FLOAT16:
            raise ValueError(f"'{name}' has a value of {peak:.3g}, and float16 ends at 65504")
        halved[name] = tensor.half() if is_large else tensor
    return halved
