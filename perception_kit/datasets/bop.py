# SPDX-License-Identifier: Apache-2.0
"""Reader of BOP folders (Hodaň et al., "BOP: Benchmark for 6D Object Pose Estimation", ECCV 2018).

Files are in millimetres by the definition of the format; everything returned here is in metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from perception_kit.datasets.bop_entries import read_instance, read_intrinsics
from perception_kit.datasets.bop_models import read_models
from perception_kit.datasets.files import (
    DatasetError,
    by_number,
    fraction,
    positive,
    read_color,
    read_depth,
    read_image,
    read_json,
    required,
    required_list,
)
from perception_kit.datasets.frame import MAX_INSTANCES, FrameDataset, GroundTruthInstance
from perception_kit.datasets.mesh_folder import numbered_meshes
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.symmetries import MILLIMETER
from perception_kit.short_text import counted
from perception_kit.types import Intrinsics

if TYPE_CHECKING:
    from perception_kit.datasets.rendered_masks import MaskRenderer

# Where datasets keep meshes, in order of preference: T-LESS and others have no plain "models".
MODEL_FOLDERS = ("models", "models_eval", "models_cad", "models_reconst")
# Color images; ITODD and others are gray.
IMAGE_FOLDERS, IMAGE_ENDINGS = ("rgb", "gray"), ("png", "jpg", "jpeg", "tif", "tiff")
DEPTH_ENDINGS = ("png", "tif", "tiff")
# What makes the files that a dataset may lack.
REMEDY = "make the masks with calc_gt_masks.py and calc_gt_info.py of BOP's toolkit"


def bop_splits(folder: Path) -> list[str]:
    """Sub-folders that hold BOP scenes."""
    return sorted({path.parts[-3] for path in folder.glob("*/[0-9]*/scene_gt.json")})


class BopDataset(FrameDataset):
    """Frames of ``FOLDER/SPLIT/NNNNNN`` in ascending order.

    Where there is no ``mask_visib`` or ``scene_gt_info.json``, masks and visible fractions are
    rendered from the meshes; masks need depth, which shows what hides an object. Raises
    DatasetError where the folder is not a BOP split.
    """

    states_visibility = True

    def __init__(
        self, folder: str | Path, split: str = "train", mesh_unit: MeshUnit = "auto"
    ) -> None:
        super().__init__(folder)
        self._mesh_unit = mesh_unit
        scenes = sorted(path.parent for path in (self.folder / split).glob("[0-9]*/scene_gt.json"))
        if not scenes:
            found = bop_splits(self.folder)
            has = f"its splits are {', '.join(found)}" if found else "it is not a BOP folder"
            raise DatasetError(f"'{self.folder}' has no '{split}/NNNNNN/scene_gt.json': {has}")

        self._ground_truth = {scene: read_json(scene / "scene_gt.json") for scene in scenes}
        infos = [scene / "scene_gt_info.json" for scene in scenes]
        self._info = {path.parent: read_json(path) for path in infos if path.is_file()}
        self._camera = {scene: read_json(scene / "scene_camera.json") for scene in scenes}

        # Keys are sorted by their numbers, for they may have leading zeros.
        self._frames = [
            (scene, key)
            for scene, frames in self._ground_truth.items()
            for _, key in by_number({key: key for key in frames}, scene / "scene_gt.json")
        ]

        # What is there, and what stands for what is not.
        self.has_depth = any((scene / "depth").is_dir() for scene in scenes)
        self._has_masks = {scene: (scene / "mask_visib").is_dir() for scene in scenes}
        self._rendered_labels = lru_cache(maxsize=16)(self._render_labels)
        folders = [self.folder / name for name in MODEL_FOLDERS]
        self._models_folder = next(
            (folder for folder in folders if (folder / "models_info.json").is_file()),
            next((folder for folder in folders if numbered_meshes(folder)), folders[0]),
        )
        self._note_replacements()

    def _note_replacements(self) -> None:
        if self._models_folder.name != MODEL_FOLDERS[0]:
            self.notes.append(
                f"'{self.folder}' has no models: the meshes in {self._models_folder.name} are used"
            )
        if not all(self._has_masks.values()):
            self.notes.append(
                f"'{self.folder}' has scenes without mask_visib: masks are rendered from the"
                " meshes at their poses, where the measured depth is not nearer"
            )
        info = self._models_folder / "models_info.json"
        if not info.is_file() and self._models_folder.is_dir():
            self.notes.append(
                f"'{info}' does not exist: no symmetries are known, and the scores of symmetric"
                " objects are too low"
            )
        if len(self._info) < len(self._ground_truth):
            self.notes.append(
                f"'{self.folder}' has scenes without scene_gt_info.json: visible fractions are"
                " those of the masks and the rendered silhouettes"
            )

    def __len__(self) -> int:
        return len(self._frames)

    @cached_property
    def models(self) -> dict[int, ObjectModel]:
        """Object classes of ``FOLDER/models``, or of another of ``MODEL_FOLDERS``."""
        return read_models(self._models_folder, self._mesh_unit)

    @cached_property
    def _articulated(self) -> set[int]:
        return {class_id for class_id, model in self.models.items() if model.articulated}

    @cached_property
    def _mask_renderer(self) -> MaskRenderer:
        # Open3D takes seconds to import, and most datasets come with masks.
        from perception_kit.datasets.rendered_masks import MaskRenderer

        return MaskRenderer(self.models)

    def name(self, index: int) -> str:
        """Scene and number of a frame."""
        scene, key = self._frames[index]
        return f"{scene.name}/{int(key):06d}"

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image; the channels of a gray one are equal."""
        return read_color(self._image(index, IMAGE_FOLDERS, IMAGE_ENDINGS))

    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""
        scene, key = self._frames[index]
        camera = required(self._camera[scene], key, scene / "scene_camera.json")
        scale = positive(camera, "depth_scale", scene / "scene_camera.json") * MILLIMETER
        return read_depth(self._image(index, ("depth",), DEPTH_ENDINGS), scale)

    def _image(self, index: int, folders: Sequence[str], endings: Sequence[str]) -> Path:
        """The first image file of a frame that is there, or else the first to look for."""
        scene, key = self._frames[index]
        stem = f"{int(key):06d}"
        files = [scene / folder / f"{stem}.{ending}" for folder in folders for ending in endings]
        return next((file for file in files if file.is_file()), files[0])

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
        if not self._has_masks[scene]:
            return self._rendered_labels(index).copy()

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

    def _render_labels(self, index: int) -> np.ndarray:
        """``labels`` of a frame without masks; DatasetError where they cannot be rendered."""
        scene, _ = self._frames[index]
        if not self.has_depth:
            raise DatasetError(
                f"'{scene}' has neither mask_visib nor depth, which shows what hides an object:"
                f" {REMEDY}"
            )
        depth, instances = self.depth(index), self._read_instances(index, None)
        if articulated := {instance.class_id for instance in instances} & self._articulated:
            raise DatasetError(
                f"'{scene}' has no mask_visib, and its objects {sorted(articulated)} are"
                f" articulated, so their masks cannot be rendered: {REMEDY}"
            )
        return self._mask_renderer.labels(instances, depth, self.intrinsics(index, *depth.shape))

    def instances(self, index: int) -> list[GroundTruthInstance]:
        """Poses of the frame's instances, in the order of ``labels``."""
        scene, key = self._frames[index]
        if scene in self._info:
            infos = required_list(self._info[scene], key, scene / "scene_gt_info.json")
            return self._read_instances(index, infos)

        # How much is visible is not stated: an articulated object cannot be rendered.
        labels, instances = self.labels(index), self._read_instances(index, None)
        camera = self.intrinsics(index, *labels.shape)
        for label, instance in enumerate(instances, start=1):
            mask = labels == label
            instance.visible_fraction = (
                float(mask.any())
                if instance.class_id in self._articulated
                else self._mask_renderer.visible_fraction(instance, mask, camera)
            )
        return instances

    def _read_instances(self, index: int, infos: Sequence[Any] | None) -> list[GroundTruthInstance]:
        """The instances with the visible fractions that ``infos`` state, or 1 without them."""
        scene, key = self._frames[index]
        path, info_path = scene / "scene_gt.json", scene / "scene_gt_info.json"
        poses = required_list(self._ground_truth[scene], key, path)
        if infos is not None and len(poses) != len(infos):
            raise DatasetError(
                f"frame {key} of '{scene}': {counted(len(poses), 'instance')} in scene_gt.json,"
                f" {len(infos)} in scene_gt_info.json"
            )

        instances = []
        for number, pose in enumerate(poses):
            try:
                visible = (
                    1.0 if infos is None else fraction(infos[number], "visib_fract", info_path)
                )
                instances.append(read_instance(pose, visible, path, self._articulated))
            except DatasetError as error:
                raise DatasetError(f"frame {key}, instance {number}: {error}") from error
        for instance in instances:
            if instance.class_id not in self.class_names:
                raise DatasetError(
                    f"frame {key} in '{path}' shows an object {instance.class_id},"
                    f" but the models are {self.class_names}"
                )
            is_posed = instance.class_id not in self._articulated
            is_seen = infos is not None and instance.visible_fraction > 0
            if is_posed and is_seen and instance.translation[2] <= 0:
                raise DatasetError(
                    f"frame {key} in '{path}': an object {instance.class_id} is seen, but lies"
                    f" behind the camera (z = {instance.translation[2]:.3g} m): expected poses in"
                    " the optical frame, z forward and y down (in OpenGL's z points backward)"
                )
        return instances
