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
from perception_kit.datasets.frame import MAX_INSTANCES, FrameDataset, TrueInstance, true_instance
from perception_kit.datasets.object_model import ObjectModel, model_from_entry
from perception_kit.datasets.symmetries import MILLIMETER
from perception_kit.types import Intrinsics


def read_models(folder: str | Path) -> dict[int, ObjectModel]:
    """Object classes of a BOP models folder (the one that holds ``models_info.json``), by class id
    in ascending order.

    A class without a ``name`` key (as in the published datasets) is called ``obj_000001``. Raises
    DatasetError for a missing file or key, and for two classes of one name.
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
            size = np.array(
                [entry.get(f"size_{axis}", 0.0) for axis in "xyz"], np.float32
            ) * np.float32(MILLIMETER)
            models[class_id] = ObjectModel(
                class_id,
                name,
                entry.get("diameter", 0.0) * MILLIMETER,
                size,
                entry,
                articulated=True,
            )
        else:
            models[class_id] = model_from_entry(
                class_id, name, entry, path.with_name(f"obj_{class_id:06d}.ply"), path
            )
    if len({model.name for model in models.values()}) < len(models):
        raise DatasetError(
            f"'{path}' gives several objects the same name:"
            f" {[model.name for model in models.values()]}"
        )
    return models


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
        scenes = sorted((self.folder / split).glob("[0-9]*/scene_gt.json"))
        if not scenes:
            found = bop_splits(self.folder)
            has = f"its splits are {', '.join(found)}" if found else "it is not a BOP folder"
            raise DatasetError(f"'{self.folder}' has no '{split}/NNNNNN/scene_gt.json': {has}")
        self._ground_truth = {path.parent: read_json(path) for path in scenes}
        self._info = {path.parent: read_json(path.parent / "scene_gt_info.json") for path in scenes}
        self._camera = {
            path.parent: read_json(path.parent / "scene_camera.json") for path in scenes
        }
        # Keys, which may have leading zeros, stand for their numbers.
        self._frames = [
            (scene, key)
            for scene, frames in self._ground_truth.items()
            for _, key in by_number({k: k for k in frames}, scene / "scene_gt.json")
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
        count = len(required_list(self._ground_truth[scene], key, scene / "scene_gt.json"))
        if count > MAX_INSTANCES:
            raise DatasetError(
                f"'{scene / 'scene_gt.json'}' has {count} instances in frame {key}, at most"
                f" {MAX_INSTANCES} can be told apart"
            )
        if count == 0:
            return np.zeros(self.rgb(index).shape[:2], np.uint8)
        masks = [
            read_image(
                scene / "mask_visib" / f"{int(key):06d}_{number:06d}.png", cv2.IMREAD_GRAYSCALE
            )
            for number in range(count)
        ]
        if len({mask.shape for mask in masks}) > 1:
            raise DatasetError(
                f"the masks of frame {key} in '{scene / 'mask_visib'}' differ in size:"
                f" {sorted({m.shape for m in masks})}"
            )
        labels = np.zeros(masks[0].shape, np.uint8)
        for number, mask in enumerate(masks, start=1):
            labels[mask > 0] = number
        return labels

    def instances(self, index: int) -> list[TrueInstance]:
        """Poses of the frame's instances, in the order of ``labels``."""
        scene, key = self._frames[index]
        path, info_path = scene / "scene_gt.json", scene / "scene_gt_info.json"
        ground_truth, info = (
            required_list(self._ground_truth[scene], key, path),
            required_list(self._info[scene], key, info_path),
        )
        if len(ground_truth) != len(info):
            raise DatasetError(
                f"frame {key} of '{scene}': {len(ground_truth)} instances in scene_gt.json, {len(info)} in"
                " scene_gt_info.json"
            )
        instances = [
            read_instance(
                entry, float(numbers(seen, "visib_fract", 1, info_path)[0]), path, self._articulated
            )
            for entry, seen in zip(ground_truth, info, strict=True)
        ]
        for instance in instances:
            if instance.class_id not in self.class_names:
                raise DatasetError(
                    f"frame {key} in '{path}' shows an object {instance.class_id}, but the models"
                    f" are {self.class_names}"
                )
        return instances


def read_instance(
    entry: Any, visible_fraction: float, path: Path, articulated: Collection[int] = ()
) -> TrueInstance:
    """The instance of one entry of scene_gt.json (or gt.yml): ``obj_id``, ``cam_R_m2c`` row by row,
    ``cam_t_m2c`` in millimetres.

    Those whose ``obj_id`` is one of ``articulated`` have no pose.
    """
    class_id = int(numbers(entry, "obj_id", 1, path)[0])
    rotation, translation = (
        numbers(entry, "cam_R_m2c", 9, path).reshape(3, 3),
        numbers(entry, "cam_t_m2c", 3, path) * MILLIMETER,
    )
    return true_instance(
        class_id, rotation, translation, visible_fraction, path, class_id not in articulated
    )


def read_intrinsics(
    entry: Any, height: int, width: int, path: Path, key: str = "cam_K"
) -> Intrinsics:
    """The camera of one entry of scene_camera.json (or info.yml, or meta.mat): a matrix row by row,
    in pixels.
    """
    k = numbers(entry, key, 9, path).reshape(3, 3)
    try:
        return Intrinsics(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height)
    except ValueError as error:
        raise DatasetError(f"'{path}': '{key}' is {k.tolist()}: {error}") from error
