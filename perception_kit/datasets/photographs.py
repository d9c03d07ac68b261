# SPDX-License-Identifier: Apache-2.0
"""Photographs with outlined instances: what the color datasets of COCO and YOLO have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError, read_color
from perception_kit.datasets.frame import MAX_INSTANCES, FrameDataset, GroundTruthInstance
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.types import Intrinsics

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class OutlinedInstance:
    """One instance in a photograph: its class and its (H, W) bool ``mask``.

    A crowd is several instances in one mask: neither to learn from nor to be counted.
    """

    class_id: int
    mask: np.ndarray
    is_crowd: bool = False


class PhotographDataset(FrameDataset):
    """Photographs without depth, camera and poses; only instances are annotated.

    ``names`` are the classes by id. Poses of the ground truth are the identity and mean nothing.
    """

    states_visibility = False
    has_depth = False

    def __init__(
        self, folder: str | Path, pictures: Sequence[Path], names: Mapping[int, str]
    ) -> None:
        super().__init__(folder)
        self._pictures = pictures
        self._names = dict(sorted(names.items()))
        self._ordered = lru_cache(maxsize=4)(self._read_ordered)

    @abstractmethod
    def outlined(self, index: int, height: int, width: int) -> list[OutlinedInstance]:
        """The annotated instances of a photograph of ``height`` x ``width`` pixels."""

    def __len__(self) -> int:
        return len(self._pictures)

    @property
    def models(self) -> dict[int, ObjectModel]:
        """None: categories have no mesh."""
        return {}

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names of the classes by class id, ascending."""
        return self._names

    def name(self, index: int) -> str:
        """The picture, below the dataset's folder and without its ending."""
        return self._pictures[index].relative_to(self.folder).with_suffix("").as_posix()

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 color image."""
        return read_color(self._pictures[index])

    def depth(self, index: int) -> np.ndarray:
        """There is none. Raises DatasetError."""
        raise DatasetError(f"the photographs of '{self.folder}' have no depth")

    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """They are unknown. Raises DatasetError."""
        raise DatasetError(f"the cameras of the photographs of '{self.folder}' are unknown")

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 labels: 0 background, k for instance k - 1; smaller ones lie on top."""
        height, width = self.rgb(index).shape[:2]
        labels = np.zeros((height, width), np.uint8)
        for number, instance in enumerate(self._ordered(index), start=1):
            labels[instance.mask] = number
        return labels

    def instances(self, index: int) -> list[GroundTruthInstance]:
        """The class of each instance; a crowd counts as invisible."""
        return [
            GroundTruthInstance(
                instance.class_id, np.eye(3), np.zeros(3), 0.0 if instance.is_crowd else 1.0
            )
            for instance in self._ordered(index)
        ]

    def _read_ordered(self, index: int) -> list[OutlinedInstance]:
        """Crowds first, then by area: the cup in front of a person is not lost in the person."""
        found = self.outlined(index, *self.rgb(index).shape[:2])
        found.sort(key=lambda instance: (not instance.is_crowd, -instance.mask.sum()))
        if len(found) > MAX_INSTANCES:
            self.notes.append(f"{self.name(index)}: the {MAX_INSTANCES} largest of {len(found)}")
        return found[:MAX_INSTANCES]
