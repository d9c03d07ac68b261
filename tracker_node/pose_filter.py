# SPDX-License-Identifier: Apache-2.0
"""3D poses of tracks: updates with measured poses, and predictions for a given time.

This is the project's extension to Deep SORT. The 3D filter of each track stands at the stamp of its
last pose and is predicted to the newest frame when it is read. A pose that arrives after its frame
therefore updates the filter at the time to which it belongs, and tracks never wait for poses.
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
    """Rows of the tracks that have a pose which is not outdated.

    A pose lasts as long as a track survives unmatched.
    """
    records = tracks.records
    age_s = (stamp_ns - records["pose_ns"]) * 1e-9
    return np.flatnonzero(records["has_pose"] & (age_s <= config.max_age_s))


def predicted_poses(
    tracks: Tracks, rows: np.ndarray, stamp_ns: int, config: TrackerConfig
) -> PoseStates:
    """3D states of ``rows``, which all have a pose, predicted for a stamp."""
    states = tracks.poses.rows(rows)
    steps = (stamp_ns - tracks.records["pose_ns"][rows]) * 1e-9 * config.nominal_frame_rate
    states.predict(steps[:, None], config)
    return states


def update_poses(
    tracks: Tracks,
    rows: np.ndarray,
    poses: Poses,
    stamp_ns: int,
    symmetries: Mapping[str, np.ndarray],
    config: TrackerConfig,
) -> list[tuple[int, str]]:
    """Update the 3D states of the tracks ``rows`` (N,) with the N poses of ``stamp_ns``.

    The rows are all different. Returns (index, reason) of each pose that was not used.
    """
    records = tracks.records

    # A filter does not go back in time.
    late = records["has_pose"][rows] & (stamp_ns <= records["pose_ns"][rows])
    rejected = []
    for k in np.flatnonzero(late):
        track_id, pose_ns = records["id"][rows[k]], records["pose_ns"][rows[k]]
        reason = (
            f"track {track_id} already has a pose of {pose_ns} ns, this one is of {stamp_ns} ns"
        )
        rejected.append((int(poses.index[k]), reason))
    rows, poses = rows[~late], poses.rows(~late)

    # Kalman update of the tracks whose pose is known, unless the measured one is an outlier.
    known = np.isin(rows, rows_with_pose(tracks, stamp_ns, config))
    inside = _update_within_gate(
        tracks, rows[known], poses.rows(known), stamp_ns, symmetries, config
    )
    outlier = known.copy()
    outlier[known] = ~inside
    records["refused_poses"][rows[outlier]] += 1

    # The first pose starts a filter, and so do several outliers in a row.
    started = ~known | (records["refused_poses"][rows] >= OUTLIERS_TO_RESTART)
    initial = PoseStates.start(poses.position[started], poses.rotation[started], config)
    _store(tracks, rows[started], initial, stamp_ns)

    # An object that moves in another way than expected is as large as before.
    sized = (~outlier | started) & ~np.isnan(poses.size_variance).any(axis=1)
    tracks.measure_sizes(rows[sized], poses.size[sized], poses.size_variance[sized])

    for k in np.flatnonzero(outlier & ~started):
        position, track_id = poses.position[k].round(3).tolist(), records["id"][rows[k]]
        reason = f"position {position} is out of reach of track {track_id}"
        rejected.append((int(poses.index[k]), reason))
    return rejected


def _update_within_gate(
    tracks: Tracks,
    rows: np.ndarray,
    poses: Poses,
    stamp_ns: int,
    symmetries: Mapping[str, np.ndarray],
    config: TrackerConfig,
) -> np.ndarray:
    """Update the known states ``rows`` (N,) with the poses that lie within the gate.

    Returns (N,) whether they do.
    """
    states = predicted_poses(tracks, rows, stamp_ns, config)

    # A symmetric object has several equal poses: the one nearest to the prediction keeps the
    # orientation from jumping.
    position, rotation = nearest_equivalents(poses, states.rotations, symmetries)

    # Equation (2), in space.
    inside = states.squared_distance(np.arange(len(rows)), position, config) <= config.pose_gate

    states = states.rows(inside)
    states.correct(position[inside], rotation[inside], config)
    _store(tracks, rows[inside], states, stamp_ns)
    return inside


def _store(tracks: Tracks, rows: np.ndarray, states: PoseStates, stamp_ns: int) -> None:
    """Make ``states`` those of the tracks ``rows`` at ``stamp_ns``."""
    tracks.poses.replace(rows, states)
    tracks.records["has_pose"][rows] = True
    tracks.records["pose_ns"][rows] = stamp_ns
    tracks.records["refused_poses"][rows] = 0
