# SPDX-License-Identifier: Apache-2.0
"""What every dataset of annotated RGB-D frames gives, whatever its layout on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.geometry import is_rotation
from perception_kit.types import Instance, Intrinsics

NEAREST, FARTHEST = (
    0.01,
    100.0,
    # metres from the camera to an object; in a mistaken unit it is a thousandth or a thousand times
    # that
)
ALIGN = "they must be aligned"
MAX_INSTANCES = 255  # in a frame: what uint8 labels can tell apart


@dataclass
class TrueInstance:
    """Pose of one object in one frame: model to camera, metres.

    ``visible_fraction`` 0 to 1 of its silhouette is not occluded.
    """

    class_id: int
    rotation: np.ndarray
    translation: np.ndarray
    visible_fraction: float


def true_instance(
    class_id: int,
    rotation: np.ndarray,
    translation: np.ndarray,
    visible_fraction: float,
    path: Path,
    has_pose: bool = True,
) -> TrueInstance:
    """The instance that the file ``path`` states, metres.

    Raises DatasetError where ``rotation`` (3, 3) is none, or the camera so near or far that
    ``translation`` (3,) is in another unit. An instance that nobody sees may have no pose, and one
    of an articulated object has none (not ``has_pose``).
    """
    if visible_fraction <= 0 or not has_pose:
        return TrueInstance(class_id, rotation, translation, visible_fraction)
    if not is_rotation(rotation):
        raise DatasetError(
            f"'{path}': the pose of an object {class_id} has {np.round(rotation, 3).tolist()} for a"
            " rotation matrix"
        )
    distance = np.linalg.norm(translation)
    if not NEAREST <= distance <= FARTHEST:
        raise DatasetError(
            f"'{path}': an object {class_id} is {distance:.4g} m away from the camera, expected"
            f" {NEAREST} to {FARTHEST} m: are its translations in the unit of this layout"
            " (millimetres in BOP and LineMOD, metres in YCB-Video)?"
        )
    return TrueInstance(class_id, rotation, translation, visible_fraction)


@dataclass
class Frame:
    """One annotated RGB-D frame.

    ``rgb`` (H, W, 3) uint8; ``depth`` (H, W) float32 metres, 0 unknown; ``labels`` (H, W) uint8
    with 0 for the background and k for ``instances[k - 1]`` (visible pixels only).
    """

    rgb: np.ndarray
    depth: np.ndarray
    intrinsics: Intrinsics
    labels: np.ndarray
    instances: list[TrueInstance]


class FrameDataset(ABC):
    """Annotated frames, read from disk when asked for.

    Every method raises DatasetError where a file is missing or does not fit.

    ``states_visibility``: whether the layout says how much of an instance is visible; else
    ``visible_fraction`` is 1 for each instance that has visible pixels. ``notes`` are for the user:
    what was recognised or decided while reading.
    """

    states_visibility: bool

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.notes: list[str] = []

    @abstractmethod
    def __len__(self) -> int:
        """Number of frames."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Scene and number of a frame, such as "000002/000017"."""

    @abstractmethod
    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image."""

    @abstractmethod
    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""

    @abstractmethod
    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """Camera of a frame whose images are ``height`` x ``width``."""

    @abstractmethod
    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 visible-instance labels: 0 background, k for instance k - 1."""

    @abstractmethod
    def instances(self, index: int) -> list[TrueInstance]:
        """Poses of the frame's instances, in the order of ``labels``; all are of classes in
        ``class_names``.
        """

    @property
    @abstractmethod
    def models(self) -> dict[int, ObjectModel]:
        """Object classes by class id, ascending."""

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names of the classes by class id, ascending."""
        return {class_id: model.name for class_id, model in self.models.items()}

    def annotated_classes(self, index: int) -> set[str]:
        """Names of the classes all of whose instances in the frame are annotated."""
        return set(self.class_names.values())

    def __getitem__(self, index: int) -> Frame:
        rgb, labels = self.color_and_labels(index)
        depth = self.depth(index)
        if depth.shape != labels.shape:
            raise DatasetError(
                f"frame {self.name(index)} of '{self.folder}': colour is {labels.shape}, but depth"
                f" is {depth.shape}; {ALIGN}"
            )
        return Frame(
            rgb, depth, self.intrinsics(index, *depth.shape), labels, self.instances(index)
        )

    def color_and_labels(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """``rgb`` and ``labels`` of a frame: what a segmentation by colour needs."""
        rgb, labels = self.rgb(index), self.labels(index)
        if labels.shape != rgb.shape[:2]:
            raise DatasetError(
                f"frame {self.name(index)} of '{self.folder}': colour is {rgb.shape[:2]}, but its"
                f" masks are {labels.shape}; {ALIGN}"
            )
        return rgb, labels


def cut_instance(class_id: int, class_name: str, score: float, mask: np.ndarray) -> Instance | None:
    """The instance whose pixels are true in the (H, W) bool ``mask``; None where no pixel is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    top, bottom, left, right = (
        int(rows[0]),
        int(rows[-1]) + 1,
        int(columns[0]),
        int(columns[-1]) + 1,
    )
    box = np.array([left, top, right, bottom], np.float32)
    return Instance(class_id, class_name, score, box, mask[top:bottom, left:right], (left, top))


def visible_instances(
    labels: np.ndarray, instances: Sequence[TrueInstance], class_names: Mapping[int, str]
) -> list[tuple[Instance, TrueInstance]]:
    """Each true instance that has visible pixels in ``labels`` (see ``Frame``), cut out, its score
    being its visible fraction.
    """
    seen = []
    for value, ground_truth in enumerate(instances, start=1):
        instance = cut_instance(
            ground_truth.class_id,
            class_names[ground_truth.class_id],
            ground_truth.visible_fraction,
            labels == value,
        )
        if instance is not None:
            seen.append((instance, ground_truth))
    return seen
