# SPDX-License-Identifier: Apache-2.0
"""DenseFusion's losses (Wang et al. 2019, equations 1 to 3). Lengths are in the networks' unit, the object's diameter."""

from __future__ import annotations

import torch
from torch import Tensor


def pose_distance(
    rotation: Tensor, translation: Tensor, true_rotation: Tensor, true_translation: Tensor, model_points: Tensor, symmetric: Tensor
) -> Tensor:
    """(B, P) mean distances between the model at P hypotheses and at the true pose of each instance.

    ``rotation`` (B, P, 3, 3), ``translation`` (B, P, 3), ``true_rotation`` (B, 3, 3), ``true_translation`` (B, 3), ``model_points`` (B, M,
    3), ``symmetric`` (B,) bool: equation 1 (point by point), and equation 2 (to the nearest point) where the object is symmetric.
    """
    predicted = model_points.unsqueeze(1) @ rotation.mT + translation.unsqueeze(2)
    target = (model_points @ true_rotation.mT + true_translation.unsqueeze(1)).unsqueeze(1).expand_as(predicted)
    if symmetric.any():
        predicted = predicted.clone()
        predicted[symmetric] = _nearest(predicted[symmetric], target[symmetric])
    return ((predicted - target).square().sum(dim=3) + 1e-12).sqrt().mean(dim=2)


def _nearest(predicted: Tensor, target: Tensor) -> Tensor:
    """For each target point (..., M, 3) the predicted point that lies nearest; the choice itself carries no gradient."""
    with torch.no_grad():
        index = torch.cdist(target, predicted).argmin(dim=-1)
    return predicted.gather(-2, index.unsqueeze(-1).expand_as(predicted))


def voting_loss(distance: Tensor, confidence: Tensor, weight: float) -> Tensor:
    """Equation 3, the mean over votes of d c - w log c, which teaches c = w / d (at most 1), and the mean of d itself.

    The second term is not in the paper: equation 3 alone scales the gradient of a pose by its confidence, so that bad poses, which are all
    there is in the beginning, are learned last.
    """
    return (distance * confidence - weight * confidence.clamp_min(1e-6).log()).mean() + distance.mean()
