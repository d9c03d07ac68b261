# SPDX-License-Identifier: Apache-2.0
"""Some classes of a dataset, by name; objects of the others become background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset, GroundTruthInstance
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.types import Intrinsics


class ChosenClasses(FrameDataset):
    """The frames of ``dataset`` with the instances of the classes called ``names`` alone.

    Class ids stay, or become those of ``ids`` by name, which may name classes that ``dataset`` does
    not have. Raises DatasetError for other classes that it does not have.
    """

    def __init__(
        self, dataset: FrameDataset, names: Sequence[str], ids: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(dataset.folder)
        known = dataset.class_names
        if unknown := sorted(set(names) - {*known.values(), *(ids or ())}):
            raise DatasetError(
                f"'{dataset.folder}' has no class {', '.join(unknown)}: its classes are"
                f" {', '.join(known.values())}"
            )

        self.states_visibility, self.has_depth = dataset.states_visibility, dataset.has_depth
        self.notes = dataset.notes
        self._dataset = dataset
        new_id = ids or {name: class_id for class_id, name in known.items() if name in names}
        self._names = {class_id: name for name, class_id in new_id.items()}
        self._new_id = {old: new_id[name] for old, name in known.items() if name in new_id}

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def models(self) -> dict[int, ObjectModel]:
        """Object classes by class id, ascending."""
        models = self._dataset.models.items()
        return {self._new_id[old]: model for old, model in models if old in self._new_id}

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names of the chosen classes by class id, ascending."""
        return dict(sorted(self._names.items()))

    def annotated_classes(self, index: int) -> set[str]:
        """Names of the classes all of whose instances in the frame are annotated."""
        return self._dataset.annotated_classes(index) & {*self._names.values()}

    def name(self, index: int) -> str:
        """Scene and number of a frame."""
        return self._dataset.name(index)

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image."""
        return self._dataset.rgb(index)

    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""
        return self._dataset.depth(index)

    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """Camera of a frame whose images are ``height`` x ``width``."""
        return self._dataset.intrinsics(index, height, width)

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 visible-instance labels: 0 background, k for instance k - 1."""
        label_of = np.zeros(256, np.uint8)
        chosen = [self._is_chosen(instance) for instance in self._dataset.instances(index)]
        label_of[1 : len(chosen) + 1] = np.cumsum(chosen) * chosen
        return label_of[self._dataset.labels(index)]

    def instances(self, index: int) -> list[GroundTruthInstance]:
        """Poses of the chosen instances, in the order of ``labels``."""
        return [
            replace(entry, class_id=self._new_id[entry.class_id])
            for entry in self._dataset.instances(index)
            if self._is_chosen(entry)
        ]

    def _is_chosen(self, instance: GroundTruthInstance) -> bool:
        return instance.class_id in self._new_id
