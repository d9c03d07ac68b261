# SPDX-License-Identifier: Apache-2.0
"""Reader of BOP folders (Hodaň et al., "BOP: Benchmark for 6D Object Pose Estimation", ECCV 2018).

Files are in millimetres by the definition of the format; everything returned here is in metres.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from perception_kit.datasets.mesh_colors import colors_of
from perception_kit.datasets.mesh_folder import (
    ObjectFile,
    numbered_mesh,
    numbered_meshes,
    read_all,
)
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel, model_from_entry
from perception_kit.datasets.symmetries import MILLIMETER
from perception_kit.types import Intrinsics

if TYPE_CHECKING:
    from perception_kit.datasets.rendered_masks import MaskRenderer

# Where datasets keep meshes, in order of preference: T-LESS and others have no plain "models".
MODEL_FOLDERS = ("models", "models_eval", "models_cad", "models_reconst")
# Color images; ITODD and others are gray.
IMAGE_FOLDERS, IMAGE_ENDINGS = ("rgb", "gray"), ("png", "jpg", "jpeg", "tif", "tiff")
DEPTH_ENDINGS = ("png", "tif", "tiff")
# Beside BOP's own keys of an instance in scene_gt.json: three factors by which it is larger along
# the axes of its model. Without it, instances are as large as their models.
SCALE_KEY = "scale"
# What makes the files that a dataset may lack.
REMEDY = "make the masks with calc_gt_masks.py and calc_gt_info.py of BOP's toolkit"


def read_models(folder: str | Path, unit: MeshUnit = "auto") -> dict[int, ObjectModel]:
    """Object classes of a BOP models folder, by class id in ascending order.

    The folder is the one that holds ``models_info.json``; without that file, sizes are measured on
    the meshes, and no object is symmetric. A class without a ``name`` key (as in the published
    datasets) is called ``obj_000001``. Meshes are in millimetres, or ``unit``. Raises DatasetError
    for a missing file or key, and for two classes of one name.
    """
    path = Path(folder) / "models_info.json"
    if not path.is_file() and (meshes := numbered_meshes(path.parent)):
        return _measured_models(meshes, unit)
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
            mesh_path = numbered_mesh(path.parent, class_id)
            models[class_id] = model_from_entry(class_id, name, entry, mesh_path, path, unit)

    names = [model.name for model in models.values()]
    if len(set(names)) < len(names):
        raise DatasetError(f"'{path}' gives several objects the same name: {names}")
    return models


def _measured_models(meshes: Mapping[int, Path], unit: MeshUnit) -> dict[int, ObjectModel]:
    """Models of ``meshes`` by number whose sizes no file states."""

    def read(numbered: tuple[int, Path]) -> ObjectModel:
        class_id, path = numbered
        mesh, factor, notes = ObjectFile(path.stem, path, "mm", class_id).read(unit)
        notes = [*notes, f"{path.stem}: taken as not symmetric, for there is no models_info.json"]
        vertices, colors = mesh.vertices.astype(float), colors_of(mesh)
        model = ObjectModel.from_mesh(class_id, path.stem, vertices, mesh.faces, {}, colors, notes)
        model.mesh_path, model.meters_per_unit = path, factor
        return model

    return {model.class_id: model for model in read_all(read, list(meshes.items()))}


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
                f"frame {key} of '{scene}': {len(poses)} instances in scene_gt.json,"
                f" {len(infos)} in scene_gt_info.json"
            )

        fractions = [1.0] * len(poses)
        if infos is not None:
            fractions = [float(numbers(info, "visib_fract", 1, info_path)[0]) for info in infos]
        instances = [
            read_instance(pose, fraction, path, self._articulated)
            for pose, fraction in zip(poses, fractions, strict=True)
        ]
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


def read_instance(
    entry: Any, visible_fraction: float, path: Path, articulated: Collection[int] = ()
) -> GroundTruthInstance:
    """The instance of one entry of scene_gt.json (or LineMOD's gt.yml).

    The entry holds ``obj_id``, ``cam_R_m2c`` row by row and ``cam_t_m2c`` in millimetres. Instances
    whose ``obj_id`` is one of ``articulated`` have no pose. ``scale`` is 1 where it is not stated.
    Raises DatasetError.
    """
    class_id = int(numbers(entry, "obj_id", 1, path)[0])
    rotation = numbers(entry, "cam_R_m2c", 9, path).reshape(3, 3)
    translation = numbers(entry, "cam_t_m2c", 3, path) * MILLIMETER
    scale = numbers(entry, SCALE_KEY, 3, path) if SCALE_KEY in entry else np.ones(3)
    if not (scale > 0).all():
        raise DatasetError(
            f"'{path}': an object {class_id} has the scale {scale.tolist()}, expected factors above"
            " 0 along the axes of its model"
        )
    instance = GroundTruthInstance(class_id, rotation, translation, visible_fraction, scale)
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
