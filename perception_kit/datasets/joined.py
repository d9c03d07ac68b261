# SPDX-License-Identifier: Apache-2.0
"""Several folders of annotated frames as one dataset."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import Frame, FrameDataset, TrueInstance
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.opener import open_dataset
from perception_kit.types import Intrinsics

DATA_HELP = (
    "dataset to train on: a BOP, preprocessed LineMOD or YCB-Video folder; may be given several"
    " times"
)


class JoinedDataset(FrameDataset):
    """The frames of ``parts``, one part after another; the models are the first part's.

    Raises DatasetError where the parts do not have the same classes under the same ids.
    """

    def __init__(self, parts: Sequence[FrameDataset]) -> None:
        super().__init__(parts[0].folder)
        for part in parts:
            if part.class_names != parts[0].class_names:
                raise DatasetError(
                    f"'{part.folder}' has the classes {part.class_names}, but '{self.folder}' has"
                    f" {parts[0].class_names}: folders that are used together need the same classes"
                    " under the same ids"
                )
        self.states_visibility = all(part.states_visibility for part in parts)
        self.notes = [f"{part.folder}: {note}" for part in parts for note in part.notes]
        self._parts = parts
        self._ends = list(accumulate(len(part) for part in parts))

    def _locate(self, index: int) -> tuple[FrameDataset, int]:
        number = bisect_right(self._ends, index)
        if index < 0 or number == len(self._parts):
            raise IndexError(f"frame {index} of {len(self)}")
        return self._parts[number], index - self._ends[number] + len(self._parts[number])

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Frame:
        part, own = self._locate(index)
        return part[own]

    @property
    def models(self) -> dict[int, ObjectModel]:
        """Object classes by class id, ascending."""
        return self._parts[0].models

    def annotated_classes(self, index: int) -> set[str]:
        """Names of the classes all of whose instances in the frame are annotated."""
        part, own = self._locate(index)
        return part.annotated_classes(own)

    def name(self, index: int) -> str:
        """Folder, scene and number of a frame."""
        part, own = self._locate(index)
        return f"{part.folder.name}/{part.name(own)}"

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image."""
        part, own = self._locate(index)
        return part.rgb(own)

    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""
        part, own = self._locate(index)
        return part.depth(own)

    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """Camera of a frame whose images are ``height`` x ``width``."""
        part, own = self._locate(index)
        return part.intrinsics(own, height, width)

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 visible-instance labels: 0 background, k for instance k - 1."""
        part, own = self._locate(index)
        return part.labels(own)

    def instances(self, index: int) -> list[TrueInstance]:
        """Poses of the frame's instances, in the order of ``labels``."""
        part, own = self._locate(index)
        return part.instances(own)


def open_datasets(folders: Sequence[str | Path], split: str | None = None) -> FrameDataset:
    """One split of every folder (see ``open_dataset``) as one dataset. Raises DatasetError."""
    parts = [open_dataset(folder, split) for folder in folders]
    return parts[0] if len(parts) == 1 else JoinedDataset(parts)
