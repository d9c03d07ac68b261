# SPDX-License-Identifier: Apache-2.0
"""All living tracks as arrays with one row each, oldest (smallest id) first."""

from __future__ import annotations

import numpy as np

from tracker_node import box_motion
from tracker_node.config import TrackerConfig
from tracker_node.detections import Detections
from tracker_node.kalman import ConstantVelocityStates
from tracker_node.pose_motion import PoseStates
from tracker_node.sizes import fuse_sizes

TRACK_RECORD = np.dtype(
    [
        ("id", np.int64),
        ("class_id", np.int64),
        ("class_name", object),
        ("score", np.float64),  # of the last matched detection
        ("confirmed", bool),
        ("age", np.int64),  # frames since the first detection, that one included
        ("hits", np.int64),  # matched frames
        ("missed", np.int64),  # a_k of the paper: frames since the last match, 0 in a matched one
        ("matched_ns", np.int64),  # stamp of the last match
        ("detection_index", np.int64),  # matched instance of the newest frame, or -1
        ("slot", np.int64),  # of the gallery, -1 while the track is new
        ("has_pose", bool),
        ("pose_ns", np.int64),  # stamp of the last pose that was used
        ("refused_poses", np.int64),  # poses since then that lay outside the gate
        ("has_size", bool),
        ("size", np.float64, (3,)),  # extents along the axes of the model, metres
        ("size_variance", np.float64, (3,)),  # 0 where the size is known, not estimated
    ]
)

NO_SLOT = -1


class Tracks:
    """Records and filter states of T tracks (Wojke 2017, section 2.1).

    ``records`` (T,) of TRACK_RECORD; ``boxes``, states (T, 4) of the image filter; ``poses``,
    states of the 3D filter (extension). The box filter is at the newest frame; the 3D filter of
    each track stands at its own last pose (see pose_filter.py).
    """

    def __init__(self) -> None:
        self.records = np.zeros(0, TRACK_RECORD)
        self.boxes = ConstantVelocityStates(np.zeros((5, 0, 4)))
        self.poses = PoseStates.unknown(0)

    def __len__(self) -> int:
        return len(self.records)

    def copy(self) -> Tracks:
        """The same tracks in arrays of their own."""
        copied = Tracks()
        copied.records = self.records.copy()
        copied.boxes = self.boxes.copy()
        copied.poses = self.poses.copy()
        return copied

    def rows(self, index: np.ndarray) -> Tracks:
        """A copy of the tracks that a boolean mask or an array of row numbers selects."""
        selected = Tracks()
        selected.records = self.records[index]
        selected.boxes = self.boxes.rows(index)
        selected.poses = self.poses.rows(index)
        return selected

    def start(
        self,
        detections: Detections,
        rows: np.ndarray,
        ids: np.ndarray,
        stamp_ns: int,
        config: TrackerConfig,
    ) -> None:
        """Start a track for each of the detections ``rows``; it is tentative at first."""
        new = np.zeros(len(rows), TRACK_RECORD)
        new["id"], new["slot"], new["matched_ns"] = ids, NO_SLOT, stamp_ns
        new["class_id"], new["class_name"] = detections.class_id[rows], detections.class_name[rows]
        new["score"], new["detection_index"] = detections.score[rows], detections.index[rows]
        new["age"] = new["hits"] = 1
        new["confirmed"] = config.n_init <= 1

        self.records = np.concatenate([self.records, new])
        self.boxes = self.boxes.joined(box_motion.start(detections.measurements[rows], config))
        self.poses = self.poses.joined(PoseStates.unknown(len(rows)))

    def predict(self, steps: float, config: TrackerConfig) -> None:
        """Predict a new frame ``steps`` nominal frames after the last one.

        No track is matched yet.
        """
        box_motion.predict(self.boxes, steps, config)
        self.records["age"] += 1
        self.records["missed"] += 1
        self.records["detection_index"] = -1

    def match(
        self,
        rows: np.ndarray,
        detections: Detections,
        columns: np.ndarray,
        stamp_ns: int,
        config: TrackerConfig,
    ) -> None:
        """Update the tracks ``rows`` with the detections ``columns``, pair by pair."""
        box_motion.correct(self.boxes, rows, detections.measurements[columns], config)

        records = self.records
        records["hits"][rows] += 1
        records["missed"][rows] = 0
        records["matched_ns"][rows] = stamp_ns
        records["score"][rows] = detections.score[columns]
        records["detection_index"][rows] = detections.index[columns]

        # Tentative tracks are deleted at their first miss: hits of theirs are in a row.
        records["confirmed"] |= records["hits"] >= config.n_init

    def measure_sizes(self, rows: np.ndarray, sizes: np.ndarray, variances: np.ndarray) -> None:
        """Fuse the sizes of the tracks ``rows`` (N,) with measured ones; see ``fuse_sizes``."""
        records = self.records
        before = np.where(records["has_size"][rows, None], records["size_variance"][rows], np.inf)
        records["size"][rows], records["size_variance"][rows] = fuse_sizes(
            records["size"][rows], before, sizes, variances
        )
        records["has_size"][rows] = True
