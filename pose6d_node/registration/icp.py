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

MIN_COSINE = 0.5  # between the normals of a pair
MAX_TURN = 0.3  # radians in one step: the equations are linear in the angle
DAMPING = 5e-5  # of the mean pair's weight: what the pairs leave free does not move


def register(
    observation: Observation,
    surfaces: Surfaces,
    hypotheses: Hypotheses,
    iterations: int,
    reach: tuple[float, float],
    count: int,
) -> Hypotheses:
    """The hypotheses moved so that their visible surface lies on the measured one.

    Pairs further apart than ``reach`` do not count; it shrinks from the first to the second value,
    diameters of the model, over the ``iterations``. ``count`` points of each model are paired.
    """
    class_index = observation.class_index[hypotheses.instance]
    diameter = surfaces.diameters[class_index].unsqueeze(1)
    sample = surfaces.sample(class_index, count)
    first, last = reach
    for step in range(iterations):
        limit = diameter * first * (last / first) ** (step / max(1, iterations - 1))
        hypotheses = _step(observation, sample, hypotheses, limit, diameter)
    return hypotheses


def _step(
    observation: Observation,
    sample: Tensor,
    hypotheses: Hypotheses,
    limit: Tensor,
    diameter: Tensor,
) -> Hypotheses:
    placed = place(observation, sample, hypotheses)

    # Pair each visible model point with the measured point at its pixel. Where there is no normal,
    # it is zero, and so is the cosine.
    pair = observation.at(observation.surface, placed.pixel).transpose(0, 1)
    measured, normals = pair[:, :3], pair[:, 3:]
    difference = measured - placed.points
    squared = (difference**2).sum(dim=1)
    alike = (normals * placed.normals).sum(dim=1).abs() > MIN_COSINE
    weight = (1 - squared / limit**2).clamp(min=0) * (placed.seen & alike)

    # Solve the linearized point-to-plane equations for a turn and a shift of the model's origin.
    arm = placed.points - hypotheses.translation.unsqueeze(2)
    jacobian = torch.stack([*_cross(arm, normals), *normals.unbind(1)], dim=1)
    residual = (difference * normals).sum(dim=1, keepdim=True)
    weighted = jacobian * weight.unsqueeze(1)
    total = weight.sum(dim=1, keepdim=True).clamp(min=1)
    prior = DAMPING * torch.cat([(diameter**2).expand(-1, 3), torch.ones_like(arm[..., 0])], dim=1)
    normal_matrix = weighted @ jacobian.mT + torch.diag_embed(prior * total + 1e-6)
    change = torch.linalg.solve(normal_matrix, weighted @ residual.mT).squeeze(2)

    turn, shift = change[:, :3], change[:, 3:]
    angle = turn.norm(dim=1, keepdim=True)
    turn = turn * (MAX_TURN / angle.clamp(min=MAX_TURN))
    return hypotheses.moved(axis_angle_to_matrix(turn), shift)


def _cross(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(H, N) components of the cross products of (H, 3, N) vectors."""
    x, y, z = first.unbind(1)
    u, v, w = second.unbind(1)
    return y * w - z * v, z * u - x * w, x * v - y * u
