# SPDX-License-Identifier: Apache-2.0
"""Ground truth from a folder of the YCB-Video data set (Xiang et al., PoseCNN, RSS 2018), joined with a bag's frames by order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import TrueInstance, visible_instances
from perception_kit.datasets.ycb_video import YcbVideoDataset
from perception_kit.truth import FrameKey, FrameTruth, TruthError
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState


class YcbVideoTruth:
    """The frames of ``folder``, a scene in the layout of ``YcbVideoDataset``.

    A class occurs once in a video, so its number is its identity. The visible fraction is not known and is given as 1. Raises TruthError,
    also unless there are as many frames as ``frame_count``, those of the recording.
    """

    def __init__(self, folder: str | Path, frame_count: int, models: str | Path | None = None) -> None:
        try:
            self._dataset = YcbVideoDataset(folder, models=models)
        except DatasetError as error:
            raise TruthError(str(error)) from error
        if len(self._dataset) != frame_count:
            raise TruthError(
                f"'{folder}' has {len(self._dataset)} frames, the recording {frame_count}: they are joined by order, "
                "so give the folder that the bag was made from"
            )

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameTruth]:
        """Truth of each frame, joined by number. Raises TruthError for a file that is missing or does not fit."""
        for key in keys:
            try:
                labels, instances = self._dataset.labels(key.number), self._dataset.instances(key.number)
            except DatasetError as error:
                raise TruthError(str(error)) from error
            truth = FrameTruth(instances=[], poses=[], tracks=[])
            for instance, pose in visible_instances(labels, instances, self._dataset.class_names):
                _add(truth, instance, pose)
            yield truth


def _add(truth: FrameTruth, instance: Instance, pose: TrueInstance) -> None:
    """Append an instance with its pose and its identity."""
    index, class_id, name = len(truth.instances), instance.class_id, instance.class_name
    truth.instances.append(instance)
    truth.poses.append(PoseEstimate(index, class_id, name, pose.rotation, pose.translation, 1.0, np.zeros(3)))
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
