# SPDX-License-Identifier: Apache-2.0
"""3D poses of tracks: which poses they take in, and where they are at a given time.

The 3D filter of each track stands at the stamp of its last pose and is predicted to the newest
frame when it is read. A pose that arrives after its frame is therefore taken in for the time to
which it belongs, and tracks never wait for poses.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tracker_node.config import TrackerConfig
from tracker_node.pose_motion import PoseStates
from tracker_node.poses import Poses, nearest_equivalents
from tracker_node.tracks import Tracks

# A pose outside the gate is an outlier; this many in a row mean that the object has moved in
# another way than expected.
OUTLIERS_TO_RESTART = 2


def rows_with_pose(tracks: Tracks, stamp_ns: int, config: TrackerConfig) -> np.ndarray:
    """Rows of the tracks whose last pose is not older than the time for which a track survives
    unmatched.
    """
    records = tracks.records
    return np.flatnonzero(
        records["has_pose"] & ((stamp_ns - records["pose_ns"]) * 1e-9 <= config.max_age_s)
    )


def predicted_poses(
    tracks: Tracks, rows: np.ndarray, stamp_ns: int, config: TrackerConfig
) -> PoseStates:
    """3D states of ``rows``, which all have a pose, moved ahead to a stamp."""
    states = tracks.poses.rows(rows)
    steps = (stamp_ns - tracks.records["pose_ns"][rows]) * 1e-9 * config.nominal_frame_rate
    states.predict(steps[:, None], config)
    return states


def take_in_poses(
    tracks: Tracks,
    rows: np.ndarray,
    poses: Poses,
    stamp_ns: int,
    symmetries: Mapping[str, np.ndarray],
    config: TrackerConfig,
) -> list[tuple[int, str]]:
    """Update the 3D states of the tracks ``rows`` (N,), all different, with the N poses of
    ``stamp_ns``.

    Returns (index, reason) of each pose that was not used.
    """
    records = tracks.records
    late = records["has_pose"][rows] & (stamp_ns <= records["pose_ns"][rows])
    reasons = [
        (
            int(poses.index[k]),
            (
                f"track {records['id'][rows[k]]} already has a pose of"
                f" {records['pose_ns'][rows[k]]} ns, this one is of {stamp_ns} ns"
            ),
        )
        for k in np.flatnonzero(late)
    ]
    rows, poses = rows[~late], poses.rows(~late)
    known = np.isin(rows, rows_with_pose(tracks, stamp_ns, config))
    outlier = known.copy()
    outlier[known] = ~_follow(tracks, rows[known], poses.rows(known), stamp_ns, symmetries, config)
    records["refused_poses"][rows[outlier]] += 1
    started = ~known | (records["refused_poses"][rows] >= OUTLIERS_TO_RESTART)
    _put(
        tracks,
        rows[started],
        PoseStates.start(poses.position[started], poses.rotation[started], config),
        stamp_ns,
    )
    return reasons + [
        (
            int(poses.index[k]),
            (
                f"position {poses.position[k].round(3).tolist()} is out of reach of track"
                f" {records['id'][rows[k]]}"
            ),
        )
        for k in np.flatnonzero(outlier & ~started)
    ]


def _follow(
    tracks: Tracks,
    rows: np.ndarray,
    poses: Poses,
    stamp_ns: int,
    symmetries: Mapping[str, np.ndarray],
    config: TrackerConfig,
) -> np.ndarray:
    """Take the poses that lie within the gate into the known states ``rows`` (N,).

    Returns (N,) whether they do.
    """
    states = predicted_poses(tracks, rows, stamp_ns, config)
    position, rotation = nearest_equivalents(poses, states.rotations, symmetries)
    inside = states.squared_distance(np.arange(len(rows)), position, config) <= config.pose_gate
    states = states.rows(inside)
    states.correct(position[inside], rotation[inside], config)
    _put(tracks, rows[inside], states, stamp_ns)
    return inside


def _put(tracks: Tracks, rows: np.ndarray, states: PoseStates, stamp_ns: int) -> None:
    """Make ``states`` those of the tracks ``rows`` at ``stamp_ns``."""
    tracks.poses.replace(rows, states)
    tracks.records["has_pose"][rows] = True
    tracks.records["pose_ns"][rows] = stamp_ns
    tracks.records["refused_poses"][rows] = 0
