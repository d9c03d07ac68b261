# SPDX-License-Identifier: Apache-2.0
"""Reader of BOP folders (Hodaň et al., "BOP: Benchmark for 6D Object Pose Estimation", ECCV 2018).

Files are in millimetres by the definition of the format; everything returned here is in metres.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from perception_kit.datasets.files import (
    DatasetError,
    by_number,
    numbers,
    positive,
    read_color,
    read_depth,
    read_image,
    read_json,
    required,
    required_list,
)
from perception_kit.datasets.frame import (
    MAX_INSTANCES,
    FrameDataset,
    GroundTruthInstance,
    checked_instance,
)
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel, model_from_entry
from perception_kit.datasets.symmetries import MILLIMETER
from perception_kit.types import Intrinsics


def read_models(folder: str | Path, unit: MeshUnit = "auto") -> dict[int, ObjectModel]:
    """Object classes of a BOP models folder, by class id in ascending order.

    The folder is the one that holds ``models_info.json``. A class without a ``name`` key (as in the
    published datasets) is called ``obj_000001``. Meshes are in
    millimetres, or ``unit``. Raises DatasetError for a missing file or key, and for two classes of
    one name.
    """
    path = Path(folder) / "models_info.json"
    models = {}
    for class_id, entry in by_number(read_json(path), path):
        if not isinstance(entry, Mapping):
            raise DatasetError(
                f"'{path}' holds {entry!r:.60} for object {class_id}, expected its extents by name"
            )
        name = entry.get("name", f"obj_{class_id:06d}")
        if entry.get("articulated", False):
            models[class_id] = _articulated_model(class_id, name, entry)
        else:
            mesh_path = path.with_name(f"obj_{class_id:06d}.ply")
            models[class_id] = model_from_entry(class_id, name, entry, mesh_path, path, unit)

    names = [model.name for model in models.values()]
    if len(set(names)) < len(names):
        raise DatasetError(f"'{path}' gives several objects the same name: {names}")
    return models


def _articulated_model(class_id: int, name: str, entry: Mapping[str, Any]) -> ObjectModel:
    """A model without a mesh; extents that the entry does not state are 0."""
    size_mm = np.array([entry.get(f"size_{axis}", 0.0) for axis in "xyz"], np.float32)
    size = size_mm * np.float32(MILLIMETER)
    diameter = entry.get("diameter", 0.0) * MILLIMETER
    return ObjectModel(class_id, name, diameter, size, entry, articulated=True)


def bop_splits(folder: Path) -> list[str]:
    """Sub-folders that hold BOP scenes."""
    return sorted({path.parts[-3] for path in folder.glob("*/[0-9]*/scene_gt.json")})


class BopDataset(FrameDataset):
    """Frames of ``FOLDER/SPLIT/NNNNNN`` in ascending order.

    Raises DatasetError where the folder is not a BOP split.
    """

    states_visibility = True

    def __init__(self, folder: str | Path, split: str = "train") -> None:
        super().__init__(folder)
        scenes = sorted(path.parent for path in (self.folder / split).glob("[0-9]*/scene_gt.json"))
        if not scenes:
            found = bop_splits(self.folder)
            has = f"its splits are {', '.join(found)}" if found else "it is not a BOP folder"
            raise DatasetError(f"'{self.folder}' has no '{split}/NNNNNN/scene_gt.json': {has}")

        self._ground_truth = {scene: read_json(scene / "scene_gt.json") for scene in scenes}
        self._info = {scene: read_json(scene / "scene_gt_info.json") for scene in scenes}
        self._camera = {scene: read_json(scene / "scene_camera.json") for scene in scenes}

        # Keys are sorted by their numbers, for they may have leading zeros.
        self._frames = [
            (scene, key)
            for scene, frames in self._ground_truth.items()
            for _, key in by_number({key: key for key in frames}, scene / "scene_gt.json")
        ]

    def __len__(self) -> int:
        return len(self._frames)

    @cached_property
    def models(self) -> dict[int, ObjectModel]:
        """Object classes of ``FOLDER/models``."""
        return read_models(self.folder / "models")

    @cached_property
    def _articulated(self) -> set[int]:
        return {class_id for class_id, model in self.models.items() if model.articulated}

    def name(self, index: int) -> str:
        """Scene and number of a frame."""
        scene, key = self._frames[index]
        return f"{scene.name}/{int(key):06d}"

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image."""
        scene, key = self._frames[index]
        files = [scene / "rgb" / f"{int(key):06d}.{ending}" for ending in ("png", "jpg")]
        return read_color(next((file for file in files if file.is_file()), files[0]))

    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""
        scene, key = self._frames[index]
        camera = required(self._camera[scene], key, scene / "scene_camera.json")
        scale = positive(camera, "depth_scale", scene / "scene_camera.json") * MILLIMETER
        return read_depth(scene / "depth" / f"{int(key):06d}.png", scale)

    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """Camera of a frame whose images are ``height`` x ``width``."""
        scene, key = self._frames[index]
        path = scene / "scene_camera.json"
        return read_intrinsics(required(self._camera[scene], key, path), height, width, path)

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 visible-instance labels: 0 background, k for instance k - 1."""
        scene, key = self._frames[index]
        path = scene / "scene_gt.json"
        count = len(required_list(self._ground_truth[scene], key, path))
        if count > MAX_INSTANCES:
            raise DatasetError(
                f"'{path}' has {count} instances in frame {key},"
                f" at most {MAX_INSTANCES} can be told apart"
            )
        if count == 0:
            return np.zeros(self.rgb(index).shape[:2], np.uint8)

        masks_folder = scene / "mask_visib"
        masks = [
            read_image(masks_folder / f"{int(key):06d}_{number:06d}.png", cv2.IMREAD_GRAYSCALE)
            for number in range(count)
        ]
        shapes = {mask.shape for mask in masks}
        if len(shapes) > 1:
            raise DatasetError(
                f"the masks of frame {key} in '{masks_folder}' differ in size: {sorted(shapes)}"
            )

        labels = np.zeros(masks[0].shape, np.uint8)
        for value, mask in enumerate(masks, start=1):
            labels[mask > 0] = value
        return labels

    def instances(self, index: int) -> list[GroundTruthInstance]:
        """Poses of the frame's instances, in the order of ``labels``."""
        scene, key = self._frames[index]
        path, info_path = scene / "scene_gt.json", scene / "scene_gt_info.json"
        poses = required_list(self._ground_truth[scene], key, path)
        infos = required_list(self._info[scene], key, info_path)
        if len(poses) != len(infos):
            raise DatasetError(
                f"frame {key} of '{scene}': {len(poses)} instances in scene_gt.json,"
                f" {len(infos)} in scene_gt_info.json"
            )

        instances = []
        for pose, info in zip(poses, infos, strict=True):
            visible_fraction = float(numbers(info, "visib_fract", 1, info_path)[0])
            instances.append(read_instance(pose, visible_fraction, path, self._articulated))

        for instance in instances:
            if instance.class_id not in self.class_names:
                raise DatasetError(
                    f"frame {key} in '{path}' shows an object {instance.class_id},"
                    f" but the models are {self.class_names}"
                )
        return instances


