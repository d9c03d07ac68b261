# SPDX-License-Identifier: Apache-2.0
"""How well posed models agree with what the camera saw, by depth and by color."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pose6d_node.registration.lighting import color_cost
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import (
    Hypotheses,
    PlacedSurfaces,
    Surfaces,
    hide_behind_itself,
    place,
)

TOLERANCE = 0.05  # of the diameter: half of what counts as a right pose in ADD < 0.1 d
MIN_TOLERANCE = 0.005  # metres, about the noise of an RGB-D camera at 1 m
GRID, SLACK = 24, 0.045  # cells along the crop, diameters
# For views that are not registered yet.
ROUGH_TOLERANCE, ROUGH_MIN_TOLERANCE, ROUGH_CELLS = 0.08, 0.008, 8
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

    def depth_agreement(self) -> Tensor:
        """(H,) 0..1: that of both sides, of the model's points and of the mask's."""
        return self.depth_support * self.coverage

    def score(self) -> Tensor:
        """(H,) the larger the better; comparable within one instance."""
        depth = torch.log(self.depth_support.clamp(min=1e-3))
        depth = depth + torch.log(self.coverage.clamp(min=1e-3))
        return (
            DEPTH_WEIGHT * depth - COLOR_WEIGHT * self.color_cost - RESIDUAL_WEIGHT * self.residual
        )

    @staticmethod
    def concatenate(parts: list[Agreement]) -> Agreement:
        """All of several."""
        return Agreement(
            torch.cat([part.depth_support for part in parts]),
            torch.cat([part.coverage for part in parts]),
            torch.cat([part.residual for part in parts]),
            torch.cat([part.color_cost for part in parts]),
        )


def compare(
    observation: Observation,
    surfaces: Surfaces,
    hypotheses: Hypotheses,
    count: int,
) -> Agreement:
    """Agreement of each hypothesis, by its first ``count`` surface points.

    What something nearer hides counts neither way.
    """
    class_index = observation.class_index[hypotheses.instance]
    placed = place(observation, surfaces.sample(class_index, count), hypotheses)
    diameter = surfaces.diameters[class_index]
    hide_behind_itself(placed, observation.size, GRID, SLACK * diameter)

    tolerance = (TOLERANCE * diameter).clamp(min=MIN_TOLERANCE).unsqueeze(1)
    confirmed, contradicted, behind = _judge_depth(observation, placed, tolerance)
    number = confirmed.sum(dim=1)
    residual = (behind.abs() / tolerance * confirmed).sum(dim=1) / number.clamp(min=1)
    return Agreement(
        number / (number + contradicted.sum(dim=1)).clamp(min=1),
        _coverage(observation, placed, hypotheses.instance, confirmed, observation.size // 2, True),
        residual,
        color_cost(observation, placed, confirmed),
    )


def rough_score(
    observation: Observation, surfaces: Surfaces, hypotheses: Hypotheses, count: int
) -> Tensor:
    """(H,) by depth alone, with few points and wide tolerances, to choose among many views."""
    class_index = observation.class_index[hypotheses.instance]
    placed = place(observation, surfaces.sample(class_index, count), hypotheses)
    diameter = surfaces.diameters[class_index]
    tolerance = (ROUGH_TOLERANCE * diameter).clamp(min=ROUGH_MIN_TOLERANCE).unsqueeze(1)
    confirmed, contradicted, _ = _judge_depth(observation, placed, tolerance)
    number = confirmed.sum(dim=1)
    support = number / (number + contradicted.sum(dim=1)).clamp(min=1)
    return support * _coverage(
        observation, placed, hypotheses.instance, confirmed, ROUGH_CELLS, beside=False
    )


def _judge_depth(
    observation: Observation, placed: PlacedSurfaces, tolerance: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(H, N) which points the depth confirms and contradicts, and how far behind each it lies.

    A point is confirmed where the mask shows a surface near it, and contradicted where the camera
    saw through it, or where the mask shows a surface before it.
    """
    depth, mask = observation.at(observation.measured, placed.pixel)
    in_mask = mask > 0
    behind = depth - placed.points[:, 2]
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
    beside: bool,
) -> Tensor:
    """(H,) fraction of the measured mask in a cell with a confirmed point, or ``beside`` one.

    There are ``cells`` x ``cells`` in the crop.
    """
    size = observation.size
    cell = (placed.row * cells // size) * cells + placed.column * cells // size
    hit = confirmed.new_zeros(len(instance), cells * cells, dtype=torch.float32)
    hit = hit.scatter_reduce(1, cell, confirmed.float(), "amax")
    if beside:
        hit = _dilated(hit.view(-1, cells, cells)).flatten(1)

    measured = observation.measured_mask().float().view(-1, 1, size, size)
    weight = F.avg_pool2d(measured, size // cells).flatten(1)
    weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-6)
    return (hit * weight[instance]).sum(dim=1)


def _dilated(images: Tensor) -> Tensor:
    """(H, C, C) the largest of each cell and its eight neighbors.

    One axis after the other, this is much faster than PyTorch's pooling of so small images.
    """
    padded = F.pad(images, (1, 1, 1, 1))
    rows = torch.maximum(torch.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
