# SPDX-License-Identifier: Apache-2.0
"""Input of a replay: the camera frames of a bag, and their ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_file import read_camera_file
from perception_kit.bags.camera_frames import CameraFrame, camera_frames
from perception_kit.bags.camera_streams import camera_streams, stream_encoding
from perception_kit.bags.camera_topics import (
    GROUND_TRUTH_PREFIX,
    find_camera_topics,
    topics_of_camera,
)
from perception_kit.closing import Closing
from perception_kit.evaluation.ground_truth import GroundTruthSource
from perception_kit.evaluation.ground_truth_actions import ActionGroundTruth
from perception_kit.evaluation.ground_truth_bag import BagGroundTruth
from perception_kit.evaluation.ground_truth_dataset import DatasetGroundTruth
from perception_kit.replay.settings import ReplaySettings
from perception_kit.ros.camera_reader import CameraReader


class ReplayInput(Closing):
    """The bag and the ground truth that ``settings`` name.

    ``remarks`` name what is missing. Use as a context manager. Raises BagError.
    """

    def __init__(self, settings: ReplaySettings) -> None:
        self._settings = settings
        self._camera_file = None
        if settings.camera_info is not None:
            self._camera_file = read_camera_file(settings.camera_info)

        self._reader = BagReader(settings.bag)
        names = settings.color_topic, settings.depth_topic, settings.camera_info_topic
        recorded = topics_of_camera(self._reader.topics, settings.camera_namespace)
        streams = camera_streams(recorded)
        self.topics = find_camera_topics(
            recorded,
            *names,
            has_camera_file=self._camera_file is not None,
            encoding_of=partial(stream_encoding, self._reader),
        )
        self.frame_count = streams[self.topics.color].count
        self.remarks = list(self._reader.remarks)

    def frames(self) -> Iterator[CameraFrame]:
        """Every colour image in order with its depth and camera information. Raises BagError."""
        return camera_frames(self._reader, self.topics, self._settings.slop, self._camera_file)

    def camera_reader(self) -> CameraReader:
        """How the images are read."""
        return self._settings.camera(self.topics.color)

    def ground_truth(self) -> GroundTruthSource | None:
        """The ground truth that the settings name, else the bag's own; None without any.

        Raises GroundTruthError or BagError.
        """
        source: GroundTruthSource | None
        if self._settings.truth is not None:
            source = DatasetGroundTruth(self._settings.truth, self.frame_count)
        else:
            recorded = BagGroundTruth(self._settings.bag, self._settings.camera_namespace)
            source = None if recorded.is_empty else recorded

        if self._settings.actions is not None:
            return ActionGroundTruth(self._settings.actions, source)
        if source is None:
            self.remarks.append(
                f"no scores: the bag has no {GROUND_TRUTH_PREFIX} topics,"
                " and neither --truth nor --actions names the truth"
            )
        return source

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()
