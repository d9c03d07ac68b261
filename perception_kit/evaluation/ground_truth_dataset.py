# SPDX-License-Identifier: Apache-2.0
"""Ground truth from a folder of annotated frames, joined with those of a bag by stamp or order.

Layouts: BOP, preprocessed LineMOD and YCB-Video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from perception_kit.datasets.bop import BopDataset
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset, GroundTruthInstance, visible_instances
from perception_kit.datasets.opener import open_dataset
from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey, GroundTruthError
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState

# Frame numbers from here on are stamps in nanoseconds; smaller ones count the frames.
_FIRST_STAMP = 10**15
_CLASSES = 100_000  # more than any dataset has


class DatasetGroundTruth:
    """The frames of ``folder``: a dataset, or one scene of a BOP dataset (``ROOT/SPLIT/NNNNNN``).

    Frames whose numbers are stamps in nanoseconds are joined by stamp (one that is not there is
    unknown), others by order. The k-th instance of a class is the same one in every frame, as in
    videos of these datasets; the first has the class number as its identity. Raises
    GroundTruthError, also where frames are joined by order and there are not as many as
    ``frame_count``, those of the recording.
    """

    def __init__(self, folder: Path, frame_count: int) -> None:
        try:
            self._dataset, frames = _open(folder)
        except DatasetError as error:
            raise GroundTruthError(str(error)) from error

        numbers = [int(self._dataset.name(index).rpartition("/")[2]) for index in frames]
        self._by_stamp = min(numbers, default=0) >= _FIRST_STAMP
        keys = numbers if self._by_stamp else range(len(frames))
        self._index_of = dict(zip(keys, frames, strict=True))

        if not self._by_stamp and len(frames) != frame_count:
            raise GroundTruthError(
                f"'{folder}' has {len(frames)} frames, the recording {frame_count}: they are joined"
                " by order, so give the folder that the bag was made from, or name its frames by"
                " their stamps in nanoseconds"
            )

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameGroundTruth]:
        """Ground truth of each frame.

        Raises GroundTruthError for a file that is missing or does not fit.
        """
        for key in keys:
            index = self._index_of.get(key.stamp_ns if self._by_stamp else key.number)
            try:
                yield FrameGroundTruth() if index is None else self._frame(index)
            except DatasetError as error:
                raise GroundTruthError(str(error)) from error

    def _frame(self, index: int) -> FrameGroundTruth:
        labels, annotated = self._dataset.labels(index), self._dataset.instances(index)
        identities = _identities(annotated)
        visible = visible_instances(labels, annotated, self._dataset.class_names)
        return FrameGroundTruth(
            instances=[instance for instance, _ in visible],
            poses=[_pose(k, *pair) for k, pair in enumerate(visible)],
            tracks=[
                _track(k, instance, identities[id(pose)])
                for k, (instance, pose) in enumerate(visible)
            ],
        )


def _open(folder: Path) -> tuple[FrameDataset, list[int]]:
    """The dataset and the indices of the frames that belong to ``folder``."""
    if not (folder / "scene_gt.json").is_file():
        dataset = open_dataset(folder)
        return dataset, list(range(len(dataset)))

    # One scene of a BOP dataset.
    scene = folder.absolute()
    dataset = BopDataset(scene.parents[1], scene.parent.name)
    return dataset, [
        index for index in range(len(dataset)) if dataset.name(index).startswith(f"{scene.name}/")
    ]


def _identities(instances: Sequence[GroundTruthInstance]) -> dict[int, int]:
    """Identity of each instance, by its ``id()``."""
    seen: Counter[int] = Counter()
    identities = {}
    for instance in instances:
        identities[id(instance)] = instance.class_id + _CLASSES * seen[instance.class_id]
        seen[instance.class_id] += 1
    return identities


def _pose(index: int, instance: Instance, annotated: GroundTruthInstance) -> PoseEstimate:
    return PoseEstimate(
        index,
        instance.class_id,
        instance.class_name,
        annotated.rotation,
        annotated.translation,
        confidence=1.0,
        size=np.zeros(3),
    )


def _track(index: int, instance: Instance, identity: int) -> TrackEstimate:
    return TrackEstimate(
        id=identity,
        class_id=instance.class_id,
        class_name=instance.class_name,
        state=TrackState.CONFIRMED,
        score=1.0,
        age=1,
        hits=1,
        time_since_update=0.0,
        detection_index=index,
        box=instance.box,
        box_velocity=np.zeros(4, np.float32),
    )
