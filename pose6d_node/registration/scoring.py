# SPDX-License-Identifier: Apache-2.0
"""How well posed models agree with what the camera saw, by depth and by color."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pose6d_node.registration.observation import DARK, Observation
from pose6d_node.registration.placement import Hypotheses, PlacedSurfaces, Surfaces, place

TOLERANCE = 0.05  # of the diameter: half of what counts as a right pose in ADD < 0.1 d
MIN_TOLERANCE = 0.005  # metres, about the noise of an RGB-D camera at 1 m
GRID = 24
SLACK = 0.045
# For views that are not registered yet.
ROUGH_TOLERANCE, ROUGH_MIN_TOLERANCE = 0.08, 0.008
ROUGH_GRID, ROUGH_SLACK, ROUGH_CELLS = 12, 0.1, 8
MIN_FACING = 0.2  # cosine: color at grazing angles is that of the edge
COLOR_NOISE = 0.3  # in the logarithm of a color
MAX_COLOR_COST = 9.0  # three deviations: beyond, a pixel shows something else
SATURATED_WEIGHT = 0.3
# How hard the lighting model is held to: no directed light, and a contrast a little below the
# texture's own.
LIGHT_PRIOR, GAIN_PRIOR, GAIN = 2.0, 5.0, 0.8
DEPTH_WEIGHT, COLOR_WEIGHT, RESIDUAL_WEIGHT = 2.0, 0.4, 0.3


@dataclass
class Agreement:
    """(H,) each: ``depth_support``, the fraction of visible model points that the depth confirms;
    ``coverage``, the fraction of the mask that they explain; ``residual``, their mean distance in
    tolerances; ``color_cost``, the mean robust squared error of their colors in noise units.
    """

    depth_support: Tensor
    coverage: Tensor
    residual: Tensor
    color_cost: Tensor

    def score(self) -> Tensor:
        """(H,) the larger the better; comparable within one instance."""
        depth = torch.log(self.depth_support.clamp(min=1e-3)) + torch.log(
            self.coverage.clamp(min=1e-3)
        )
        return (
            DEPTH_WEIGHT * depth - COLOR_WEIGHT * self.color_cost - RESIDUAL_WEIGHT * self.residual
        )


def compare(
    observation: Observation,
    surfaces: Surfaces,
    hypotheses: Hypotheses,
    count: int = 1000,
) -> Agreement:
    """Agreement of each hypothesis, by its first ``count`` surface points.

    What something nearer hides counts neither way.
    """
    instance = hypotheses.instance
    placed = place(observation, surfaces, hypotheses, count, SLACK, GRID)
    diameter = surfaces.diameters[observation.class_index[instance]]
    tolerance = (TOLERANCE * diameter).clamp(min=MIN_TOLERANCE).unsqueeze(1)

    confirmed, contradicted, behind = _judge_depth(observation, placed, instance, tolerance)
    confirmed_count = confirmed.sum(dim=1).clamp(min=1)
    residual = torch.where(confirmed, behind.abs() / tolerance, 0.0).sum(dim=1) / confirmed_count

    return Agreement(
        confirmed.sum(dim=1) / (confirmed.sum(dim=1) + contradicted.sum(dim=1)).clamp(min=1),
        _coverage(observation, placed, instance, confirmed, observation.size // 2, reach=1),
        residual,
        _color_cost(observation, surfaces, placed, instance, confirmed),
    )


def rough_score(
    observation: Observation, surfaces: Surfaces, hypotheses: Hypotheses, count: int
) -> Tensor:
    """(H,) by depth alone, with few points and wide tolerances, to choose among many views."""
    instance = hypotheses.instance
    placed = place(observation, surfaces, hypotheses, count, ROUGH_SLACK, ROUGH_GRID)
    diameter = surfaces.diameters[observation.class_index[instance]]
    tolerance = (ROUGH_TOLERANCE * diameter).clamp(min=ROUGH_MIN_TOLERANCE).unsqueeze(1)
    confirmed, contradicted, _ = _judge_depth(observation, placed, instance, tolerance)
    support = confirmed.sum(dim=1) / (confirmed.sum(dim=1) + contradicted.sum(dim=1)).clamp(min=1)
    return support * _coverage(observation, placed, instance, confirmed, ROUGH_CELLS, reach=0)


def _judge_depth(
    observation: Observation, placed: PlacedSurfaces, instance: Tensor, tolerance: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(H, N) which points the depth confirms and contradicts, and how far behind each it lies.

    A point is confirmed where the mask shows a surface near it, and contradicted where the camera
    saw through it, or where the mask shows a surface before it.
    """
    depth = placed.observed(observation.depth, instance)
    in_mask = placed.observed(observation.mask, instance)
    behind = depth - placed.points[..., 2]
    known = placed.seen & (depth > 0)
    confirmed = known & in_mask & (behind.abs() <= tolerance)
    contradicted = known & ((behind > tolerance) | (in_mask & (behind < -tolerance)))
    return confirmed, contradicted, behind


