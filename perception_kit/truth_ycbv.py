# SPDX-License-Identifier: Apache-2.0
"""Ground truth from a folder of the YCB-Video data set (Xiang et al., PoseCNN, RSS 2018), joined with a bag's frames by order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.io import loadmat

from perception_kit.truth import FrameKey, FrameTruth, TruthError
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState


class YcbVideoTruth:
    """The frames ``NNNNNN-label.png`` (class numbers from 1) and ``NNNNNN-meta.mat`` (poses in metres) of ``folder``.

    Class numbers are those of the sub-folders of ``models`` in alphabetic order; without ``models``, the folder of this name beside
    ``folder`` or beside one of its parents. A class occurs once in a video, so its number is its identity. The visible fraction is not
    known and is given as 1. Raises TruthError, also unless there are as many frames as ``frame_count``, those of the recording.
    """

    def __init__(self, folder: str | Path, frame_count: int, models: str | Path | None = None) -> None:
        self.folder = Path(folder)
        self._metas = sorted(self.folder.glob("*-meta.mat"))
        if not self._metas:
            raise TruthError(f"'{self.folder}' holds no NNNNNN-meta.mat files: give a folder of the YCB-Video data set, such as data/0000")
        if len(self._metas) != frame_count:
            raise TruthError(
                f"'{self.folder}' has {len(self._metas)} frames, the recording {frame_count}: they are joined by order, "
                "so give the folder that the bag was made from"
            )
        self.class_names = _class_names(self.folder, models)

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameTruth]:
        """Truth of each frame, joined by number. Raises TruthError for a file that is missing or does not fit."""
        for key in keys:
            yield self._frame(self._metas[key.number])

    def _frame(self, meta_path: Path) -> FrameTruth:
        label_path = meta_path.with_name(meta_path.name.replace("-meta.mat", "-label.png"))
        labels = cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED)
        if labels is None:
            raise TruthError(f"'{label_path}' is missing or not an image, but '{meta_path.name}' exists")
        meta = loadmat(meta_path)
        truth = FrameTruth(instances=[], poses=[], tracks=[])
        for k, class_id in enumerate(meta["cls_indexes"].reshape(-1).astype(int)):
            if not 1 <= class_id <= len(self.class_names):
                raise TruthError(f"'{meta_path}' names class {class_id}, but there are {len(self.class_names)} model folders")
            instance = _instance(labels, int(class_id), self.class_names[class_id - 1])
            if instance is not None:
                _add(truth, instance, meta["poses"][:, :, k])
        return truth


def _instance(labels: np.ndarray, class_id: int, class_name: str) -> Instance | None:
    """The instance with this label; None where no pixel is visible."""
    rows, columns = np.nonzero(labels == class_id)
    if rows.size == 0:
        return None
    left, top, right, bottom = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    box = np.array([left, top, right, bottom], np.float32)
    return Instance(class_id, class_name, 1.0, box, labels[top:bottom, left:right] == class_id, (left, top))


def _add(truth: FrameTruth, instance: Instance, pose: np.ndarray) -> None:
    """Append an instance with its (3, 4) pose and its identity."""
    index, class_id, name = len(truth.instances), instance.class_id, instance.class_name
    truth.instances.append(instance)
    truth.poses.append(PoseEstimate(index, class_id, name, pose[:, :3], pose[:, 3], 1.0, np.zeros(3)))
    truth.tracks.append(
        TrackEstimate(
            id=class_id,
            class_id=class_id,
            class_name=name,
            state=TrackState.CONFIRMED,
            score=1.0,
            age=1,
            hits=1,
            time_since_update=0.0,
            detection_index=index,
            box=instance.box,
            box_velocity=np.zeros(4, np.float32),
        )
    )


def _class_names(folder: Path, models: str | Path | None) -> list[str]:
    candidates = [Path(models)] if models is not None else [parent / "models" for parent in folder.resolve().parents[:4]]
    for candidate in candidates:
        names = sorted(item.name for item in candidate.iterdir() if item.is_dir()) if candidate.is_dir() else []
        if names:
            return names
    looked = ", ".join(f"'{candidate}'" for candidate in candidates)
    raise TruthError(f"no folder of models with one sub-folder per class in {looked}: class numbers cannot be named")
