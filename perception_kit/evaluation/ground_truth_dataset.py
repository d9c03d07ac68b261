# SPDX-License-Identifier: Apache-2.0
"""Ground truth from a folder of annotated frames (BOP, preprocessed LineMOD, YCB-Video), joined
with a bag's frames by stamp or order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from perception_kit.datasets.bop import BopDataset
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset, TrueInstance, visible_instances
from perception_kit.datasets.opener import open_dataset
from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey, GroundTruthError
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState

_FIRST_STAMP = (
    10**15
)  # frame numbers from here on are stamps in nanoseconds; smaller ones count the frames
_CLASSES = 100_000  # more than any data set has


class DatasetGroundTruth:
    """The frames of ``folder``: a data set, or one scene of a BOP data set (``ROOT/SPLIT/NNNNNN``).

    Frames whose numbers are stamps in nanoseconds are joined by stamp (one that is not there is
    unknown), others by order. The k-th instance of a class is the same one in every frame, as in
    videos of these data sets; the first has the class number as its identity. Raises TruthError;
    also where frames are joined by order and there are not as many as ``frame_count``, those of the
    recording.
    """

    def __init__(self, folder: Path, frame_count: int) -> None:
        try:
            self._dataset, frames = _open(folder)
        except DatasetError as error:
            raise GroundTruthError(str(error)) from error
        numbers = [int(self._dataset.name(index).rpartition("/")[2]) for index in frames]
        self._by_stamp = min(numbers, default=0) >= _FIRST_STAMP
        self._index_of = dict(
            zip(numbers if self._by_stamp else range(len(frames)), frames, strict=True)
        )
        if not self._by_stamp and len(frames) != frame_count:
            raise GroundTruthError(
                f"'{folder}' has {len(frames)} frames, the recording {frame_count}: they are joined"
                " by order, so give the folder that the bag was made from, or name its frames by"
                " their stamps in nanoseconds"
            )

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameGroundTruth]:
        """Truth of each frame. Raises TruthError for a file that is missing or does not fit."""
        for key in keys:
            index = self._index_of.get(key.stamp_ns if self._by_stamp else key.number)
            try:
                yield FrameGroundTruth() if index is None else self._frame(index)
            except DatasetError as error:
                raise GroundTruthError(str(error)) from error

    def _frame(self, index: int) -> FrameGroundTruth:
        labels, instances = self._dataset.labels(index), self._dataset.instances(index)
        identities = _identities(instances)
        ground_truth = FrameGroundTruth(instances=[], poses=[], tracks=[])
        for instance, pose in visible_instances(labels, instances, self._dataset.class_names):
            _add(ground_truth, instance, pose, identities[id(pose)])
        return ground_truth


def _open(folder: Path) -> tuple[FrameDataset, list[int]]:
    """The data set and the indices of the frames that belong to ``folder``."""
    if not (folder / "scene_gt.json").is_file():
        dataset = open_dataset(folder)
        return dataset, list(range(len(dataset)))
    scene = folder.absolute()
    dataset = BopDataset(scene.parents[1], scene.parent.name)
    return dataset, [
        index for index in range(len(dataset)) if dataset.name(index).startswith(f"{scene.name}/")
    ]


def _identities(instances: Sequence[TrueInstance]) -> dict[int, int]:
    """Identity of each instance, by its ``id()``."""
    seen: Counter[int] = Counter()
    identities = {}
    for instance in instances:
        identities[id(instance)] = instance.class_id + _CLASSES * seen[instance.class_id]
        seen[instance.class_id] += 1
    return identities


def _add(
    ground_truth: FrameGroundTruth, instance: Instance, pose: TrueInstance, identity: int
) -> None:
    """Append an instance with its pose and its identity."""
    index, class_id, name = len(ground_truth.instances), instance.class_id, instance.class_name
    ground_truth.instances.append(instance)
    ground_truth.poses.append(
        PoseEstimate(index, class_id, name, pose.rotation, pose.translation, 1.0, np.zeros(3))
    )
    ground_truth.tracks.append(
        TrackEstimate(
            id=identity,
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