def read_instance(
    entry: Any, visible_fraction: float, path: Path, articulated: Collection[int] = ()
) -> GroundTruthInstance:
    """The instance of one entry of scene_gt.json (or LineMOD's gt.yml).

    The entry holds ``obj_id``, ``cam_R_m2c`` row by row and ``cam_t_m2c`` in millimetres. Instances
    whose ``obj_id`` is one of ``articulated`` have no pose. Raises DatasetError.
    """
    class_id = int(numbers(entry, "obj_id", 1, path)[0])
    rotation = numbers(entry, "cam_R_m2c", 9, path).reshape(3, 3)
    translation = numbers(entry, "cam_t_m2c", 3, path) * MILLIMETER
    instance = GroundTruthInstance(class_id, rotation, translation, visible_fraction)
    return checked_instance(instance, path, has_pose=class_id not in articulated)


def read_intrinsics(
    entry: Any, height: int, width: int, path: Path, key: str = "cam_K"
) -> Intrinsics:
    """The camera of one entry of scene_camera.json (or info.yml, or meta.mat).

    ``entry[key]`` is the camera matrix row by row, in pixels. Raises DatasetError.
    """
    k = numbers(entry, key, 9, path).reshape(3, 3)
    try:
        return Intrinsics(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height)
    except ValueError as error:
        raise DatasetError(f"'{path}': '{key}' is {k.tolist()}: {error}") from error
