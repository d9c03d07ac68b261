# SPDX-License-Identifier: Apache-2.0
"""Deep SORT (Wojke, Bewley, Paulus 2017) with real time between frames and a 3D position for every track that has poses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_kit.types import Instance, PoseEstimate, TrackEstimate
from tracker_node.association import associate
from tracker_node.config import TrackerConfig
from tracker_node.detections import Detections, usable_detections
from tracker_node.estimates import track_estimates
from tracker_node.gallery import Gallery
from tracker_node.positions import MatchHistory, take_in_poses
from tracker_node.tracks import Tracks


class DeepSort:
    """Tracker of object instances; ``update`` is called for every frame, also for one without detections.

    ``rejected`` and ``rejected_poses`` hold (index, reason) of the detections and poses of the last call that could not be used; the
    others are not affected by them.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.reset()

    def configure(self, config: TrackerConfig) -> None:
        """Use other parameters from the next frame on; tracks live on unless their arrays depend on what changed."""
        before, self.config = self.config, config
        if (before.gallery_size, before.nominal_frame_rate) != (config.gallery_size, config.nominal_frame_rate):
            self.reset()

    def reset(self) -> None:
        """Forget all tracks; ids start from 1 again."""
        self.rejected: list[tuple[int, str]] = []
        self.rejected_poses: list[tuple[int, str]] = []
        self._tracks = Tracks()
        self._gallery = Gallery(self.config.gallery_size)
        self._history = MatchHistory()
        self._next_id = 1
        self._stamp_ns: int | None = None

    def update(self, instances: Sequence[Instance], stamp_ns: int, poses: Sequence[PoseEstimate] = ()) -> list[TrackEstimate]:
        """Tracks after a frame, ascending id, tentative and lost ones included.

        ``poses`` are those of this frame that are there already; others follow by ``add_poses``. A frame that repeats the last stamp
        changes nothing. Raises ValueError for a stamp before the last one: call ``reset`` when time jumps back.
        """
        if self._stamp_ns is not None and stamp_ns <= self._stamp_ns:
            return self._repeated_frame(instances, stamp_ns, poses)
        detections, self.rejected = usable_detections(instances, self._gallery.length)
        self._predict(stamp_ns)
        found = associate(self._tracks, detections, self._gallery, self.config)
        self._tracks.match(found.rows, detections, found.columns, stamp_ns, self.config)
        self._add_to_gallery(found.rows, detections, found.columns)
        self._remove((self._tracks.records["missed"] > 0) & ~self._tracks.records["confirmed"])
        if len(found.unmatched):
            self._start_tracks(detections, found.unmatched)
        self._history.remember(stamp_ns, self._tracks, self.config.max_age_s)
        self.add_poses(stamp_ns, poses)
        return self.estimates()

    def add_poses(self, stamp_ns: int, poses: Sequence[PoseEstimate]) -> None:
        """Use poses of the frame ``stamp_ns``, which may have passed already; the tracks of the next frame show them."""
        self.rejected_poses = take_in_poses(self._tracks, self._history, stamp_ns, poses, self.config)

    def estimates(self) -> list[TrackEstimate]:
        """The tracks as they are now, at the stamp of the newest frame."""
        return track_estimates(self._tracks, self._stamp_ns, self.config) if self._stamp_ns is not None else []

    def _repeated_frame(self, instances: Sequence[Instance], stamp_ns: int, poses: Sequence[PoseEstimate]) -> list[TrackEstimate]:
        if stamp_ns < self._stamp_ns:
            raise ValueError(f"stamp {stamp_ns} ns lies before the last frame's {self._stamp_ns} ns: call reset() when time jumps back")
        self.rejected = [(index, f"the frame {stamp_ns} ns was tracked already") for index in range(len(instances))]
        self.add_poses(stamp_ns, poses)
        return self.estimates()

    def _predict(self, stamp_ns: int) -> None:
        """Move all tracks to the stamp and delete those that were not seen for too long."""
        if self._stamp_ns is not None:
            seconds = (stamp_ns - self._stamp_ns) * 1e-9
            self._tracks.predict(seconds * self.config.nominal_frame_rate, self.config)
            self._remove((stamp_ns - self._tracks.records["matched_ns"]) * 1e-9 > self.config.max_age_s)
        self._stamp_ns = stamp_ns

    def _add_to_gallery(self, rows: np.ndarray, detections: Detections, columns: np.ndarray) -> None:
        """Store the descriptors, where there are any, of matched pairs."""
        seen = detections.has_descriptor[columns]
        if seen.any():
            self._gallery.add(self._tracks.records["slot"][rows[seen]], detections.descriptors[columns[seen]])

    def _start_tracks(self, detections: Detections, columns: np.ndarray) -> None:
        """Start a tentative track for each unmatched detection."""
        ids = np.arange(self._next_id, self._next_id + len(columns))
        self._next_id += len(columns)
        rows = np.arange(len(self._tracks), len(self._tracks) + len(columns))
        self._tracks.start(detections, columns, ids, self._gallery.allocate(len(columns)), self._stamp_ns, self.config)
        self._add_to_gallery(rows, detections, columns)

    def _remove(self, gone: np.ndarray) -> None:
        """Delete tracks and free their galleries."""
        if gone.any():
            self._gallery.release(self._tracks.records["slot"][gone])
            self._tracks.remove(gone)
