# SPDX-License-Identifier: Apache-2.0
"""Model surfaces put at hypothetical poses, and which of their points the camera would see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pose6d_node.registration.observation import Observation


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

    ``points`` and ``normals`` (H, N, 3); ``pixel`` (H, N) index into the instance's crop; ``seen``
    (H, N) whether the camera would see the point, by the model alone.
    """

    points: Tensor
    normals: Tensor
    pixel: Tensor
    seen: Tensor

    def observed(self, values: Tensor, instance: Tensor) -> Tensor:
        """The (B, P, …) ``values`` of the observation at each point's pixel, (H, N, …)."""
        return values[instance.unsqueeze(1), self.pixel]


def place(
    observation: Observation,
    surfaces: Surfaces,
    hypotheses: Hypotheses,
    count: int,
    slack: float,
    grid: int,
) -> PlacedSurfaces:
    """The first ``count`` surface points of each hypothesis.

    A point is seen where it faces the camera and no other point in its cell, one of ``grid`` x
    ``grid`` in the crop, lies nearer by more than ``slack`` diameters.
    """
    class_index = observation.class_index[hypotheses.instance]
    points = surfaces.points[class_index, :count]
    diameter = surfaces.diameters[class_index].unsqueeze(1)
    placed = points @ hypotheses.rotation.mT + hypotheses.translation.unsqueeze(1)
    normals = surfaces.normals[class_index, :count] @ hypotheses.rotation.mT

    row, column, inside = observation.project(placed, hypotheses.instance)
    facing = inside & ((normals * placed).sum(dim=2) < 0)

    # A z-buffer of cells that are wide enough to hold several points.
    size = observation.size
    cell = (row * grid / size).long() * grid + (column * grid / size).long()
    depth = placed[..., 2].masked_fill(~facing, torch.inf)
    buffer = depth.new_full((len(hypotheses), grid * grid), torch.inf)
    nearest = buffer.scatter_reduce(1, cell, depth, "amin").gather(1, cell)
    seen = facing & (placed[..., 2] <= nearest + slack * diameter)
    return PlacedSurfaces(placed, normals, row.long() * size + column.long(), seen)
