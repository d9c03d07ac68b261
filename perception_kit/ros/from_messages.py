# SPDX-License-Identifier: Apache-2.0
"""Converts messages to the dataclasses of ``perception_kit.types``.

Units and frames are those of ``msg/*.msg``. The messages may be objects of ROS or of ``rosbags``:
nothing of ROS is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.stamps import stamp_to_ns
from perception_kit.types import ActionEstimate, Instance, PoseEstimate, TrackEstimate, TrackState

if TYPE_CHECKING:
    from assistant_perception.msg import (
        ActionArray,
        InstanceDetection,
        InstanceDetectionArray,
        ObjectPoseArray,
        Track,
        TrackArray,
    )
    from geometry_msgs.msg import Point, Quaternion, Vector3


def rotation_from_message(quaternion: Quaternion) -> np.ndarray:
    """(3, 3) rotation matrix. Raises ValueError for a quaternion of length zero."""
    return Rotation.from_quat([quaternion.x, quaternion.y, quaternion.z, quaternion.w]).as_matrix()


def xyz(message: Point | Vector3) -> np.ndarray:
    """(3,) float64 of a ``Point`` or ``Vector3``."""
    return np.array([message.x, message.y, message.z])


def detections_from_message(
    message: InstanceDetectionArray, with_masks: bool = True
) -> list[Instance]:
    """Instances in the order of the message; their masks stay empty unless ``with_masks``.

    Raises ValueError where a mask has not the bytes that its rectangle needs.
    """
    return [
        Instance(
            class_id=detection.class_id,
            class_name=detection.class_name,
            score=detection.score,
            box=np.asarray(detection.box, np.float32),
            mask=_mask_from_message(detection) if with_masks else np.zeros((0, 0), bool),
            mask_origin=(detection.mask_roi.x_offset, detection.mask_roi.y_offset),
            descriptor=np.asarray(detection.descriptor, np.float32),
        )
        for detection in message.detections
    ]


def _mask_from_message(detection: InstanceDetection) -> np.ndarray:
    """(height, width) bool mask of bits that are packed by rows."""
    roi = detection.mask_roi
    row_bytes = (roi.width + 7) // 8
    packed = np.asarray(detection.mask, np.uint8)
    if packed.size != roi.height * row_bytes:
        raise ValueError(
            f"detection {detection.detection_id}: mask has {packed.size} bytes, "
            f"expected {roi.height} rows of {row_bytes} for its {roi.width}x{roi.height} rectangle"
        )
    rows = packed.reshape(roi.height, row_bytes)
    return np.unpackbits(rows, axis=1, count=roi.width).astype(bool)


def poses_from_message(
    message: ObjectPoseArray, damaged_as_nan: bool = False
) -> list[PoseEstimate]:
    """Poses in the order of the message.

    A quaternion of length zero is no orientation: raises ValueError, or with ``damaged_as_nan``
    gives a rotation of NaN, for callers who look at each pose by itself.
    """
    to_rotation = _rotation_or_nan if damaged_as_nan else rotation_from_message
    return [
        PoseEstimate(
            detection_index=pose.detection_id,
            class_id=pose.class_id,
            class_name=pose.class_name,
            rotation=to_rotation(pose.pose.orientation),
            translation=xyz(pose.pose.position),
            confidence=pose.confidence,
            size=xyz(pose.size),
        )
        for pose in message.poses
    ]


def _rotation_or_nan(quaternion: Quaternion) -> np.ndarray:
    """(3, 3) rotation matrix, NaN for a quaternion of length zero."""
    if quaternion.x == quaternion.y == quaternion.z == quaternion.w == 0.0:
        return np.full((3, 3), np.nan)
    return rotation_from_message(quaternion)


def tracks_from_message(message: TrackArray) -> list[TrackEstimate]:
    """Tracks in the order of the message."""
    return [_track_from_message(track) for track in message.tracks]


def _track_from_message(track: Track) -> TrackEstimate:
    estimate = TrackEstimate(
        id=track.id,
        class_id=track.class_id,
        class_name=track.class_name,
        state=TrackState(track.state),
        score=track.score,
        age=track.age,
        hits=track.hits,
        time_since_update=track.time_since_update,
        detection_index=track.detection_id,
        box=np.asarray(track.box, np.float32),
        box_velocity=np.asarray(track.box_velocity, np.float32),
    )
    pose, twist = track.pose.pose, track.twist.twist
    pose_covariance = np.reshape(track.pose.covariance, (6, 6))
    twist_covariance = np.reshape(track.twist.covariance, (6, 6))

    if track.has_position:
        estimate.position = xyz(pose.position)
        estimate.position_covariance = pose_covariance[:3, :3].copy()
        estimate.velocity = xyz(twist.linear)
        estimate.velocity_covariance = twist_covariance[:3, :3].copy()

    if track.has_orientation:
        estimate.rotation = rotation_from_message(pose.orientation)
        estimate.rotation_covariance = pose_covariance[3:, 3:].copy()
        estimate.angular_velocity = xyz(twist.angular)
        estimate.angular_velocity_covariance = twist_covariance[3:, 3:].copy()

    return estimate


def actions_from_message(message: ActionArray) -> list[ActionEstimate]:
    """Actions in the order of the message."""
    return [
        ActionEstimate(
            label=action.label,
            score=action.score,
            class_scores=np.asarray(action.class_scores, np.float32),
            clip_start_ns=stamp_to_ns(action.clip_start),
            clip_end_ns=stamp_to_ns(action.clip_end),
            track_id=action.track_id,
        )
        for action in message.actions
    ]
