# SPDX-License-Identifier: Apache-2.0
"""From the tracker's arrays to one plain object for each track."""

from __future__ import annotations

import numpy as np

from perception_kit.types import TrackEstimate, TrackState
from tracker_node.box_motion import box_velocities, measurements_to_boxes
from tracker_node.config import TrackerConfig
from tracker_node.positions import predicted_positions
from tracker_node.tracks import Tracks

# By whether a track is confirmed, and whether the newest frame missed it; an unconfirmed track that is missed is deleted.
STATES = {False: {False: TrackState.TENTATIVE}, True: {False: TrackState.CONFIRMED, True: TrackState.LOST}}


def track_estimates(tracks: Tracks, stamp_ns: int, config: TrackerConfig) -> list[TrackEstimate]:
    """All tracks at ``stamp_ns``, the newest frame, ascending id; lost ones are confirmed tracks that this frame did not match.

    A 3D position is known while the last pose is not older than the time for which a track survives unmatched.
    """
    records = tracks.records
    boxes = measurements_to_boxes(tracks.boxes.position)
    velocities = box_velocities(tracks.boxes) * config.nominal_frame_rate
    columns = [
        records[name].tolist()
        for name in ("id", "class_id", "class_name", "score", "confirmed", "missed", "age", "hits", "detection_index")
    ]
    seconds = ((stamp_ns - records["matched_ns"]) * 1e-9).tolist()
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
    _add_positions(estimates, tracks, stamp_ns, config)
    return estimates


def _add_positions(estimates: list[TrackEstimate], tracks: Tracks, stamp_ns: int, config: TrackerConfig) -> None:
    """Fill in the 3D part where it is known: metres, metres per second, in the camera's optical frame."""
    records = tracks.records
    if not records["has_pose"].any():
        return
    rows = np.flatnonzero(records["has_pose"] & ((stamp_ns - records["pose_ns"]) * 1e-9 <= config.max_age_s))
    states = predicted_positions(tracks, rows, stamp_ns, config)
    rate = config.nominal_frame_rate
    for index, row in enumerate(rows):
        estimate = estimates[row]
        estimate.position = states.position[index].copy()
        estimate.position_covariance = np.diag(states.position_variance[index])
        estimate.velocity = states.velocity[index] * rate
        estimate.velocity_covariance = np.diag(states.velocity_variance[index] * rate**2)
        estimate.rotation = records["rotation"][row].copy()
