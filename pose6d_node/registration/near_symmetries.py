# SPDX-License-Identifier: Apache-2.0
"""Turns that nearly map a shape onto itself: only its print, or a small part, tells them apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pose6d_node.densefusion.rotations import axis_angle_to_matrix
from pose6d_node.registration.placement import Surfaces

SAMPLES = 300
STEP = math.pi / 6  # registration and comparison reach half of it to either side
# Mean distance between the turned and the unturned surface, in diameters, beyond that between the
# samples themselves. It is generous: comparing a turn too many costs little.
TOLERANCE = 0.02


class NearSymmetries:
    """Those of each class of ``surfaces``, computed when they are first asked for."""

    def __init__(self, surfaces: Surfaces) -> None:
        self.surfaces = surfaces
        self._turns: dict[int, Tensor] = {}

    def of(self, class_index: int) -> Tensor:
        """(K, 3, 3) turns about the center of the model's box, without the identity."""
        if class_index not in self._turns:
            self._turns[class_index] = near_symmetries(
                self.surfaces.points[class_index, :SAMPLES],
                self.surfaces.box_centers()[class_index],
                float(self.surfaces.diameters[class_index]),
            )[1:]
        return self._turns[class_index]


def near_symmetries(points: Tensor, center: Tensor, diameter: float) -> Tensor:
    """(K, 3, 3) turns that nearly map (N, 3) surface ``points`` onto themselves, the identity
    first: multiples of 30 degrees about the model's axes, also after a half turn.
    """
    centered = points - center
    spacing = torch.cdist(centered, centered).topk(2, dim=1, largest=False).values[:, 1].mean()
    candidates = _candidates().to(points)
    turned = centered @ candidates.mT
    distance = torch.cdist(turned, centered.expand_as(turned)).amin(dim=2).mean(dim=1)
    return candidates[(distance - spacing) / diameter < TOLERANCE]


def _candidates() -> Tensor:
    """(105, 3, 3) different turns, the identity first."""
    axes = torch.eye(3)
    steps = STEP * torch.arange(round(2 * math.pi / STEP))
    about = [axis_angle_to_matrix(steps.unsqueeze(1) * axis) for axis in axes]
    half = axis_angle_to_matrix(math.pi * axes)
    turns = [turn for turns_about in about for turn in turns_about]
    turns += [
        turn @ half[other]
        for axis, turns_about in enumerate(about)
        for turn in turns_about
        for other in range(3)
        if other != axis
    ]
    different: list[Tensor] = []
    for turn in turns:
        if all((turn - earlier).abs().max() > 1e-3 for earlier in different):
            different.append(turn)
    return torch.stack(different)
