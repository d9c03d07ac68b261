# SPDX-License-Identifier: Apache-2.0
"""The surfaces of objects as tensors of a pose model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from perception_kit.datasets.mesh_folder import read_all

if TYPE_CHECKING:
    from perception_kit.datasets.object_model import ObjectModel

MODEL_POINTS = 1000  # points on the surface of each object that a model file holds


def check_table(tensors: Mapping[str, Tensor], classes: int) -> None:
    """Raises ValueError unless each class has as many points in space, and surfaces to match."""
    shape = tuple(tensors["model_points"].shape)
    if len(shape) != 3 or shape[0] != classes or shape[1] < 1 or shape[2] != 3:
        raise ValueError(f"model_points have the shape {shape}, expected ({classes}, points, 3)")
    for name in ("model_normals", "model_colors"):
        if name in tensors and (found := tuple(tensors[name].shape)) != shape:
            raise ValueError(f"{name} have the shape {found}, expected {shape}")


def object_table(
    objects: Sequence[ObjectModel],
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """(C, 1000, 3) points of the objects' surfaces in metres; with them their normals and uint8
    colors, unless one of the objects has no triangles. Raises DatasetError listing the objects
    whose meshes cannot be used.
    """
    sampled = read_all(lambda model: model.points(MODEL_POINTS), objects)
    points = torch.stack([torch.from_numpy(sample) for sample in sampled])
    if any(len(model.mesh()[1]) == 0 for model in objects):
        return points, None
    points, normals, colors = surface_table(objects)
    return points, (normals, colors)


def surface_table(objects: Sequence[ObjectModel]) -> tuple[Tensor, Tensor, Tensor]:
    """(C, 1000, 3) points of the objects' surfaces in metres, their normals and uint8 colors.

    An object without colors is gray: as the light is fitted, all poses agree with the colors alike,
    and the depth alone tells them apart. Raises DatasetError for objects without triangles.
    """
    samples = read_all(lambda model: model.surface(MODEL_POINTS), objects)
    gray = np.full((MODEL_POINTS, 3), 0.5, np.float32)
    colors = [gray if sample.colors is None else sample.colors for sample in samples]
    return (
        torch.from_numpy(np.stack([sample.points for sample in samples])),
        torch.from_numpy(np.stack([sample.normals for sample in samples])),
        torch.from_numpy((np.stack(colors) * 255).round().astype(np.uint8)),
    )
