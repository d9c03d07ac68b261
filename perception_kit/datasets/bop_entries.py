# SPDX-License-Identifier: Apache-2.0
"""Poses and cameras as BOP's annotation files hold them, which other layouts share.

Files are in millimetres by the definition of the format; everything returned here is in metres.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.datasets.files import DatasetError, numbers, whole
from perception_kit.datasets.frame import GroundTruthInstance, checked_instance
from perception_kit.datasets.scaling import LARGEST, SMALLEST
from perception_kit.datasets.symmetries import MILLIMETER
from perception_kit.types import Intrinsics

# Beside BOP's own keys of an instance in scene_gt.json: three factors by which it is larger along
# the axes of its model. Without it, instances are as large as their models.
SCALE_KEY = "scale"
# Pixels. What a camera matrix may hold where that of a pinhole camera has zeros
SKEW_TOLERANCE = 0.5


def read_instance(
    entry: Any, visible_fraction: float, path: Path, articulated: Collection[int] = ()
) -> GroundTruthInstance:
    """The instance of one entry of scene_gt.json (or LineMOD's gt.yml).

    The entry holds ``obj_id``, ``cam_R_m2c`` row by row and ``cam_t_m2c`` in millimetres. Instances
    whose ``obj_id`` is one of ``articulated`` have no pose. ``scale`` is 1 where it is not stated.
    Raises DatasetError.
    """
    class_id = whole(entry, "obj_id", path)
    rotation = numbers(entry, "cam_R_m2c", 9, path).reshape(3, 3)
    translation = numbers(entry, "cam_t_m2c", 3, path) * MILLIMETER
    scale = numbers(entry, SCALE_KEY, 3, path) if SCALE_KEY in entry else np.ones(3)
    if not ((scale >= SMALLEST) & (scale <= LARGEST)).all():
        raise DatasetError(
            f"'{path}': an object {class_id} has the scale {scale.tolist()}, expected factors from"
            f" {SMALLEST:g} to {LARGEST:g} along the axes of its model"
        )
    instance = GroundTruthInstance(class_id, rotation, translation, visible_fraction, scale)
    return checked_instance(instance, path, has_pose=class_id not in articulated)


def read_intrinsics(
    entry: Any, height: int, width: int, path: Path, key: str = "cam_K"
) -> Intrinsics:
    """The camera of one entry of scene_camera.json (or info.yml, or meta.mat).

    ``entry[key]`` is the camera matrix row by row, in pixels. Raises DatasetError, also for a
    matrix with a skew or of another order, which a pinhole camera does not have.
    """
    k = numbers(entry, key, 9, path).reshape(3, 3)
    try:
        intrinsics = Intrinsics(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height)
    except ValueError as error:
        raise DatasetError(f"'{path}': '{key}' is {k.tolist()}: {error}") from error
    if np.abs(k - intrinsics.matrix).max() > SKEW_TOLERANCE:
        raise DatasetError(
            f"'{path}': '{key}' is {k.tolist()}, expected fx 0 cx, 0 fy cy, 0 0 1, row by row:"
            " a skew is not modeled; rectify the images, or transpose the matrix"
        )
    return intrinsics
