# SPDX-License-Identifier: Apache-2.0
"""The recording that is replayed: its camera's frames, and what is known to be true about them."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from perception_kit.bag import BagReader
from perception_kit.replay.camera_file import read_camera_file
from perception_kit.replay.frames import CameraFrame, camera_frames
from perception_kit.replay.settings import ReplaySettings
from perception_kit.replay.topics import TRUTH_PREFIX, find_camera_topics
from perception_kit.truth import TruthSource
from perception_kit.truth_actions import ActionTruth
from perception_kit.truth_bag import BagTruth
from perception_kit.truth_dataset import DatasetTruth


class Recording:
    """The bag of ``settings``. ``remarks`` say in words what is missing of it. Use as a context manager. Raises BagError."""

    def __init__(self, settings: ReplaySettings) -> None:
        self._settings = settings
        self._camera_file = read_camera_file(settings.camera_info) if settings.camera_info is not None else None
        self._reader = BagReader(settings.bag)
        names = settings.color_topic, settings.depth_topic, settings.camera_info_topic
        self.topics = find_camera_topics(self._reader.topics, *names, has_camera_file=self._camera_file is not None)
        self.frame_count = self._reader.topics[self.topics.color].count
        self.remarks = list(self._reader.remarks)

    def frames(self) -> Iterator[CameraFrame]:
        """Every colour image in order with its partners. Raises BagError."""
        return camera_frames(self._reader, self.topics, self._settings.slop, self._camera_file)

    def truth(self) -> TruthSource | None:
        """The truth that the settings name, else the bag's own; None where there is none. Raises TruthError or BagError."""
        if self._settings.truth is not None:
            source: TruthSource | None = DatasetTruth(self._settings.truth, self.frame_count)
        else:
            own = BagTruth(self._settings.bag)
            source = None if own.is_empty else own
        if self._settings.actions is not None:
            return ActionTruth(self._settings.actions, source)
        if source is None:
            self.remarks.append(f"no scores: the bag has no {TRUTH_PREFIX} topics, and neither --truth nor --actions names the truth")
        return source

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._reader.close()
