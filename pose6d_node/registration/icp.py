# SPDX-License-Identifier: Apache-2.0
"""Point-to-plane ICP (Chen and Medioni 1992) of many hypotheses at once.

Correspondences are found by projection (Blais and Levine 1995): each visible model point is paired
with the measured point at its pixel, so no neighbors are searched.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pose6d_node.densefusion.rotations import axis_angle_to_matrix
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Hypotheses, Surfaces, place

POINTS = 500
GRID = 16
SLACK = 0.15  # a pose that is still off must not hide its own surface
MIN_COSINE = 0.5  # between the normals of a pair
MAX_TURN = 0.3  # radians in one step: the equations are linear in the angle
DAMPING = 5e-5  # of the mean pair's weight: what the pairs leave free does not move


def register(
    observation: Observation,
    surfaces: Surfaces,
    hypotheses: Hypotheses,
    iterations: int = 8,
    reach: tuple[float, float] = (0.15, 0.04),
    count: int = POINTS,
) -> Hypotheses:
    """The hypotheses moved so that their visible surface lies on the measured one.

    Pairs further apart than ``reach`` do not count; it shrinks from the first to the second value,
    diameters of the model, over the ``iterations``.
    """
    diameter = surfaces.diameters[observation.class_index[hypotheses.instance]].unsqueeze(1)
    first, last = reach
    for step in range(iterations):
        limit = diameter * first * (last / first) ** (step / max(1, iterations - 1))
        hypotheses = _step(observation, surfaces, hypotheses, limit, diameter, count)
    return hypotheses


def _step(
    observation: Observation,
    surfaces: Surfaces,
    hypotheses: Hypotheses,
    limit: Tensor,
    diameter: Tensor,
    count: int,
) -> Hypotheses:
    instance = hypotheses.instance
    placed = place(observation, surfaces, hypotheses, count, SLACK, GRID)

    # Pair each visible model point with the measured point at its pixel.
    measured = placed.observed(observation.points, instance)
    normals = placed.observed(observation.normals, instance)
    difference = measured - placed.points
    distance = difference.norm(dim=2)
    alike = (normals * placed.normals).sum(dim=2).abs() > MIN_COSINE
    paired = placed.seen & placed.observed(observation.has_normal, instance) & alike
    weight = torch.where(paired, (1 - (distance / limit) ** 2).clamp(min=0), 0.0)  # Tukey-like

    # Solve the linearized point-to-plane equations for a turn and a shift of the model's center.
    arm = placed.points - hypotheses.translation.unsqueeze(1)
    jacobian = torch.cat([torch.linalg.cross(arm, normals), normals], dim=2)
    residual = (difference * normals).sum(dim=2)
    weighted = jacobian * weight.unsqueeze(2)
    total = weight.sum(dim=1).clamp(min=1)
    prior = DAMPING * torch.cat([(diameter**2).expand(-1, 3), torch.ones_like(arm[:, 0])], dim=1)
    normal_matrix = weighted.mT @ jacobian + torch.diag_embed(prior * total.unsqueeze(1) + 1e-6)
    change = torch.linalg.solve(normal_matrix, weighted.mT @ residual.unsqueeze(2)).squeeze(2)

    turn, shift = change[:, :3], change[:, 3:]
    angle = turn.norm(dim=1, keepdim=True)
    turn = turn * (MAX_TURN / angle.clamp(min=MAX_TURN))
    rotation = axis_angle_to_matrix(turn) @ hypotheses.rotation
    return Hypotheses(instance, rotation, hypotheses.translation + shift)
