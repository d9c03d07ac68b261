# SPDX-License-Identifier: Apache-2.0
"""Deep SORT (Wojke, Bewley, Paulus 2017), extended by real time and 6D poses.

Extensions to the paper: the time between frames is that of their stamps, 3D positions take the
place of boxes in the motion term (motion_distance.py), and look-alikes of one class are told apart
by them (association.py), and what stands still is recognized after it was gone (departed.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from perception_kit.types import Instance, PoseEstimate, TrackEstimate
from tracker_node.association import associate
from tracker_node.config import TrackerConfig
from tracker_node.departed import DepartedTracks, SeenObject, seen_objects
from tracker_node.detections import usable_detections
from tracker_node.estimates import track_estimates
from tracker_node.gallery import Gallery
from tracker_node.history import MatchHistory, OpenFrame, ids_by_detection
from tracker_node.motion_distance import Positions3D
from tracker_node.pose_filter import predicted_poses, rows_with_pose, update_poses
from tracker_node.poses import Poses, usable_poses
from tracker_node.tracks import NO_SLOT, Tracks

Rejections = list[tuple[int, str]]

IDENTITY = np.eye(4)
# Parameters that the arrays of tracks and galleries, or the numbers in them, depend on.
RESETTING_PARAMETERS = ("gallery_size", "nominal_frame_rate", "fixed_frame")


class DeepSort:
    """Tracker of object instances.

    ``update`` is called for every frame, also for one without detections. ``rejected`` and
    ``rejected_poses`` hold (index, reason) of the detections and poses of the last call that could
    not be used; the others are not affected by them. ``symmetries`` gives (K, 4, 4) transforms of a
    class's model onto itself, in metres, the identity included, by class name.

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
            getattr(before, name) != getattr(config, name) for name in RESETTING_PARAMETERS
        )
        if forgets:
            self.reset()
        return forgets

    def reset(self) -> None:
        """Forget all tracks; ids start from 1 again."""
        self.rejected: Rejections = []
        self.rejected_poses: Rejections = []

        # Tracks before the open frame, and with it.
        self._before, self._tracks = Tracks(), Tracks()
        self._frame: OpenFrame | None = None
        self._gallery = Gallery(self.config.gallery_size)
        self._departed = DepartedTracks()
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
        last_ns = stamp_ns if self._frame is None else self._frame.stamp_ns
        if self._frame is not None and stamp_ns <= last_ns:
            return self._repeated_frame(instances, stamp_ns, last_ns, poses, camera)
        self._close_frame()

        # Measurements of the new frame.
        detections, self.rejected = usable_detections(
            instances, self._gallery.length, self._gallery.holders
        )
        self._gallery.expect(detections.descriptors.shape[1])
        steps = (stamp_ns - last_ns) * 1e-9 * self.config.nominal_frame_rate
        self._frame = OpenFrame(stamp_ns, steps, detections, self._to_fixed(camera))
        self._receive_poses(stamp_ns, poses, camera)

        self.rejected_poses += self._track(self._frame)
        return self.estimates()

    def add_poses(
        self, stamp_ns: int, poses: Sequence[PoseEstimate], camera: np.ndarray | None = None
    ) -> None:
        """Use poses of the frame ``stamp_ns``, which may have passed already.

        ``camera`` is that of ``update`` for this frame.
        """
        received = self._receive_poses(stamp_ns, poses, camera)
        if received and self._frame is not None:
            rejected = self._track(self._frame)
            if stamp_ns == self._frame.stamp_ns:
                self.rejected_poses += rejected

    def estimates(self) -> list[TrackEstimate]:
        """The tracks as they are now, at the stamp of the newest frame."""
        if self._frame is None:
            return []
        return track_estimates(self._tracks, self._frame, self.config)

    def _repeated_frame(
        self,
        instances: Sequence[Instance],
        stamp_ns: int,
        last_ns: int,
        poses: Sequence[PoseEstimate],
        camera: np.ndarray | None,
    ) -> list[TrackEstimate]:
        """Reject the detections of a frame that was tracked already, and use its poses."""
        if stamp_ns < last_ns:
            raise ValueError(
                f"stamp {stamp_ns} ns lies before the last frame's {last_ns} ns: call reset() when"
                " time jumps back"
            )

        reason = f"the frame {stamp_ns} ns was tracked already"
        self.rejected = [(index, reason) for index in range(len(instances))]
        self.add_poses(stamp_ns, poses, camera)
        return self.estimates()

    def _to_fixed(self, camera: np.ndarray | None) -> np.ndarray | None:
        """Camera to the frame in which tracks move: its own where there is no ``fixed_frame``."""
        return camera if self.config.fixed_frame else IDENTITY

    def _track(self, frame: OpenFrame) -> Rejections:
        """Make the tracks of the newest frame from those before it.

        Returns (index, reason) of each of its poses that was not used.
        """
        config = self.config

        # Section 2.1: tracks that exceed the maximum age A_max have left the scene.
        too_old = self._too_old(frame.stamp_ns)
        if config.recall_s and too_old.any():
            departing = np.flatnonzero(too_old)
            self._departed.remember(seen_objects(self._before, departing, self._gallery))
        tracks = self._before.rows(~too_old) if too_old.any() else self._before.copy()

        # Section 2.1: Kalman prediction, by the real time between the frames.
        tracks.predict(frame.steps, config)

        # Sections 2.2 and 2.3: matching cascade and IoU association.
        positions_3d = self._positions_3d(tracks, frame)
        found = associate(tracks, frame.detections, self._gallery, positions_3d, config)

        # Section 2.1: Kalman update; enough matches in a row confirm a track.
        tracks.match(found.rows, frame.detections, found.columns, frame.stamp_ns, config)

        # Section 2.1: tentative tracks are deleted at their first miss.
        tentative = ~tracks.records["confirmed"]
        if (gone := tentative & (tracks.records["missed"] > 0)).any():
            tracks = tracks.rows(~gone)

        # Section 2.1: each unmatched detection starts a tentative track.
        if len(found.unmatched):
            ids = np.arange(self._next_id, self._next_id + len(found.unmatched))
            tracks.start(frame.detections, found.unmatched, ids, frame.stamp_ns, config)

        # Extension: what was there before.
        if config.recall_s:
            tracks = self._departed.recalled(tracks, frame, self._gallery, config)
        self._tracks = tracks

        # Extension: the 3D filters.
        if frame.poses is None:
            return []
        return self._update_poses(tracks, ids_by_detection(tracks), frame.poses, frame.stamp_ns)

    def _too_old(self, stamp_ns: int) -> np.ndarray:
        """(T,) whether a track was not matched for too long, by time and by frames."""
        records, config = self._before.records, self.config
        age_s = (stamp_ns - records["matched_ns"]) * 1e-9
        for_some_frames = records["missed"] >= config.min_missed_frames
        return (age_s > config.max_age_s) & (for_some_frames | (age_s > 3 * config.max_age_s))

    def state(self) -> dict[str, Any]:
        """What a new tracker needs to know the present objects again: see ``restore``."""
        living = seen_objects(self._before, np.arange(len(self._before)), self._gallery)
        tracks = [track.to_json() for track in [*self._departed, *living]]
        return {"next_id": self._next_id, "tracks": tracks}

    def restore(self, state: Mapping[str, Any]) -> int:
        """Take up the ``state`` of an earlier tracker; returns the number of its tracks.

        They take their ids back when they are seen in their places. Raises ValueError where it is
        no state.
        """
        try:
            next_id = int(state["next_id"])
            tracks = [SeenObject.from_json(values) for values in state["tracks"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"this is no state of a tracker ({error!r})") from error
        self._next_id = max([self._next_id, next_id, *(track.id + 1 for track in tracks)])
        self._departed.remember(tracks)
        return len(tracks)

    def _positions_3d(self, tracks: Tracks, frame: OpenFrame) -> Positions3D | None:
        """3D positions at the newest frame, None where the motion term shall not use them."""
        if frame.poses is None or not self.config.pose_association:
            return None
        rows = rows_with_pose(tracks, frame.stamp_ns, self.config)
        states = predicted_poses(tracks, rows, frame.stamp_ns, self.config)

        place = frame.poses.of_detections(frame.detections.index)
        columns = np.flatnonzero(place >= 0)
        return Positions3D(rows, states, columns, frame.poses.position[place[columns]])

    def _close_frame(self) -> None:
        """Keep the tracks of the newest frame, which will not change any more."""
        if self._frame is None:
            return
        records, detections = self._tracks.records, self._frame.detections

        # Galleries: free those of deleted tracks, and give one to each new track.
        new = np.flatnonzero(records["slot"] == NO_SLOT)
        if len(records) - len(new) < len(self._before):
            self._gallery.release(np.setdiff1d(self._before.records["slot"], records["slot"]))
        records["slot"][new] = self._gallery.allocate(len(new))
        self._next_id += len(new)

        # Section 2.2: the descriptor of each matched detection joins the gallery of its track.
        matched = np.flatnonzero(records["detection_index"] >= 0)
        columns = np.searchsorted(detections.index, records["detection_index"][matched])
        seen = detections.has_descriptor[columns]
        if seen.any():
            self._gallery.add(records["slot"][matched[seen]], detections.descriptors[columns[seen]])

        # Extension: those who are back have not departed.
        oldest_ns = self._frame.stamp_ns - round(self.config.recall_s * 1e9)
        self._departed.forget(records["id"].tolist(), oldest_ns)

        # Late poses may still come for this frame.
        self._history.remember(self._frame.stamp_ns, self._tracks, self.config.max_age_s)
        self._before = self._tracks

    def _receive_poses(
        self, stamp_ns: int, poses: Sequence[PoseEstimate], camera: np.ndarray | None
    ) -> bool:
        """Store poses of the newest frame, or update the tracks before it with older ones.

        Returns whether there was anything to use.
        """
        self.rejected_poses = []
        camera = self._to_fixed(camera)
        newest = self._frame
        if newest is not None and newest.stamp_ns != stamp_ns:
            newest = None
        if newest is not None and newest.camera is None:
            newest.camera = camera
        if len(poses) == 0:
            return False

        # Poses that nothing can be done with.
        ids = {} if newest is not None else self._history.ids_at(stamp_ns)
        if ids is None:
            reason = f"no frame with stamp {stamp_ns} ns in the last {self.config.max_age_s:g} s"
            return self._reject_poses(poses, reason)
        if camera is None:
            fixed_frame = self.config.fixed_frame
            reason = f"where the camera was in '{fixed_frame}' at {stamp_ns} ns is not known"
            return self._reject_poses(poses, reason)
        if newest is not None and newest.poses is not None:
            reason = f"the poses of the frame {stamp_ns} ns are known already"
            return self._reject_poses(poses, reason)

        usable, self.rejected_poses = usable_poses(poses, camera)
        if newest is not None:
            newest.poses = usable
        else:
            self.rejected_poses += self._update_poses(self._before, ids, usable, stamp_ns)
        return True

    def _reject_poses(self, poses: Sequence[PoseEstimate], reason: str) -> bool:
        """Reject all poses of a call for the same reason; False, as none is used."""
        self.rejected_poses = [(index, reason) for index in range(len(poses))]
        return False

    def _update_poses(
        self, tracks: Tracks, ids: Mapping[int, int], poses: Poses, stamp_ns: int
    ) -> Rejections:
        """Update the track of each pose's detection, by ``ids`` of tracks by detection index."""
        row_of = dict(zip(tracks.records["id"].tolist(), range(len(tracks)), strict=True))
        rows = np.array(
            [row_of.get(ids.get(index, 0), -1) for index in poses.detection_index.tolist()],
            np.int64,
        )

        unassigned: Rejections = []
        for k in np.flatnonzero(rows < 0):
            reason = f"detection {poses.detection_index[k]} belongs to no living track"
            unassigned.append((int(poses.index[k]), reason))

        assigned = rows >= 0
        return unassigned + update_poses(
            tracks, rows[assigned], poses.rows(assigned), stamp_ns, self._symmetries, self.config
        )