def _coverage(
    observation: Observation,
    placed: PlacedSurfaces,
    instance: Tensor,
    confirmed: Tensor,
    cells: int,
    reach: int,
) -> Tensor:
    """(H,) fraction of the measured mask in or beside a cell with a confirmed point.

    There are ``cells`` x ``cells`` in the crop; ``reach`` counts the cells beside.
    """
    size = observation.size
    row, column = placed.pixel // size, placed.pixel % size
    cell = (row * cells // size) * cells + column * cells // size
    hit = torch.zeros(len(instance), cells * cells, device=cell.device)
    hit = hit.scatter_reduce(1, cell, confirmed.float(), "amax")
    if reach:
        square = hit.view(-1, 1, cells, cells)
        hit = F.max_pool2d(square, 2 * reach + 1, 1, reach).flatten(1)

    measured = (observation.mask & (observation.depth > 0)).float().view(-1, 1, size, size)
    weight = F.avg_pool2d(measured, size // cells).flatten(1)[instance]
    return (hit * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1e-6)


def _color_cost(
    observation: Observation,
    surfaces: Surfaces,
    placed: PlacedSurfaces,
    instance: Tensor,
    confirmed: Tensor,
) -> Tensor:
    """(H,) what is left of the color difference once light is fitted: per channel an offset (white
    balance, exposure), one directed light, one contrast; all linear in the logarithm.
    """
    count = placed.points.shape[1]
    facing = -(placed.normals * F.normalize(placed.points, dim=2)).sum(dim=2)
    weight = (confirmed & (facing > MIN_FACING)).float()
    weight = weight * torch.where(
        placed.observed(observation.saturated, instance), SATURATED_WEIGHT, 1.0
    )
    target = placed.observed(observation.log_color, instance)
    own = torch.log(surfaces.colors[observation.class_index[instance], :count] + DARK)

    # Fit, then fit again with less weight on what does not follow the light: highlights, shadows.
    robust = weight.unsqueeze(2).expand_as(target)
    for _ in range(2):
        beta = _fit_light(robust, placed.normals, own, target)
        offset, light, gain = beta[:, :3], beta[:, 3:6], beta[:, 6]
        shading = placed.normals @ light.unsqueeze(2)
        error = target - offset.unsqueeze(1) - shading - gain.view(-1, 1, 1) * own
        squared = (error / COLOR_NOISE) ** 2
        robust = weight.unsqueeze(2) / (1 + squared)

    cost = (squared.clamp(max=MAX_COLOR_COST) * weight.unsqueeze(2)).sum(dim=(1, 2))
    return cost / (3 * weight.sum(dim=1)).clamp(min=1)


def _fit_light(weight: Tensor, normals: Tensor, own: Tensor, target: Tensor) -> Tensor:
    """(H, 7) offsets of three channels, light direction and contrast by weighted least squares of
    (H, N, 3) ``target`` over ``own`` colors and ``normals``.
    """
    hypotheses = len(weight)
    matrix = weight.new_zeros(hypotheses, 7, 7)
    right = weight.new_zeros(hypotheses, 7)
    shared = weight.sum(dim=2)

    matrix[:, range(3), range(3)] = weight.sum(dim=1) + 1e-2
    matrix[:, :3, 3:6] = weight.mT @ normals
    matrix[:, :3, 6] = (weight * own).sum(dim=1)
    matrix[:, 3:6, 3:6] = (normals * shared.unsqueeze(2)).mT @ normals
    matrix[:, 3:6, 3:6] += LIGHT_PRIOR * torch.eye(3, device=weight.device)
    matrix[:, 3:6, 6] = ((weight * own).sum(dim=2).unsqueeze(2) * normals).sum(dim=1)
    matrix[:, 6, 6] = (weight * own**2).sum(dim=(1, 2)) + GAIN_PRIOR
    matrix[:, 3:6, :3] = matrix[:, :3, 3:6].mT
    matrix[:, 6, :6] = matrix[:, :6, 6]

    right[:, :3] = (weight * target).sum(dim=1)
    right[:, 3:6] = ((weight * target).sum(dim=2).unsqueeze(2) * normals).sum(dim=1)
    right[:, 6] = (weight * own * target).sum(dim=(1, 2)) + GAIN_PRIOR * GAIN
    return torch.linalg.solve(matrix, right.unsqueeze(2)).squeeze(2)
