# SPDX-License-Identifier: Apache-2.0
"""Object models as points, with which pose errors are measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from perception_kit.datasets.diameter import largest_distance
from perception_kit.datasets.mesh_folder import read_all
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.opener import open_models
from perception_kit.datasets.scaling import scaled_symmetries
from perception_kit.datasets.symmetries import symmetry_transforms
from perception_kit.metrics.pose import (
    Pose,
    PoseError,
    add,
    adds,
    rotation_and_translation_error,
)
from perception_kit.networks.model_file import read_model

_POINTS = 1000  # of a mesh, over which ADD and ADD-S are means


@dataclass(frozen=True)
class PointModel:
    """(N, 3) surface points and diameter in metres, and whether ADD-S is the object's measure.

    ``symmetries`` are (K, 4, 4) transforms of the model onto itself, in metres.
    """

    points: np.ndarray
    diameter: float
    symmetric: bool
    symmetries: np.ndarray = field(default_factory=lambda: np.eye(4)[None])

    @classmethod
    def of_object(cls, model: ObjectModel) -> PointModel:
        """Points on the mesh of a rigid object."""
        symmetries = np.stack(symmetry_transforms(model.symmetry))
        return cls(model.points(_POINTS), model.diameter, model.symmetric, symmetries)

    def scaled(self, scale: np.ndarray) -> PointModel:
        """The model of an instance that is larger by (3,) factors along the axes."""
        points = self.points * scale
        # The largest distance between two points, of the same sample for both.
        stretch = largest_distance(points) / largest_distance(self.points)
        return PointModel(
            points,
            self.diameter * stretch,
            self.symmetric,
            scaled_symmetries(self.symmetries, scale),
        )

    def pose_error(self, class_name: str, ground_truth: Pose, estimate: Pose | None) -> PoseError:
        """Errors of an estimated pose, infinite ones without an estimate."""
        described = class_name, self.diameter, self.symmetric
        if estimate is None:
            return PoseError(*described)

        poses = *estimate, *ground_truth
        return PoseError(
            *described,
            add(self.points, *poses),
            adds(self.points, *poses),
            *rotation_and_translation_error(estimate, ground_truth, self.symmetries),
        )


def load_point_models(
    models: Path | None, bag: Path, pose_model: Path, mesh_unit: MeshUnit = "auto"
) -> dict[str, PointModel]:
    """Point models by class name.

    They are those of the folder ``models``, whose meshes are in ``mesh_unit``, else of the bag's
    own ``models`` folder, else of the pose model file. Raises DatasetError or ModelFileError for a
    folder or file that cannot be read.
    """
    folder = models if models is not None else bag / "models"
    if models is not None or (folder / "models_info.json").is_file():
        opened = open_models(folder, mesh_unit).values()
        read_all(lambda model: model.mesh(), [m for m in opened if not m.articulated])
        return {
            model.name: PointModel.of_object(model) for model in opened if not model.articulated
        }

    tensors, metadata = read_model(pose_model, "pose")
    described = zip(
        metadata["class_names"], metadata["diameters"], metadata["symmetries"], strict=True
    )
    return {
        name: PointModel(
            tensors["model_points"][k].numpy(),
            diameter,
            len(symmetries) > 1,
            np.asarray(symmetries, float),
        )
        for k, (name, diameter, symmetries) in enumerate(described)
    }
