# SPDX-License-Identifier: Apache-2.0
"""Interface of datasets of annotated RGB-D frames, independent of their layout on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.geometry import rotation_fault
from perception_kit.short_text import counted
from perception_kit.types import Instance, Intrinsics

# Metres from the camera to an object. A translation in a mistaken unit is 1000 times more or less.
NEAREST, FARTHEST = 0.01, 100.0

# Instances per frame that uint8 labels can tell apart.
MAX_INSTANCES = 255


@dataclass
class GroundTruthInstance:
    """Pose of one object in one frame: model to camera, metres.

    ``rotation`` (3, 3); ``translation`` (3,); ``visible_fraction`` 0 to 1 of its silhouette is not
    occluded; ``scale`` (3,) factors by which it is larger along the axes of its class's model.
    """

    class_id: int
    rotation: np.ndarray
    translation: np.ndarray
    visible_fraction: float
    scale: np.ndarray = field(default_factory=lambda: np.ones(3))


def checked_instance(
    instance: GroundTruthInstance, path: Path, has_pose: bool = True
) -> GroundTruthInstance:
    """``instance`` as read from the file ``path``, once its pose is plausible.

    Raises DatasetError where its rotation is not a rotation matrix, or its distance from the camera
    only makes sense in another unit. The pose of an invisible instance is not checked, nor that of
    an articulated object (``has_pose`` is False).
    """
    if instance.visible_fraction <= 0 or not has_pose:
        return instance

    if fault := rotation_fault(instance.rotation):
        raise DatasetError(
            f"'{path}': the pose of an object {instance.class_id} has"
            f" {np.round(instance.rotation, 3).tolist()} for a rotation matrix, which is {fault};"
            " expected a rotation alone, row by row, with at least 4 digits"
        )

    distance = np.linalg.norm(instance.translation)
    if not NEAREST <= distance <= FARTHEST:
        raise DatasetError(
            f"'{path}': an object {instance.class_id} is {distance:.4g} m away from the camera,"
            f" expected {NEAREST} to {FARTHEST} m: are its translations in the unit of this layout"
            " (millimetres in BOP and LineMOD, metres in YCB-Video)?"
        )
    return instance


@dataclass
class AnnotatedFrame:
    """One annotated RGB-D frame.

    ``rgb`` (H, W, 3) uint8; ``depth`` (H, W) float32 metres, 0 unknown; ``labels`` (H, W) uint8
    with 0 for the background and k for ``instances[k - 1]`` (visible pixels only).
    """

    rgb: np.ndarray
    depth: np.ndarray
    intrinsics: Intrinsics
    labels: np.ndarray
    instances: list[GroundTruthInstance]


class FrameDataset(ABC):
    """Annotated frames, read from disk on access.

    Every method raises DatasetError where a file is missing or inconsistent.

    ``states_visibility``: whether the layout says how much of an instance is visible; otherwise
    ``visible_fraction`` is 1 for each instance with visible pixels. ``has_depth``: whether there
    are depth images; otherwise the depth of frames is 0, unknown. ``notes``: what was recognised or
    decided while reading, for the user.
    """

    states_visibility: bool
    has_depth: bool = True

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.notes: list[str] = []

    @abstractmethod
    def __len__(self) -> int:
        """Number of frames."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Scene and number of a frame, such as "000002/000017"."""

    def scene(self, index: int) -> str:
        """The scene of a frame, such as "000002"."""
        return self.name(index).rpartition("/")[0]

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
    def instances(self, index: int) -> list[GroundTruthInstance]:
        """Poses of the frame's instances, in the order of ``labels``, of known classes only."""

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

    def shows_none(self, class_name: str, index: int) -> bool:
        """Whether the frame has no instance of a class, all of whose instances are annotated."""
        names = {self.class_names[instance.class_id] for instance in self.instances(index)}
        return class_name in self.annotated_classes(index) and class_name not in names

    def __getitem__(self, index: int) -> AnnotatedFrame:
        rgb, labels = self.color_and_labels(index)
        depth = self.depth(index) if self.has_depth else np.zeros(labels.shape, np.float32)
        if depth.shape != labels.shape:
            raise DatasetError(
                f"frame {self.name(index)} of '{self.folder}': colour is {labels.shape},"
                f" but depth is {depth.shape}; they must be aligned"
            )
        intrinsics = self.intrinsics(index, *depth.shape)
        return AnnotatedFrame(rgb, depth, intrinsics, labels, self.instances(index))

    def color_and_labels(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """``rgb`` and ``labels`` of a frame: the input and target of a color segmentation."""
        rgb, labels = self.rgb(index), self.labels(index)
        if labels.shape != rgb.shape[:2]:
            raise DatasetError(
                f"frame {self.name(index)} of '{self.folder}': colour is {rgb.shape[:2]},"
                f" but its masks are {labels.shape}; they must be aligned"
            )
        return rgb, labels


def empty_masks(frame: AnnotatedFrame, class_names: Mapping[int, str]) -> list[str]:
    """Classes of the instances that are visible as annotated, but have no pixel in the labels."""
    seen = set(np.unique(frame.labels).tolist())
    return [
        class_names[instance.class_id]
        for label, instance in enumerate(frame.instances, start=1)
        if instance.visible_fraction > 0 and label not in seen
    ]


def empty_mask_notes(places: Sequence[str]) -> list[str]:
    """What is left out where the instances at ``places`` have ``empty_masks``."""
    if not places:
        return []
    count = counted(len(places), "instance")
    return [f"{count} annotated as visible, but with an empty mask: left out (first: {places[0]})"]


def instance_from_mask(
    class_id: int, class_name: str, score: float, mask: np.ndarray
) -> Instance | None:
    """The instance whose pixels are true in the (H, W) bool ``mask``; None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None

    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    box = np.array([left, top, right, bottom], np.float32)
    return Instance(class_id, class_name, score, box, mask[top:bottom, left:right], (left, top))


def visible_instances(
    labels: np.ndarray, instances: Sequence[GroundTruthInstance], class_names: Mapping[int, str]
) -> list[tuple[Instance, GroundTruthInstance]]:
    """Mask, box and pose of each ground-truth instance with visible pixels in ``labels``.

    ``labels`` and ``instances`` are those of an ``AnnotatedFrame``. The score of a returned
    instance is its visible fraction.
    """
    visible = []
    for value, ground_truth in enumerate(instances, start=1):
        class_id, score = ground_truth.class_id, ground_truth.visible_fraction
        instance = instance_from_mask(class_id, class_names[class_id], score, labels == value)
        if instance is not None:
            visible.append((instance, ground_truth))
    return visible
