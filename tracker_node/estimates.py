# SPDX-License-Identifier: Apache-2.0
"""From the tracker's arrays to one plain object for each track."""

from __future__ import annotations

import numpy as np

from perception_kit.types import TrackEstimate, TrackState
from tracker_node.box_motion import box_velocities, measurements_to_boxes
from tracker_node.config import TrackerConfig
from tracker_node.history import OpenFrame
from tracker_node.pose_filter import predicted_poses, rows_with_pose
from tracker_node.tracks import Tracks

# By whether a track is confirmed, and whether the newest frame missed it; an unconfirmed track that
# is missed is deleted.
STATES = {
    False: {False: TrackState.TENTATIVE},
    True: {False: TrackState.CONFIRMED, True: TrackState.LOST},
}


def track_estimates(tracks: Tracks, frame: OpenFrame, config: TrackerConfig) -> list[TrackEstimate]:
    """All tracks at the newest frame, ascending id.

    Lost ones are confirmed tracks that this frame did not match. A 3D pose is known while the last
    measured one is not older than the time for which a track survives unmatched, and while it is
    known where the camera is.
    """
    records = tracks.records
    boxes = measurements_to_boxes(tracks.boxes.position)
    velocities = box_velocities(tracks.boxes) * config.nominal_frame_rate
    seconds = ((frame.stamp_ns - records["matched_ns"]) * 1e-9).tolist()

    # Columns as lists: items of NumPy arrays are slow to read one by one, and no Python numbers.
    ids, scores = records["id"].tolist(), records["score"].tolist()
    class_ids, class_names = records["class_id"].tolist(), records["class_name"].tolist()
    confirmed, missed = records["confirmed"].tolist(), (records["missed"] > 0).tolist()
    ages, hits = records["age"].tolist(), records["hits"].tolist()
    detection_indices = records["detection_index"].tolist()

    estimates = [
        TrackEstimate(
            id=ids[row],
            class_id=class_ids[row],
            class_name=class_names[row],
            state=STATES[confirmed[row]][missed[row]],
            score=scores[row],
            age=ages[row],
            hits=hits[row],
            time_since_update=seconds[row],
            detection_index=detection_indices[row],
            box=boxes[row],
            box_velocity=velocities[row],
        )
        for row in range(len(tracks))
    ]
    for row in np.flatnonzero(records["has_size"]).tolist():
        estimates[row].size = records["size"][row].copy()
        estimates[row].size_std = np.sqrt(records["size_variance"][row])
    if frame.camera is not None and records["has_pose"].any():
        _add_poses(estimates, tracks, frame.stamp_ns, frame.camera, config)
    return estimates


def _add_poses(
    estimates: list[TrackEstimate],
    tracks: Tracks,
    stamp_ns: int,
    camera: np.ndarray,
    config: TrackerConfig,
) -> None:
    """Fill in the 3D values where they are known, along the axes of the camera's optical frame."""
    rows = rows_with_pose(tracks, stamp_ns, config)
    states = predicted_poses(tracks, rows, stamp_ns, config)
    rate = config.nominal_frame_rate

    # From the fixed frame to the camera's, and from steps to seconds.
    from_fixed = camera[:3, :3].T
    positions = (states.positions.position - camera[:3, 3]) @ from_fixed.T
    rotations = from_fixed @ states.rotations
    velocities = states.positions.velocity @ from_fixed.T * rate
    turn_rates = states.turns.velocity @ from_fixed.T * rate

    # Isotropic covariances are the same in both frames.
    position_variance = states.positions.position_variance
    rotation_variance = states.turns.position_variance
    velocity_variance = states.positions.velocity_variance * rate**2
    turn_rate_variance = states.turns.velocity_variance * rate**2

    for k, row in enumerate(rows):
        estimate = estimates[row]
        estimate.position = positions[k]
        estimate.position_covariance = np.diag(position_variance[k])
        estimate.velocity = velocities[k]
        estimate.velocity_covariance = np.diag(velocity_variance[k])
        estimate.rotation = rotations[k]
        estimate.rotation_covariance = np.diag(rotation_variance[k])
        estimate.angular_velocity = turn_rates[k]
        estimate.angular_velocity_covariance = np.diag(turn_rate_variance[k])
