# SPDX-License-Identifier: Apache-2.0
"""DenseFusion's losses (Wang et al. 2019, equations 1 to 3).

Lengths are in the networks' unit, the object's diameter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Target:
    """True poses of B instances and what is needed to compare with them.

    ``rotation`` (B, 3, 3) and ``translation`` (B, 3) in the networks' frame; ``model_points`` (B,
    M, 3); ``symmetric`` (B,) bool; ``symmetries`` (B, K, 4, 4) transforms of the model onto itself.
    """

    rotation: Tensor
    translation: Tensor
    model_points: Tensor
    symmetric: Tensor
    symmetries: Tensor


def pose_distance(rotation: Tensor, translation: Tensor, target: Target) -> Tensor:
    """(B, P) mean distances between the model at P hypotheses (B, P, 3, 3), (B, P, 3) and at the
    true pose of each instance.

    Equation 1 (point by point), or equation 2 (to the nearest point) where the object is symmetric.
    """
    predicted = target.model_points.unsqueeze(1) @ rotation.mT + translation.unsqueeze(2)
    true = target.model_points @ target.rotation.mT + target.translation.unsqueeze(1)
    true = true.unsqueeze(1).expand_as(predicted)
    if target.symmetric.any():
        predicted = predicted.clone()
        predicted[target.symmetric] = _nearest(predicted[target.symmetric], true[target.symmetric])
    return length(predicted - true).mean(dim=2)


def coordinate_distance(coordinates: Tensor, cloud: Tensor, target: Target) -> Tensor:
    """(B, N) distances between the predicted (B, N, 3) and the true object coordinates of the
    points of ``cloud`` (B, N, 3).

    The truth may be turned by the symmetry of the object that fits all points of an instance best.
    """
    true = ((cloud - target.translation.unsqueeze(1)) @ target.rotation).unsqueeze(1)
    alternatives = true @ target.symmetries[:, :, :3, :3].mT + target.symmetries[
        :, :, :3, 3
    ].unsqueeze(2)
    distance = length(coordinates.unsqueeze(1) - alternatives)
    best = distance.mean(dim=2).argmin(dim=1)
    return distance[torch.arange(len(best), device=best.device), best]


def voting_loss(distance: Tensor, confidence: Tensor, weight: float) -> Tensor:
    """Equation 3, the mean over votes of d c - w log c, which teaches c = w / d (at most 1), and
    the mean of d itself.

    The second term is not in the paper: equation 3 alone scales the gradient of a vote by its
    confidence, so that bad votes, which are all there is in the beginning, are learned last.
    """
    return (
        distance * confidence - weight * confidence.clamp_min(1e-6).log()
    ).mean() + distance.mean()


def length(vectors: Tensor) -> Tensor:
    """Euclidean length over the last dimension, with a finite gradient at 0."""
    return (vectors.square().sum(dim=-1) + 1e-12).sqrt()


def _nearest(predicted: Tensor, target: Tensor) -> Tensor:
    """For each target point (..., M, 3) the predicted point that lies nearest; the choice itself
    carries no gradient.
    """
    with torch.no_grad():
        index = torch.cdist(target, predicted).argmin(dim=-1)
    return predicted.gather(-2, index.unsqueeze(-1).expand_as(predicted))
