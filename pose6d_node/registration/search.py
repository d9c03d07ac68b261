# SPDX-License-Identifier: Apache-2.0
"""Looks twice: the best pose of each instance among many hypotheses."""

from __future__ import annotations

from torch import Tensor

from pose6d_node.registration.hypotheses import half_turns, turned_about_center, views
from pose6d_node.registration.icp import register
from pose6d_node.registration.near_symmetries import NearSymmetries
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Hypotheses, Surfaces
from pose6d_node.registration.scoring import compare, rough_score

# Model points that are compared, and hypotheses of each instance that are kept, from step to step:
# chosen on real frames, where more find hardly more.
VIEW_POINTS, KEPT_VIEWS = 64, 48
ROUGH_POINTS, ROUGH_REACH = 200, (0.3, 0.1)
CANDIDATE_POINTS, KEPT_CANDIDATES = 400, 8
ITERATIONS = 5
FINE_REACH = (0.1, 0.04)
ALIKE_POINTS, KEPT_ALIKE, ALIKE_REACH = 600, 2, (0.08, 0.04)
SURE = 0.9  # depth support times coverage, from which on no views are tried


def look_twice(
    observation: Observation,
    surfaces: Surfaces,
    near_symmetries: NearSymmetries,
    estimates: Hypotheses,
) -> Hypotheses:
    """The best pose of each instance, in the order of ``estimates``, which has one of each.

    Those are a network's poses. They compete with their half turns and, where none of these agrees
    with the depth, with views of the model; all are registered to the depth. The winner competes
    with its turns that the shape nearly allows, which colors and small parts tell apart.
    """
    # Poses that a network confuses.
    turned = half_turns(surfaces, observation.class_index, estimates)
    turned = register(observation, surfaces, turned)
    tried = Hypotheses.concatenate([estimates, turned])
    agreement = compare(observation, surfaces, tried)
    index = tried.best_index(agreement.score(), 1)
    best = tried.select(index)

    # A new start for instances whose best pose the depth contradicts.
    agrees = (agreement.depth_support * agreement.coverage)[index] >= SURE
    doubtful = best.instance[~agrees]
    if len(doubtful):
        tried = Hypotheses.concatenate([best, registered_views(observation, surfaces, doubtful)])
        best = tried.best(compare(observation, surfaces, tried).score(), 1)

    # What the shape alone cannot decide.
    alike = look_alikes(observation, surfaces, near_symmetries, best)
    tried = Hypotheses.concatenate([best, alike])
    return tried.best(compare(observation, surfaces, tried).score(), 1)


def look_alikes(
    observation: Observation,
    surfaces: Surfaces,
    near_symmetries: NearSymmetries,
    poses: Hypotheses,
) -> Hypotheses:
    """The most likely of the turns that the shapes nearly allow, registered to the depth."""
    classes = observation.class_index
    turned = Hypotheses.concatenate(
        [
            turned_about_center(surfaces, classes, poses, index, near_symmetries.of(class_index))
            for index, class_index in enumerate(classes[poses.instance].tolist())
        ]
    )
    score = compare(observation, surfaces, turned, ALIKE_POINTS).score()
    return register(observation, surfaces, turned.best(score, KEPT_ALIKE), ITERATIONS, ALIKE_REACH)


def registered_views(observation: Observation, surfaces: Surfaces, instances: Tensor) -> Hypotheses:
    """The most likely views of the models of ``instances`` (K,), registered to the depth."""
    # Coarse: by depth, before any registration.
    seen = views(observation, surfaces, instances)
    seen = seen.best(rough_score(observation, surfaces, seen, VIEW_POINTS), KEPT_VIEWS)

    # Finer: by depth and color, after a registration from afar.
    seen = register(observation, surfaces, seen, ITERATIONS, ROUGH_REACH, ROUGH_POINTS)
    score = compare(observation, surfaces, seen, CANDIDATE_POINTS).score()
    seen = seen.best(score, KEPT_CANDIDATES)
    return register(observation, surfaces, seen, ITERATIONS, FINE_REACH)
