# SPDX-License-Identifier: Apache-2.0
"""How sure the best hypothesis of each instance is."""

from __future__ import annotations

from functools import partial

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
# What is added to the score of a pose that the last frame showed: it is e times as likely.
SAME_AS_BEFORE = TEMPERATURE


def pose_confidence(
    surfaces: Surfaces,
    class_index: Tensor,
    hypotheses: Hypotheses,
    agreement: Agreement,
    symmetric: Tensor,
    previous: Hypotheses,
) -> tuple[Hypotheses, Tensor]:
    """The best hypothesis of each instance, by instance, and the probability (B,) that it is right.

    Two things speak for it: that no different hypothesis agrees nearly as well, and that it agrees
    with the depth. ``class_index`` (B,) are the classes of the instances; of a ``symmetric`` (C,)
    class, poses are the same where the surfaces are. ``previous`` are the poses of the last frame,
    at most one of each instance.
    """
    is_same = partial(_same_pose, surfaces, class_index, hypotheses, symmetric)
    score = agreement.score()
    if len(previous):
        score = score + SAME_AS_BEFORE * is_same(previous)
    index = hypotheses.best_index(score, 1)
    best = hypotheses.select(index)

    # The probability of the best pose among the hypotheses, whose scores are log-likelihoods.
    likelihood = torch.exp((score - score[index][hypotheses.instance]) / TEMPERATURE)
    total = score.new_zeros(len(best)).index_add(0, hypotheses.instance, likelihood)
    ours = score.new_zeros(len(best)).index_add(0, hypotheses.instance, likelihood * is_same(best))
    choice = torch.logit(ours / total, eps=1e-3)

    # The probability that it is right.
    depth = torch.log(agreement.depth_agreement()[index].clamp(min=0.01))
    return best, torch.sigmoid(WEIGHT_OF_CHOICE * choice + WEIGHT_OF_DEPTH * depth + OFFSET)


def _same_pose(
    surfaces: Surfaces,
    class_index: Tensor,
    hypotheses: Hypotheses,
    symmetric: Tensor,
    references: Hypotheses,
) -> Tensor:
    """(H,) whether each is the same pose as the reference of its instance, if there is one."""
    reference = surfaces.points.new_full((len(class_index), SAMPLES, 3), torch.inf)
    reference[references.instance] = _placed(surfaces, class_index, references)
    placed, expected = _placed(surfaces, class_index, hypotheses), reference[hypotheses.instance]

    # ADD and ADD-S (Hinterstoisser et al. 2012).
    classes = class_index[hypotheses.instance]
    distance = ((placed - expected) ** 2).sum(dim=2).sqrt().mean(dim=1)
    nearest = torch.cdist(placed, expected).amin(dim=2).mean(dim=1)
    distance = torch.where(symmetric[classes], nearest, distance)
    return distance <= SAME_POSE * surfaces.diameters[classes]


def _placed(surfaces: Surfaces, class_index: Tensor, poses: Hypotheses) -> Tensor:
    """(H, SAMPLES, 3) surface points of each hypothesis in the camera frame."""
    points = surfaces.points[class_index[poses.instance], :SAMPLES]
    return points @ poses.rotation.mT + poses.translation.unsqueeze(1)
