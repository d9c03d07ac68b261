# SPDX-License-Identifier: Apache-2.0
"""How sure the best hypothesis of each instance is."""

from __future__ import annotations

import torch
from torch import Tensor

from pose6d_node.registration.placement import Hypotheses, Surfaces
from pose6d_node.registration.scoring import Agreement

# Two poses further apart than this, in diameters, are different: as in ADD < 0.1 d.
SAME_POSE = 0.1
SAMPLES = 100
TEMPERATURE = 0.1  # difference of scores that makes a hypothesis e times as likely
# Logistic regression of right poses (ADD(-S) < 0.1 d) on 696 instances of held-out renders of the
# 21 YCB-Video objects, with given and with predicted masks; no real frame was used.
WEIGHT_OF_CHOICE, WEIGHT_OF_DEPTH, OFFSET = 0.67, 4.16, 0.73


def pose_confidence(
    surfaces: Surfaces,
    class_index: Tensor,
    hypotheses: Hypotheses,
    agreement: Agreement,
    symmetric: Tensor,
) -> tuple[Hypotheses, Tensor]:
    """The best hypothesis of each instance, by instance, and the probability (B,) that it is right.

    Two things speak for it: that no different hypothesis agrees nearly as well, and that it agrees
    with the depth. ``class_index`` (B,) are the classes of the instances; of a ``symmetric`` (C,)
    class, poses are the same where the surfaces are.
    """
    score = agreement.score()
    best = hypotheses.best_index(score, 1)
    same = _same_pose(surfaces, class_index, hypotheses, best, symmetric)

    # The probability of the best pose among the hypotheses, whose scores are log-likelihoods.
    likelihood = torch.exp((score - score[best][hypotheses.instance]) / TEMPERATURE)
    total = score.new_zeros(len(best)).index_add(0, hypotheses.instance, likelihood)
    ours = score.new_zeros(len(best)).index_add(0, hypotheses.instance, likelihood * same)
    choice = torch.logit(ours / total, eps=1e-3)

    # The probability that it is right.
    depth = torch.log(agreement.depth_agreement()[best].clamp(min=0.01))
    confidence = torch.sigmoid(WEIGHT_OF_CHOICE * choice + WEIGHT_OF_DEPTH * depth + OFFSET)
    return hypotheses.select(best), confidence


def _same_pose(
    surfaces: Surfaces,
    class_index: Tensor,
    hypotheses: Hypotheses,
    best: Tensor,
    symmetric: Tensor,
) -> Tensor:
    """(H,) whether each is the same pose as the best one of its instance."""
    classes = class_index[hypotheses.instance]
    points = surfaces.points[classes, :SAMPLES]
    placed = points @ hypotheses.rotation.mT + hypotheses.translation.unsqueeze(1)
    reference = placed[best][hypotheses.instance]
    distance = (placed - reference).norm(dim=2).mean(dim=1)
    nearest = torch.cdist(placed, reference).amin(dim=2).mean(dim=1)
    distance = torch.where(symmetric[classes], nearest, distance)
    return distance <= SAME_POSE * surfaces.diameters[classes]
