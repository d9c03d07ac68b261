# SPDX-License-Identifier: Apache-2.0
"""Several folders of annotated frames as one dataset."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np

from perception_kit.datasets.chosen_classes import ChosenClasses
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import AnnotatedFrame, FrameDataset, GroundTruthInstance
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.opener import TRAINING_SPLITS, open_dataset
from perception_kit.types import Intrinsics


class JoinedDataset(FrameDataset):
    """The frames of ``datasets``, one dataset after another, with the models of the first.

    Raises DatasetError where the datasets do not have the same classes under the same ids.
    """

    def __init__(self, datasets: Sequence[FrameDataset]) -> None:
        super().__init__(datasets[0].folder)
        for dataset in datasets:
            if dataset.class_names != datasets[0].class_names:
                raise DatasetError(
                    f"'{dataset.folder}' has the classes {dataset.class_names},"
                    f" but '{self.folder}' has {datasets[0].class_names}:"
                    " folders that are used together need the same classes under the same ids, or"
                    " --classes, which goes by names"
                )

        self.states_visibility = all(dataset.states_visibility for dataset in datasets)
        self.has_depth = all(dataset.has_depth for dataset in datasets)
        self.notes = [f"{dataset.folder}: {note}" for dataset in datasets for note in dataset.notes]
        self._datasets = datasets
        self._ends = list(accumulate(len(dataset) for dataset in datasets))

    def _locate(self, index: int) -> tuple[FrameDataset, int]:
        """The dataset that holds a frame, and the frame's index there."""
        number = bisect_right(self._ends, index)
        if index < 0 or number == len(self._datasets):
            raise IndexError(f"frame {index} of {len(self)}")
        dataset = self._datasets[number]
        return dataset, index - self._ends[number] + len(dataset)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> AnnotatedFrame:
        dataset, local = self._locate(index)
        return dataset[local]

    @property
    def models(self) -> dict[int, ObjectModel]:
        """Object classes by class id, ascending."""
        return self._datasets[0].models

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names of the classes by class id, ascending."""
        return self._datasets[0].class_names

    def annotated_classes(self, index: int) -> set[str]:
        """Names of the classes all of whose instances in the frame are annotated."""
        dataset, local = self._locate(index)
        return dataset.annotated_classes(local)

    def name(self, index: int) -> str:
        """Folder, scene and number of a frame."""
        dataset, local = self._locate(index)
        return f"{dataset.folder.name}/{dataset.name(local)}"

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image."""
        dataset, local = self._locate(index)
        return dataset.rgb(local)

    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""
        dataset, local = self._locate(index)
        return dataset.depth(local)

    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """Camera of a frame whose images are ``height`` x ``width``."""
        dataset, local = self._locate(index)
        return dataset.intrinsics(local, height, width)

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 visible-instance labels: 0 background, k for instance k - 1."""
        dataset, local = self._locate(index)
        return dataset.labels(local)

    def instances(self, index: int) -> list[GroundTruthInstance]:
        """Poses of the frame's instances, in the order of ``labels``."""
        dataset, local = self._locate(index)
        return dataset.instances(local)


def open_datasets(
    folders: Sequence[str | Path],
    splits: Sequence[str] = (),
    classes: Sequence[str] = (),
    mesh_unit: MeshUnit = "auto",
) -> FrameDataset:
    """The ``splits`` of every folder as one dataset of ``classes``: of all, where none are named.

    Without ``splits``, it is the one for training. Meshes are in ``mesh_unit``. Raises
    DatasetError.
    """
    datasets = [
        open_dataset(folder, split, TRAINING_SPLITS, mesh_unit)
        for folder in folders
        for split in splits or (None,)
    ]
    has_same_ids = all(dataset.class_names == datasets[0].class_names for dataset in datasets)
    if classes and not has_same_ids:
        return JoinedDataset(_same_ids(datasets, classes))
    joined = datasets[0] if len(datasets) == 1 else JoinedDataset(datasets)
    return ChosenClasses(joined, classes) if classes else joined


def with_background(
    dataset: FrameDataset, folders: Sequence[str | Path], mesh_unit: MeshUnit = "auto"
) -> FrameDataset:
    """``dataset`` followed by the training frames of ``folders``, which show none of its classes.

    Raises DatasetError, also where a folder knows one of the classes.
    """
    ids = {name: class_id for class_id, name in dataset.class_names.items()}
    datasets = [dataset]
    for folder in folders:
        background = open_dataset(folder, None, TRAINING_SPLITS, mesh_unit)
        if trained := sorted(ids.keys() & set(background.class_names.values())):
            raise DatasetError(
                f"the background '{folder}' has the classes {', '.join(trained)}, which are"
                " trained: give it as data"
            )
        datasets.append(ChosenClasses(background, list(ids), ids))
    return JoinedDataset(datasets) if folders else dataset


def _same_ids(datasets: Sequence[FrameDataset], classes: Sequence[str]) -> list[FrameDataset]:
    """The ``classes`` of datasets that number them differently, or have some of them only.

    They are numbered as they are named. Raises DatasetError for a class that none has, and for a
    dataset that has none.
    """
    known = {name for dataset in datasets for name in dataset.class_names.values()}
    if unknown := sorted(set(classes) - known):
        raise DatasetError(
            f"no dataset has a class {', '.join(unknown)}: there are {sorted(known)}"
        )
    for dataset in datasets:
        if not set(classes) & set(dataset.class_names.values()):
            raise DatasetError(
                f"'{dataset.folder}' has none of the classes {', '.join(classes)}: its classes are"
                f" {', '.join(dataset.class_names.values())}"
            )
    ids = {name: number for number, name in enumerate(classes, start=1)}
    return [ChosenClasses(dataset, classes, ids) for dataset in datasets]
