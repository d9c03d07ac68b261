# SPDX-License-Identifier: Apache-2.0
"""The object models that pose errors are measured with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_kit.datasets.bop import read_models
from perception_kit.networks.model_file import load_model

_POINTS = 1000


@dataclass(frozen=True)
class PointModel:
    """(N, 3) surface points in metres, diameter in metres, and whether ADD-S is the object's
    measure.
    """

    points: np.ndarray
    diameter: float
    symmetric: bool


def load_point_models(models: Path | None, bag: Path, pose_model: Path) -> dict[str, PointModel]:
    """Point models by class name: of the BOP folder ``models``, else of the bag's own ``models``
    folder, else of the pose model file.

    Raises DatasetError or ModelFileError for a folder or file that cannot be read.
    """
    folder = models if models is not None else bag / "models"
    if models is not None or (folder / "models_info.json").is_file():
        rigid = [model for model in read_models(folder).values() if not model.articulated]
        return {
            model.name: PointModel(model.points(_POINTS), model.diameter, model.symmetric)
            for model in rigid
        }
    tensors, metadata = load_model(pose_model, "pose")
    described = zip(
        metadata["class_names"], metadata["diameters"], metadata["symmetries"], strict=True
    )
    return {
        name: PointModel(tensors["model_points"][k].numpy(), diameter, len(symmetries) > 1)
        for k, (name, diameter, symmetries) in enumerate(described)
    }
