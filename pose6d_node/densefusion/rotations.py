# SPDX-License-Identifier: Apache-2.0
"""Rotations as batched tensors, and the rigid motion between two point sets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def quaternion_to_matrix(wxyz: Tensor) -> Tensor:
    """(..., 3, 3) rotation matrices of (..., 4) quaternions w, x, y, z, normalised here."""
    w, x, y, z = F.normalize(wxyz, dim=-1).unbind(-1)
    entries = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def viewing_rotation(directions: Tensor) -> Tensor:
    """(B, 3, 3) smallest rotations that turn the optical axis (0, 0, 1) towards ``directions``.

    These (B, 3) point in front of the camera.
    """
    x, y, z = F.normalize(directions, dim=-1).unbind(-1)
    shared = 1 / (1 + z)
    entries = [
        *(1 - x * x * shared, -x * y * shared, x),
        *(-x * y * shared, 1 - y * y * shared, y),
        *(-x, -y, z),
    ]
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def roll_matrix(angle: Tensor) -> Tensor:
    """(B, 3, 3) rotations about the optical axis by (B,) angles in radians.

    Positive angles turn x towards y (clockwise in the image).
    """
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    entries = [
        *(cosine, -sine, zero),
        *(sine, cosine, zero),
        *(zero, zero, zero + 1),
    ]
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


@torch.no_grad()
def fit_rigid(
    source: Tensor, target: Tensor, weights: Tensor, iterations: int = 4, tolerance: float = 0.02
) -> tuple[Tensor, Tensor]:
    """Rotation (B, 3, 3) and translation (B, 3) that take ``source`` to ``target`` best.

    Both are (B, N, 3), with (B, N) ``weights``. This is the method of Kabsch (1976), reweighted
    ``iterations`` times so that the distances, not their squares, are minimised and outliers count
    little. ``tolerance`` is the distance below which points are not told apart. No gradient flows.

    Where input is not finite or all weights are 0, the translation is not finite; the rest of the
    batch is not affected.
    """
    robust = weights
    for _ in range(iterations):
        # Weighted centroids and covariance.
        fraction = (robust / robust.sum(dim=1, keepdim=True)).unsqueeze(2)
        source_mean = (source * fraction).sum(dim=1, keepdim=True)
        target_mean = (target * fraction).sum(dim=1, keepdim=True)
        covariance = ((source - source_mean) * fraction).mT @ (target - target_mean)

        # Kabsch: R = V diag(1, 1, d) Uᵀ; d makes it a rotation, not a reflection. The decomposition
        # would refuse the whole batch for one entry that is not finite.
        u, _, vh = torch.linalg.svd(covariance.nan_to_num(0, 0, 0))
        sign = torch.ones_like(u[:, :, 0])
        sign[:, 2] = torch.linalg.det(vh.mT @ u.mT).sign()
        rotation = vh.mT @ (sign.unsqueeze(2) * u.mT)
        translation = (target_mean - source_mean @ rotation.mT).squeeze(1)

        # Reweight by the inverse distance, which turns squares into distances.
        distance = (source @ rotation.mT + translation.unsqueeze(1) - target).norm(dim=2)
        robust = weights / (distance + tolerance)

    return rotation, translation


def axis_angle_to_matrix(vectors: Tensor) -> Tensor:
    """(..., 3, 3) matrices of (..., 3) rotation vectors in radians (Rodrigues' formula)."""
    angle = vectors.norm(dim=-1, keepdim=True).clamp(min=1e-9)
    x, y, z = (vectors / angle).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    cross = cross.unflatten(-1, (3, 3))
    sine, cosine = angle.sin().unsqueeze(-1), angle.cos().unsqueeze(-1)
    return torch.eye(3, device=vectors.device) + sine * cross + (1 - cosine) * (cross @ cross)
