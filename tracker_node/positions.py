# SPDX-License-Identifier: Apache-2.0
"""3D position and velocity of tracks from 6D poses, in the camera's optical frame.

The filter of each track stands at the stamp of its last pose and is predicted to the newest frame when it is read. A pose that arrives
after its frame is therefore taken in for the time to which it belongs, and tracks never wait for poses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from perception_kit.types import PoseEstimate
from tracker_node.config import TrackerConfig
from tracker_node.kalman import ConstantVelocityStates
from tracker_node.tracks import Tracks

ROTATION_TOLERANCE = 1e-3


class MatchHistory:
    """Which track each detection of the recent frames was matched with: where late poses belong."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, np.ndarray, np.ndarray]] = deque()

    def remember(self, stamp_ns: int, tracks: Tracks, keep_s: float) -> None:
        """Store the matches of the newest frame and forget those older than ``keep_s`` seconds."""
        matched = tracks.records[tracks.records["detection_index"] >= 0]
        self._frames.append((stamp_ns, matched["detection_index"], matched["id"]))
        while stamp_ns - self._frames[0][0] > keep_s * 1e9:
            self._frames.popleft()

    def track_ids(self, stamp_ns: int) -> dict[int, int] | None:
        """Track id by detection index at a frame, None when the frame is unknown or forgotten."""
        for stamp, detection_index, ids in self._frames:
            if stamp == stamp_ns:
                return dict(zip(detection_index.tolist(), ids.tolist(), strict=True))
        return None


def take_in_poses(
    tracks: Tracks, history: MatchHistory, stamp_ns: int, poses: Sequence[PoseEstimate], config: TrackerConfig
) -> list[tuple[int, str]]:
    """Update the 3D states of the tracks that were matched with the poses' detections at ``stamp_ns``.

    Returns (index, reason) of each pose that could not be used.
    """
    if not poses:
        return []
    ids = history.track_ids(stamp_ns)
    if ids is None:
        return [(index, f"no frame with stamp {stamp_ns} ns in the last {config.max_age_s:g} s") for index in range(len(poses))]
    row_of = {track_id: row for row, track_id in enumerate(tracks.records["id"].tolist())}
    rows, used, rejected = [], [], []
    for index, pose in enumerate(poses):
        row = row_of.get(ids.get(pose.detection_index, -1), -1)
        reason = _reason_against(pose, tracks.records[row] if row >= 0 else None, row in rows, stamp_ns)
        if reason:
            rejected.append((index, reason))
        else:
            rows.append(row)
            used.append(pose)
    if used:
        _correct(tracks, np.array(rows), used, stamp_ns, config)
    return rejected


def _reason_against(pose: PoseEstimate, record: np.void | None, repeated: bool, stamp_ns: int) -> str:
    """Why a pose cannot be used, empty when it can."""
    if record is None:
        return f"detection {pose.detection_index} belongs to no living track"
    if repeated:
        return f"detection {pose.detection_index} has more than one pose"
    if np.shape(pose.translation) != (3,) or not np.isfinite(pose.translation).all():
        return f"translation {np.asarray(pose.translation).tolist()} is not three finite numbers"
    if not _is_rotation(np.asarray(pose.rotation)):
        return "rotation is not a rotation matrix"
    if record["has_pose"] and stamp_ns <= record["pose_ns"]:
        return f"track {record['id']} already has a pose of {record['pose_ns']} ns, this one is of {stamp_ns} ns"
    return ""


def _is_rotation(matrix: np.ndarray) -> bool:
    """Whether a matrix is (3, 3), orthonormal and not a reflection; NaN compares False."""
    if matrix.shape != (3, 3):
        return False
    return bool(np.abs(matrix @ matrix.T - np.eye(3)).max() < ROTATION_TOLERANCE and np.linalg.det(matrix) > 0)


def _correct(tracks: Tracks, rows: np.ndarray, poses: list[PoseEstimate], stamp_ns: int, config: TrackerConfig) -> None:
    """Predict the 3D filters of ``rows`` to the stamp, or start them, and take in the poses."""
    measured = np.array([pose.translation for pose in poses], np.float64)
    records = tracks.records
    known = records["has_pose"][rows]
    started = ConstantVelocityStates.start(measured[~known], config.pose_noise, config.initial_velocity_noise / config.nominal_frame_rate)
    followed = predicted_positions(tracks, rows[known], stamp_ns, config)
    followed.correct(np.arange(len(followed)), measured[known], config.pose_noise)
    tracks.positions.data[:, rows[~known]] = started.data
    tracks.positions.data[:, rows[known]] = followed.data
    records["has_pose"][rows] = True
    records["pose_ns"][rows] = stamp_ns
    records["rotation"][rows] = [pose.rotation for pose in poses]


def predicted_positions(tracks: Tracks, rows: np.ndarray, stamp_ns: int, config: TrackerConfig) -> ConstantVelocityStates:
    """3D states of ``rows``, which all have a pose, moved ahead to a stamp."""
    states = tracks.positions.rows(rows)
    steps = (stamp_ns - tracks.records["pose_ns"][rows]) * 1e-9 * config.nominal_frame_rate
    states.predict(steps[:, None], config.position_process_noise, config.velocity_process_noise / config.nominal_frame_rate)
    return states
