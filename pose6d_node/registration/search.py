# SPDX-License-Identifier: Apache-2.0
"""Looks twice: the best pose of each instance among many hypotheses."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pose6d_node.registration.confidence import pose_confidence
from pose6d_node.registration.hypotheses import half_turns, turned_about_center, views
from pose6d_node.registration.icp import register
from pose6d_node.registration.near_symmetries import NearSymmetries
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Hypotheses, Surfaces
from pose6d_node.registration.scoring import Agreement, compare, rough_score

# From step to step, fewer hypotheses of each instance are looked at with more points: chosen on
# real frames and on renders, where more find hardly more.
POINTS = 1000  # that the candidates of all steps are compared by
NEAR_ITERATIONS, NEAR_REACH, NEAR_POINTS = 5, (0.15, 0.04), 250
VIEW_POINTS, LIKELY_VIEWS = 64, 160
GLANCE_ITERATIONS, GLANCE_REACH, GLANCE_POINTS, KEPT_VIEWS = 2, (0.35, 0.2), 128, 24
FAR_ITERATIONS, FAR_REACH, FAR_POINTS = 5, (0.3, 0.1), 200
CANDIDATE_POINTS, KEPT_CANDIDATES = 400, 8
FINE_ITERATIONS, FINE_REACH, FINE_POINTS = 5, (0.1, 0.04), 500
ALIKE_POINTS, KEPT_ALIKE, ALIKE_REACH = 1000, 3, (0.08, 0.04)
SURE = 0.8  # agreement with the depth, from which on no views are tried

# How far an instance is looked at, each with what is before it: the networks' pose, that pose and
# the last one registered, turns, views.
NETWORK, REGISTERED, TURNS, VIEWS = range(4)


@dataclass
class Candidates:
    """Hypotheses of all instances, all compared with what was seen in the same way."""

    observation: Observation
    surfaces: Surfaces
    parts: list[Hypotheses] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)

    def add(self, hypotheses: Hypotheses) -> None:
        """Compare ``hypotheses`` and add them."""
        self.parts.append(hypotheses)
        self.agreements.append(compare(self.observation, self.surfaces, hypotheses, POINTS))

    def all(self) -> tuple[Hypotheses, Agreement]:
        """Those added so far."""
        return Hypotheses.concatenate(self.parts), Agreement.concatenate(self.agreements)

    def best(self) -> tuple[Hypotheses, Tensor]:
        """The best of each instance that has any, and (H,) how well it agrees with the depth."""
        hypotheses, agreement = self.all()
        index = hypotheses.best_index(agreement.score(), 1)
        return hypotheses.select(index), agreement.depth_agreement()[index]


def look_twice(
    observation: Observation,
    surfaces: Surfaces,
    near_symmetries: NearSymmetries,
    estimates: Hypotheses,
    symmetric: Tensor,
    previous: Hypotheses,
    effort: Tensor,
) -> tuple[Hypotheses, Tensor]:
    """The best pose of each of the B instances, in their order, and its confidence (B,), 0..1.

    ``estimates`` are a network's poses, ``previous`` those of the last frame, at most one of each
    instance. ``effort`` (B,) is how far each is looked at. From ``REGISTERED`` on these compete
    with themselves registered to the depth, from ``TURNS`` on with their half turns, and with
    ``VIEWS`` of the model where the depth contradicts all others; an instance without any pose
    always gets views. The winner competes with its turns that the shape nearly allows, which colors
    and small parts tell apart. ``symmetric`` (C,) tells the classes that look the same after some
    turns.
    """
    candidates = Candidates(observation, surfaces)
    doubtful = torch.ones(len(observation), dtype=torch.bool, device=symmetric.device)

    # Poses that a network confuses, and what was there before.
    level = effort[estimates.instance]
    turned = half_turns(surfaces, observation.class_index, _where(estimates, level >= TURNS))
    recent = _where(previous, effort[previous.instance] >= REGISTERED)
    near = Hypotheses.concatenate([_where(estimates, level == REGISTERED), turned, recent])
    if len(near):
        near = register(observation, surfaces, near, NEAR_ITERATIONS, NEAR_REACH, NEAR_POINTS)
    if len(estimates) or len(near):
        candidates.add(Hypotheses.concatenate([estimates, near]))
        best, agrees = candidates.best()
        doubtful[best.instance] = (agrees < SURE) & (effort[best.instance] >= VIEWS)

    # A new start for instances without a pose, or whose best one the depth contradicts.
    instances = doubtful.nonzero().squeeze(1)
    if len(instances):
        candidates.add(registered_views(observation, surfaces, instances))
        best, _ = candidates.best()

    # What the shape alone cannot decide.
    turnable = _where(best, effort[best.instance] >= TURNS)
    alike = look_alikes(observation, surfaces, near_symmetries, turnable)
    if len(alike):
        candidates.add(alike)
    hypotheses, agreement = candidates.all()
    return pose_confidence(
        surfaces, observation.class_index, hypotheses, agreement, symmetric, previous
    )


def _where(hypotheses: Hypotheses, chosen: Tensor) -> Hypotheses:
    """Those that are ``chosen`` (H,)."""
    return hypotheses.select(chosen.nonzero().squeeze(1))


def look_alikes(
    observation: Observation,
    surfaces: Surfaces,
    near_symmetries: NearSymmetries,
    poses: Hypotheses,
) -> Hypotheses:
    """The most likely of the turns that the shapes nearly allow, registered to the depth."""
    classes = observation.class_index
    turns = [near_symmetries.of(c) for c in classes[poses.instance].tolist()]
    turned = turned_about_center(surfaces, classes, poses, turns)
    if not len(turned):
        return turned
    score = compare(observation, surfaces, turned, ALIKE_POINTS).score()
    likely = turned.best(score, KEPT_ALIKE)
    return register(observation, surfaces, likely, FINE_ITERATIONS, ALIKE_REACH, FINE_POINTS)


def registered_views(observation: Observation, surfaces: Surfaces, instances: Tensor) -> Hypotheses:
    """The most likely views of the models of ``instances`` (K,), registered to the depth."""
    # Coarse: by depth, before any registration, and after the first steps of one.
    seen = views(observation, surfaces, instances)
    seen = seen.best(rough_score(observation, surfaces, seen, VIEW_POINTS), LIKELY_VIEWS)
    seen = register(observation, surfaces, seen, GLANCE_ITERATIONS, GLANCE_REACH, VIEW_POINTS)
    seen = seen.best(rough_score(observation, surfaces, seen, GLANCE_POINTS), KEPT_VIEWS)

    # Finer: by depth and color, after a registration from afar.
    seen = register(observation, surfaces, seen, FAR_ITERATIONS, FAR_REACH, FAR_POINTS)
    score = compare(observation, surfaces, seen, CANDIDATE_POINTS).score()
    seen = seen.best(score, KEPT_CANDIDATES)
    return register(observation, surfaces, seen, FINE_ITERATIONS, FINE_REACH, FINE_POINTS)
