# SPDX-License-Identifier: Apache-2.0
"""Rotations as batched tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def quaternion_to_matrix(wxyz: Tensor) -> Tensor:
    """(..., 3, 3) rotation matrices of (..., 4) quaternions w, x, y, z, which are normalised here."""
    w, x, y, z = F.normalize(wxyz, dim=-1).unbind(-1)
    entries = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def viewing_rotation(directions: Tensor) -> Tensor:
    """(B, 3, 3) smallest rotations that turn the optical axis (0, 0, 1) towards (B, 3) directions in front of the camera."""
    x, y, z = F.normalize(directions, dim=-1).unbind(-1)
    shared = 1 / (1 + z)
    entries = [1 - x * x * shared, -x * y * shared, x, -x * y * shared, 1 - y * y * shared, y, -x, -y, z]
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def roll_matrix(angle: Tensor) -> Tensor:
    """(B, 3, 3) rotations about the optical axis by (B,) angles in radians; positive turns x towards y (clockwise in the image)."""
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, zero + 1], dim=-1).unflatten(-1, (3, 3))
