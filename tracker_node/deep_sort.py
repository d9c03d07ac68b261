# SPDX-License-Identifier: Apache-2.0
"""Deep SORT (Wojke, Bewley, Paulus 2017) with real time between frames and with 6D poses in the
motion term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from perception_kit.types import Instance, PoseEstimate, TrackEstimate
from tracker_node.association import associate
from tracker_node.config import TrackerConfig
from tracker_node.detections import usable_detections
from tracker_node.estimates import track_estimates
from tracker_node.gallery import Gallery
from tracker_node.history import Frame, MatchHistory, ids_by_detection
from tracker_node.motion_distance import Space
from tracker_node.pose_filter import predicted_poses, rows_with_pose, take_in_poses
from tracker_node.poses import Poses, usable_poses
from tracker_node.tracks import NO_SLOT, Tracks

Reasons = list[tuple[int, str]]
IDENTITY = np.eye(4)


class DeepSort:
    """Tracker of object instances; ``update`` is called for every frame, also for one without
    detections.

    ``rejected`` and ``rejected_poses`` hold (index, reason) of the detections and poses of the last
    call that could not be used; the others are not affected by them. ``symmetries`` gives (K, 4, 4)
    transforms of a class's model onto itself, in metres, the identity included, by class name.

    The newest frame stays open until the next one: poses that arrive for it, or for an earlier
    frame, are used as if they had been there in time, so the frame is tracked again from the tracks
    before it. Its ids may then change in the next result.
    """

    def __init__(
        self,
        config: TrackerConfig | None = None,
        symmetries: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.config = config or TrackerConfig()
        self._symmetries = symmetries or {}
        self.reset()

    def configure(self, config: TrackerConfig) -> bool:
        """Use other parameters from the next frame on.

        Returns whether all tracks had to be forgotten, as their arrays depend on them.
        """
        before, self.config = self.config, config
        forgets = any(
            getattr(before, name) != getattr(config, name)
            for name in ("gallery_size", "nominal_frame_rate", "fixed_frame")
        )
        if forgets:
            self.reset()
        return forgets

    def reset(self) -> None:
        """Forget all tracks; ids start from 1 again."""
        self.rejected: Reasons = []
        self.rejected_poses: Reasons = []
        self._before, self._tracks = Tracks(), Tracks()
        self._frame: Frame | None = None
        self._gallery = Gallery(self.config.gallery_size)
        self._history = MatchHistory()
        self._next_id = 1

    def update(
        self,
        instances: Sequence[Instance],
        stamp_ns: int,
        poses: Sequence[PoseEstimate] = (),
        camera: np.ndarray | None = None,
    ) -> list[TrackEstimate]:
        """Tracks after a frame, ascending id, tentative and lost ones included.

        ``poses`` are those of this frame that are there already; others follow by ``add_poses``.
        ``camera`` (4, 4) transforms the camera's optical frame to the ``fixed_frame``, where the
        configuration has one. A frame that repeats the last stamp changes nothing. Raises
        ValueError for a stamp before the last one: call ``reset`` when time jumps back.
        """
        if self._frame is not None and stamp_ns <= self._frame.stamp_ns:
            return self._repeated_frame(instances, stamp_ns, poses, camera)
        last_ns = stamp_ns if self._frame is None else self._frame.stamp_ns
        self._close_frame()
        detections, self.rejected = usable_detections(
            instances, self._gallery.length, self._gallery.holders
        )
        self._gallery.expect(detections.descriptors.shape[1])
        self._frame = Frame(
            stamp_ns,
            (stamp_ns - last_ns) * 1e-9 * self.config.nominal_frame_rate,
            detections,
            self._to_fixed(camera),
        )
        self._receive_poses(stamp_ns, poses, camera)
        self.rejected_poses += self._track()
        return self.estimates()

    def add_poses(
        self, stamp_ns: int, poses: Sequence[PoseEstimate], camera: np.ndarray | None = None
    ) -> None:
        """Use poses of the frame ``stamp_ns``, which may have passed already; ``camera`` is that of
        ``update`` for this frame.
        """
        if self._receive_poses(stamp_ns, poses, camera):
            reasons = self._track()
            if stamp_ns == self._frame.stamp_ns:
                self.rejected_poses += reasons

    def estimates(self) -> list[TrackEstimate]:
        """The tracks as they are now, at the stamp of the newest frame."""
        return (
            track_estimates(self._tracks, self._frame, self.config)
            if self._frame is not None
            else []
        )

    def _repeated_frame(
        self,
        instances: Sequence[Instance],
        stamp_ns: int,
        poses: Sequence[PoseEstimate],
        camera: np.ndarray | None,
    ) -> list[TrackEstimate]:
        last_ns = self._frame.stamp_ns
        if stamp_ns < last_ns:
            raise ValueError(
                f"stamp {stamp_ns} ns lies before the last frame's {last_ns} ns: call reset() when"
                " time jumps back"
            )
        self.rejected = [
            (index, f"the frame {stamp_ns} ns was tracked already")
            for index in range(len(instances))
        ]
        self.add_poses(stamp_ns, poses, camera)
        return self.estimates()

    def _to_fixed(self, camera: np.ndarray | None) -> np.ndarray | None:
        """Camera to the frame in which tracks move: the camera's own where there is no
        ``fixed_frame``.
        """
        return camera if self.config.fixed_frame else IDENTITY

    def _receive_poses(
        self, stamp_ns: int, poses: Sequence[PoseEstimate], camera: np.ndarray | None
    ) -> bool:
        """Store poses of the newest frame, or take older ones into the tracks before it.

        Returns whether there was anything to use.
        """
        self.rejected_poses = []
        is_newest = self._frame is not None and stamp_ns == self._frame.stamp_ns
        camera = self._to_fixed(camera)
        if is_newest and self._frame.camera is None:
            self._frame.camera = camera
        ids = {} if is_newest else self._history.ids_at(stamp_ns)
        reason = ""
        if ids is None:
            reason = f"no frame with stamp {stamp_ns} ns in the last {self.config.max_age_s:g} s"
        elif camera is None:
            reason = (
                f"where the camera was in '{self.config.fixed_frame}' at {stamp_ns} ns is not known"
            )
        elif is_newest and self._frame.poses is not None:
            reason = f"the poses of the frame {stamp_ns} ns are known already"
        if reason or len(poses) == 0:
            self.rejected_poses = [(index, reason) for index in range(len(poses))]
            return False
        usable, self.rejected_poses = usable_poses(poses, camera)
        if is_newest:
            self._frame.poses = usable
        else:
            self.rejected_poses += self._take_in(self._before, ids, usable, stamp_ns)
        return True

    def _track(self) -> Reasons:
        """Make the tracks of the newest frame from those before it.

        Returns (index, reason) of each of its poses that was not used.
        """
        frame, config = self._frame, self.config
        too_old = (frame.stamp_ns - self._before.records["matched_ns"]) * 1e-9 > config.max_age_s
        tracks = self._before.rows(~too_old) if too_old.any() else self._before.copy()
        tracks.predict(frame.steps, config)
        found = associate(tracks, frame.detections, self._gallery, self._space(tracks), config)
        tracks.match(found.rows, frame.detections, found.columns, frame.stamp_ns, config)
        tentative = ~tracks.records["confirmed"]
        if (gone := tentative & (tracks.records["missed"] > 0)).any():
            tracks = tracks.rows(~gone)
        if len(found.unmatched):
            ids = np.arange(self._next_id, self._next_id + len(found.unmatched))
            tracks.start(frame.detections, found.unmatched, ids, frame.stamp_ns, config)
        self._tracks = tracks
        return (
            self._take_in(tracks, ids_by_detection(tracks), frame.poses, frame.stamp_ns)
            if frame.poses is not None
            else []
        )

    def _space(self, tracks: Tracks) -> Space | None:
        """What is known in 3D at the newest frame, None where the motion distance shall not use it."""
        frame = self._frame
        if frame.poses is None or not self.config.pose_association:
            return None
        rows = rows_with_pose(tracks, frame.stamp_ns, self.config)
        place = frame.poses.of_detections(frame.detections.index)
        columns = np.flatnonzero(place >= 0)
        return Space(
            rows,
            predicted_poses(tracks, rows, frame.stamp_ns, self.config),
            columns,
            frame.poses.position[place[columns]],
        )

    def _take_in(
        self, tracks: Tracks, ids: Mapping[int, int], poses: Poses, stamp_ns: int
    ) -> Reasons:
        """Give each pose to the track of its detection, by ``ids`` of tracks by detection index."""
        row_of = dict(zip(tracks.records["id"].tolist(), range(len(tracks)), strict=True))
        rows = np.array(
            [row_of.get(ids.get(index, 0), -1) for index in poses.detection_index.tolist()],
            np.int64,
        )
        homeless = [
            (
                int(poses.index[k]),
                f"detection {poses.detection_index[k]} belongs to no living track",
            )
            for k in np.flatnonzero(rows < 0)
        ]
        return homeless + take_in_poses(
            tracks, rows[rows >= 0], poses.rows(rows >= 0), stamp_ns, self._symmetries, self.config
        )

    def _close_frame(self) -> None:
        """The newest frame will not change any more: store its descriptors, free the galleries of
        tracks that are gone, remember it.
        """
        if self._frame is None:
            return
        records, detections = self._tracks.records, self._frame.detections
        new = np.flatnonzero(records["slot"] == NO_SLOT)
        if len(records) - len(new) < len(self._before):
            self._gallery.release(np.setdiff1d(self._before.records["slot"], records["slot"]))
        records["slot"][new] = self._gallery.allocate(len(new))
        self._next_id += len(new)
        matched = np.flatnonzero(records["detection_index"] >= 0)
        columns = np.searchsorted(detections.index, records["detection_index"][matched])
        seen = detections.has_descriptor[columns]
        if seen.any():
            self._gallery.add(records["slot"][matched[seen]], detections.descriptors[columns[seen]])
        self._history.remember(self._frame.stamp_ns, self._tracks, self.config.max_age_s)
        self._before = self._tracks
