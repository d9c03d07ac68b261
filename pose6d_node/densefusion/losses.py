# SPDX-License-Identifier: Apache-2.0
"""DenseFusion's losses (Wang et al. 2019, section 3.5, equations 1 to 3).

Lengths are in the networks' unit, the object's diameter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Target:
    """Ground-truth poses of B instances and what is needed to compare with them.

    ``rotation`` (B, 3, 3) and ``translation`` (B, 3) in the networks' frame; ``model_points`` (B,
    M, 3); ``symmetric`` (B,) bool; ``symmetries`` (B, K, 4, 4) transforms of the model onto itself.
    """

    rotation: Tensor
    translation: Tensor
    model_points: Tensor
    symmetric: Tensor
    symmetries: Tensor


def pose_distance(rotation: Tensor, translation: Tensor, target: Target) -> Tensor:
    """(B, P) mean distance between the model's points at each hypothesis and at the true pose.

    The P hypotheses of each instance are (B, P, 3, 3) and (B, P, 3). The distance is that of
    equation 1, or of equation 2 where the object is symmetric.
    """
    predicted = target.model_points.unsqueeze(1) @ rotation.mT + translation.unsqueeze(2)
    true = target.model_points @ target.rotation.mT + target.translation.unsqueeze(1)
    true = true.unsqueeze(1).expand_as(predicted)

    # Equation 2: a point of a symmetric object is compared with the nearest predicted one.
    if target.symmetric.any():
        predicted = predicted.clone()
        predicted[target.symmetric] = _nearest(predicted[target.symmetric], true[target.symmetric])

    # Equation 1: the mean over the M points of the model.
    return length(predicted - true).mean(dim=2)


def coordinate_distance(coordinates: Tensor, cloud: Tensor, target: Target) -> Tensor:
    """(B, N) distances between predicted and true object coordinates of the points ``cloud``.

    ``coordinates`` and ``cloud`` are (B, N, 3). The true coordinates may be moved by the symmetry
    of the object that fits all points of an instance best.
    """
    # The true coordinates, under each of the K symmetries: (B, K, N, 3).
    true = ((cloud - target.translation.unsqueeze(1)) @ target.rotation).unsqueeze(1)
    turns, shifts = target.symmetries[:, :, :3, :3], target.symmetries[:, :, :3, 3]
    alternatives = true @ turns.mT + shifts.unsqueeze(2)

    distance = length(coordinates.unsqueeze(1) - alternatives)
    best = distance.mean(dim=2).argmin(dim=1)
    return distance[torch.arange(len(best), device=best.device), best]


def voting_loss(distance: Tensor, confidence: Tensor, weight: float) -> Tensor:
    """Equation 3, the mean over votes of d c - w log c, and the mean of d itself.

    Equation 3 teaches c = w / d (at most 1). The second term is not in the paper: equation 3 alone
    scales the gradient of a vote by its confidence, so that bad votes, which are all there is in
    the beginning, are learned last.
    """
    regularized = distance * confidence - weight * confidence.clamp_min(1e-6).log()
    return regularized.mean() + distance.mean()


def length(vectors: Tensor) -> Tensor:
    """Euclidean length over the last dimension, with a finite gradient at 0."""
    return (vectors.square().sum(dim=-1) + 1e-12).sqrt()


def _nearest(predicted: Tensor, target: Tensor) -> Tensor:
    """The predicted point nearest to each target point, both (..., M, 3).

    The choice itself carries no gradient.
    """
    with torch.no_grad():
        index = torch.cdist(target, predicted).argmin(dim=-1)
    return predicted.gather(-2, index.unsqueeze(-1).expand_as(predicted))
