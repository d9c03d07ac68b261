# SPDX-License-Identifier: Apache-2.0
"""Reader of the YCB-Video data set's own layout (Xiang et al., "PoseCNN", RSS 2018).

``data/NNNN/NNNNNN-{color.png,depth.png,label.png,meta.mat}``: depth in units of 1 /
``factor_depth`` metres, poses in metres, labels are class numbers from 1. Class numbers are those
of the sub-folders of ``models`` in alphabetic order.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from perception_kit.datasets.bop_entries import read_intrinsics
from perception_kit.datasets.files import (
    DatasetError,
    positive,
    read_color,
    read_depth,
    read_image,
    required,
)
from perception_kit.datasets.frame import FrameDataset, GroundTruthInstance, checked_instance
from perception_kit.datasets.mat_file import MatFileError, read_mat
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.ycb_models import class_folders, read_ycb_models
from perception_kit.short_text import counted
from perception_kit.types import Intrinsics

META = "-meta.mat"


def ycb_video_splits(folder: Path) -> list[str]:
    """Splits that ``image_sets`` lists."""
    return sorted(path.stem for path in folder.glob("image_sets/*.txt"))


def find_frames(folder: Path) -> list[Path]:
    """The meta.mat files of a folder, ascending.

    The folder is a data set (with ``data/NNNN``), a folder of scenes, or one scene.
    """
    for pattern in (f"data/*/*{META}", f"*/*{META}", f"*{META}"):
        found = sorted(folder.glob(pattern))
        if found:
            return found
    return []


class YcbVideoDataset(FrameDataset):
    """Frames that ``image_sets/SPLIT.txt`` lists.

    Without ``image_sets``, they are all frames, whatever the split. ``folder`` is the data set, or
    one scene of it. ``models`` is the folder of models, which is otherwise looked for in
    ``folder``, beside it and beside its parents. Raises DatasetError where there are no frames or
    models.
    """

    states_visibility = False

    def __init__(
        self,
        folder: str | Path,
        split: str = "train",
        models: str | Path | None = None,
        mesh_unit: MeshUnit = "auto",
    ) -> None:
        super().__init__(folder)
        self._mesh_unit = mesh_unit
        if (self.folder / "image_sets").is_dir():
            self._metas = self._listed_frames(split)
        else:
            self._metas = find_frames(self.folder)
            self._note_unlisted()
        if not self._metas:
            raise DatasetError(
                f"'{self.folder}' holds no NNNNNN-meta.mat files:"
                " give a folder of the YCB-Video data set, such as data/0000"
            )
        self._class_folders = class_folders(self.folder, models)

    def __len__(self) -> int:
        return len(self._metas)

    @cached_property
    def models(self) -> dict[int, ObjectModel]:
        """Object classes by number."""
        models = read_ycb_models(self._class_folders, self._mesh_unit)
        # Metres are the unit of this layout.
        notes = [note for model in models.values() for note in model.notes]
        self.notes += [note for note in notes if "(unit m," not in note]
        return models

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names of the classes by number; the meshes are not read."""
        return {number: folder.name for number, folder in enumerate(self._class_folders, start=1)}

    def name(self, index: int) -> str:
        """Scene and number of a frame."""
        meta = self._metas[index]
        return f"{meta.parent.name}/{meta.name.removesuffix(META)}"

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image."""
        return read_color(self._file(index, "color.png"))

    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""
        factor = positive(self._meta(index), "factor_depth", self._metas[index])
        return read_depth(self._file(index, "depth.png"), 1 / factor)

    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """Camera of a frame whose images are ``height`` x ``width``."""
        return read_intrinsics(
            self._meta(index), height, width, self._metas[index], "intrinsic_matrix"
        )

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 visible-instance labels: 0 background, k for instance k - 1."""
        classes = self._class_labels(index)
        labels = np.zeros(classes.shape, np.uint8)
        for number, class_id in enumerate(self._class_ids(index), start=1):
            labels[classes == class_id] = number
        return labels

    def instances(self, index: int) -> list[GroundTruthInstance]:
        """Poses of the frame's instances, in the order of ``labels``.

        An instance without visible pixels has ``visible_fraction`` 0.
        """
        class_ids = self._class_ids(index)
        visible_ids = set(np.unique(self._class_labels(index)))

        # The file of a single pose may lack the last axis.
        path = self._metas[index]
        poses = required(self._meta(index), "poses", path)
        poses = poses.reshape(*poses.shape[:2], -1)
        if poses.shape != (3, 4, len(class_ids)) or not np.isfinite(poses).all():
            raise DatasetError(
                f"'{path}' has poses of shape {poses.shape} for {len(class_ids)} classes,"
                " or they are not finite"
            )

        instances = []
        for k, class_id in enumerate(class_ids):
            rotation, translation = poses[:, :3, k].astype(float), poses[:, 3, k].astype(float)
            visible_fraction = float(class_id in visible_ids)
            instance = GroundTruthInstance(class_id, rotation, translation, visible_fraction)
            instances.append(checked_instance(instance, path))
        return instances

    def _class_ids(self, index: int) -> list[int]:
        path = self._metas[index]
        class_ids = required(self._meta(index), "cls_indexes", path).reshape(-1).tolist()
        for class_id in class_ids:
            if class_id not in self.class_names:
                raise DatasetError(
                    f"'{path}' names class {class_id},"
                    f" but there are {len(self._class_folders)} model folders"
                )
        return [int(class_id) for class_id in class_ids]

    def _class_labels(self, index: int) -> np.ndarray:
        return read_image(self._file(index, "label.png"), cv2.IMREAD_UNCHANGED)

    def _meta(self, index: int) -> dict[str, Any]:
        path = self._metas[index]
        try:
            return read_mat(path)
        except (OSError, MatFileError) as error:
            raise DatasetError(f"'{path}' is missing or not a MATLAB file ({error})") from error

    def _file(self, index: int, ending: str) -> Path:
        meta = self._metas[index]
        return meta.with_name(meta.name.replace("meta.mat", ending))

    def _listed_frames(self, split: str) -> list[Path]:
        """The meta.mat files of the frames that a split lists.

        A line "0000/000001" is below ``data``; one with "data/" or "data_syn/" before it is below
        the folder itself.
        """
        path = self.folder / "image_sets" / f"{split}.txt"
        if not path.is_file():
            splits = ", ".join(ycb_video_splits(self.folder))
            raise DatasetError(f"'{path}' does not exist; '{self.folder}' has the splits {splits}")

        metas = []
        for line in filter(None, map(str.strip, path.read_text().splitlines())):
            candidates = [root / f"{line}{META}" for root in (self.folder / "data", self.folder)]
            metas.append(next((meta for meta in candidates if meta.is_file()), candidates[0]))
        return metas

    def _note_unlisted(self) -> None:
        """Notes that no list selects the frames, and how many images have no annotation."""
        self.notes.append(
            f"'{self.folder}' has no image_sets folder: the split has all its"
            f" {counted(len(self._metas), 'frame')}"
        )
        scenes = {meta.parent for meta in self._metas}
        images = sum(len(list(scene.glob("*-color.png"))) for scene in scenes)
        if images > len(self._metas):
            self.notes.append(
                f"{images - len(self._metas)} colour images in '{self.folder}' have no {META[1:]}"
                " and are left out"
            )
