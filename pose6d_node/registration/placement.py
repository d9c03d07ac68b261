# SPDX-License-Identifier: Apache-2.0
"""Model surfaces put at hypothetical poses, and which of their points the camera would see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pose6d_node.registration.observation import DARK, Observation


@dataclass
class Surfaces:
    """Samples of the surfaces of C classes, spread evenly in random order.

    ``points`` (C, N, 3) metres in the model's frame, ``normals`` (C, N, 3) outward unit vectors,
    ``colors`` (C, N, 3) RGB 0..1 without light; ``diameters`` (C,) metres.
    """

    points: Tensor
    normals: Tensor
    colors: Tensor
    diameters: Tensor

    @cached_property
    def channels(self) -> Tensor:
        """(C, 9, N) points, normals and logarithms of colors."""
        values = torch.cat([self.points, self.normals, torch.log(self.colors + DARK)], dim=2)
        return values.mT.contiguous()

    def sample(self, class_index: Tensor, count: int) -> Tensor:
        """(H, 9, count) ``channels`` of the first points of the classes (H,)."""
        return self.channels[class_index, :, :count]

    def box_centers(self) -> Tensor:
        """(C, 3) centers of the models' axis-aligned boxes."""
        return (self.points.amax(dim=1) + self.points.amin(dim=1)) / 2


@dataclass
class Hypotheses:
    """H poses, model to camera: ``instance`` (H,) says of which observed instance; ``rotation``
    (H, 3, 3), ``translation`` (H, 3) metres.
    """

    instance: Tensor
    rotation: Tensor
    translation: Tensor

    def __len__(self) -> int:
        return len(self.instance)

    @staticmethod
    def none(device: torch.device | str = "cpu") -> Hypotheses:
        """No hypothesis."""
        instance = torch.zeros(0, dtype=torch.int64, device=device)
        return Hypotheses(
            instance, torch.zeros(0, 3, 3, device=device), torch.zeros(0, 3, device=device)
        )

    def moved(self, turn: Tensor, shift: Tensor) -> Hypotheses:
        """Each turned by (H, 3, 3) about its model's origin and moved by (H, 3), camera frame."""
        return Hypotheses(self.instance, turn @ self.rotation, self.translation + shift)

    def select(self, index: Tensor) -> Hypotheses:
        """The hypotheses at ``index``."""
        return Hypotheses(self.instance[index], self.rotation[index], self.translation[index])

    def best(self, score: Tensor, count: int) -> Hypotheses:
        """The ``count`` hypotheses of each instance with the largest (H,) ``score``, by instance.

        Instances with fewer keep all of theirs.
        """
        return self.select(self.best_index(score, count))

    def best_index(self, score: Tensor, count: int) -> Tensor:
        """Where the ``best`` of the same arguments are."""
        instances = int(self.instance.max()) + 1
        ranking = score.new_full((instances, len(self)), -torch.inf)
        ranking[self.instance, torch.arange(len(self), device=score.device)] = score
        ranked = ranking.topk(min(count, len(self)), dim=1)
        return ranked.indices[ranked.values > -torch.inf]

    @staticmethod
    def concatenate(parts: list[Hypotheses]) -> Hypotheses:
        """All of several."""
        return Hypotheses(
            torch.cat([part.instance for part in parts]),
            torch.cat([part.rotation for part in parts]),
            torch.cat([part.translation for part in parts]),
        )


@dataclass
class PlacedSurfaces:
    """N surface points of each of H hypotheses in the camera frame.

    ``points``, ``normals`` and ``log_color`` (H, 3, N); ``row`` and ``column`` (H, N) in the
    instance's crop, and ``pixel`` (H, N) in the observation; ``seen`` (H, N) whether the camera
    would see the point.
    """

    points: Tensor
    normals: Tensor
    log_color: Tensor
    row: Tensor
    column: Tensor
    pixel: Tensor
    seen: Tensor


def place(observation: Observation, sample: Tensor, hypotheses: Hypotheses) -> PlacedSurfaces:
    """The ``Surfaces.sample`` (H, 9, N) of each hypothesis; points that face the camera are seen.

    That tells all of a convex body. ``hide_behind_itself`` tells the rest.
    """
    own_points, own_normals, log_color = sample.split(3, dim=1)
    points = hypotheses.rotation @ own_points + hypotheses.translation.unsqueeze(2)
    normals = hypotheses.rotation @ own_normals
    row, column, inside = observation.project(points, hypotheses.instance)
    seen = inside & ((normals * points).sum(dim=1) < 0)
    row, column = row.long(), column.long()
    first = (hypotheses.instance * observation.size**2).unsqueeze(1)
    pixel = first + row * observation.size + column
    return PlacedSurfaces(points, normals, log_color, row, column, pixel, seen)


def hide_behind_itself(placed: PlacedSurfaces, size: int, grid: int, slack: Tensor) -> None:
    """Points are not seen where another one in their cell, one of ``grid`` x ``grid`` in the crop
    of ``size`` pixels, lies nearer by more than ``slack`` (H,) metres.

    It is a z-buffer with cells that are wide enough to hold several points.
    """
    cell = (placed.row * grid // size) * grid + placed.column * grid // size
    depth = placed.points[:, 2].masked_fill(~placed.seen, torch.inf)
    buffer = depth.new_full((len(depth), grid * grid), torch.inf)
    nearest = buffer.scatter_reduce(1, cell, depth, "amin").gather(1, cell)
    placed.seen &= placed.points[:, 2] <= nearest + slack.unsqueeze(1)
