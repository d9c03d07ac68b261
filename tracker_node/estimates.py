# SPDX-License-Identifier: Apache-2.0
"""From the tracker's arrays to one plain object for each track."""

from __future__ import annotations

import numpy as np

from perception_kit.types import TrackEstimate, TrackState
from tracker_node.box_motion import box_velocities, measurements_to_boxes
from tracker_node.config import TrackerConfig
from tracker_node.history import Frame
from tracker_node.pose_filter import predicted_poses, rows_with_pose
from tracker_node.tracks import Tracks

# By whether a track is confirmed, and whether the newest frame missed it; an unconfirmed track that
# is missed is deleted.
STATES = {
    False: {False: TrackState.TENTATIVE},
    True: {False: TrackState.CONFIRMED, True: TrackState.LOST},
}


def track_estimates(tracks: Tracks, frame: Frame, config: TrackerConfig) -> list[TrackEstimate]:
    """All tracks at the newest frame, ascending id; lost ones are confirmed tracks that this frame
    did not match.

    A 3D pose is known while the last measured one is not older than the time for which a track
    survives unmatched, and while it is known where the camera is.
    """
    records = tracks.records
    boxes = measurements_to_boxes(tracks.boxes.position)
    velocities = box_velocities(tracks.boxes) * config.nominal_frame_rate
    columns = [
        records[name].tolist()
        for name in (
            "id",
            "class_id",
            "class_name",
            "score",
            "confirmed",
            "missed",
            "age",
            "hits",
            "detection_index",
        )
    ]
    seconds = ((frame.stamp_ns - records["matched_ns"]) * 1e-9).tolist()
    estimates = [
        TrackEstimate(
            id=track_id,
            class_id=class_id,
            class_name=class_name,
            state=STATES[confirmed][missed > 0],
            score=score,
            age=age,
            hits=hits,
            time_since_update=time_since_update,
            detection_index=detection_index,
            box=box,
            box_velocity=velocity,
        )
        for track_id, class_id, class_name, score, confirmed, missed, age, hits, detection_index, time_since_update, box, velocity in zip(
            *columns, seconds, boxes, velocities, strict=True
        )
    ]
    if frame.camera is not None and records["has_pose"].any():
        _add_poses(estimates, tracks, frame, config)
    return estimates


def _add_poses(
    estimates: list[TrackEstimate], tracks: Tracks, frame: Frame, config: TrackerConfig
) -> None:
    """Fill in the 3D part where it is known, along the axes of the camera's optical frame.

    Isotropic covariances are the same there.
    """
    rows = rows_with_pose(tracks, frame.stamp_ns, config)
    states = predicted_poses(tracks, rows, frame.stamp_ns, config)
    rate = config.nominal_frame_rate
    from_fixed = frame.camera[:3, :3].T
    positions = (states.positions.position - frame.camera[:3, 3]) @ from_fixed.T
    rotations = from_fixed @ states.rotations
    velocities, turn_rates = (
        part.velocity @ from_fixed.T * rate for part in (states.positions, states.turns)
    )
    for k, row in enumerate(rows):
        estimate = estimates[row]
        estimate.position, estimate.position_covariance = (
            positions[k],
            np.diag(states.positions.position_variance[k]),
        )
        estimate.velocity, estimate.velocity_covariance = (
            velocities[k],
            np.diag(states.positions.velocity_variance[k] * rate**2),
        )
        estimate.rotation, estimate.rotation_covariance = (
            rotations[k],
            np.diag(states.turns.position_variance[k]),
        )
        estimate.angular_velocity = turn_rates[k]
        estimate.angular_velocity_covariance = np.diag(states.turns.velocity_variance[k] * rate**2)
