# SPDX-License-Identifier: Apache-2.0
"""The models of a frame's instances, each as large as its estimated size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.size_net import LogScale
from pose6d_node.densefusion.sizes import units
from pose6d_node.registration.near_symmetries import NearSymmetries
from pose6d_node.registration.placement import Surfaces


@dataclass
class InstanceModels:
    """Models of B instances of the classes ``class_index`` (B,).

    ``scale`` (B, 3) factors along the axes of the class's model; ``relative_std`` (B, 3) of these,
    0 where the size is known.
    """

    model: PoseModel
    class_index: Tensor
    scale: Tensor
    relative_std: Tensor

    @classmethod
    def of(
        cls, model: PoseModel, class_index: Tensor, trained: Tensor, sizes: LogScale
    ) -> InstanceModels:
        """Models of all instances; ``sizes`` are those of the ``trained`` ones."""
        scale = torch.ones(len(class_index), 3, device=class_index.device)
        relative_std = torch.zeros_like(scale)
        # One that is not finite makes its pose be left out.
        scale[trained] = torch.where(sizes.scale.isfinite(), sizes.scale, 1.0)
        relative_std[trained] = sizes.relative_std
        return cls(model, class_index, scale, relative_std)

    @cached_property
    def points(self) -> Tensor:
        """(B, M, 3) points on the surfaces, metres."""
        return self.model.model_points[self.class_index] * self.scale.unsqueeze(1)

    @cached_property
    def diameters(self) -> Tensor:
        """(B,) metres."""
        return units(self.model, self.class_index, self.scale)

    def sizes(self) -> tuple[Tensor, Tensor]:
        """Extents (B, 3) of the models and their standard deviations (B, 3), metres."""
        extents = torch.tensor(self.model.spec.sizes, device=self.scale.device)
        size = extents[self.class_index] * self.scale
        return size, size * self.relative_std

    def surfaces(self, of_classes: Surfaces) -> Surfaces:
        """Those of the classes as B surfaces, one of each instance."""
        # Normals stay perpendicular to a surface that is stretched along the axes.
        normals = of_classes.normals[self.class_index] / self.scale.unsqueeze(1)
        return Surfaces(
            self.points,
            normals / normals.norm(dim=2, keepdim=True).clamp(min=1e-12),
            of_classes.colors[self.class_index],
            self.diameters,
        )


class InstanceTurns(NearSymmetries):
    """The near symmetries of instances by their number: those of their classes."""

    def __init__(self, of_classes: NearSymmetries, models: InstanceModels) -> None:
        super().__init__(models.surfaces(of_classes.surfaces))
        self._of_classes, self._classes = of_classes, models.class_index.tolist()

    def of(self, class_index: int) -> Tensor:
        """(K, 3, 3) turns of the instance ``class_index``."""
        return self._of_classes.of(self._classes[class_index])
