# SPDX-License-Identifier: Apache-2.0
"""Messages to the dataclasses of ``perception_kit.types``.

Units and frames are those of ``msg/*.msg``.
"""

from __future__ import annotations

import numpy as np
from assistant_perception.msg import (
    ActionArray,
    InstanceDetection,
    InstanceDetectionArray,
    ObjectPoseArray,
    Track,
    TrackArray,
)
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Quaternion, Vector3
from scipy.spatial.transform import Rotation

from perception_kit.types import ActionEstimate, Instance, PoseEstimate, TrackEstimate, TrackState


def stamp_to_ns(stamp: Time) -> int:
    """Nanoseconds of a ``builtin_interfaces/Time``."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def rotation_from_message(quaternion: Quaternion) -> np.ndarray:
    """(3, 3) rotation matrix. Raises ValueError for a quaternion of length zero."""
    return Rotation.from_quat([quaternion.x, quaternion.y, quaternion.z, quaternion.w]).as_matrix()


def xyz(message: Point | Vector3) -> np.ndarray:
    """(3,) float64 of a ``Point`` or ``Vector3``."""
    return np.array([message.x, message.y, message.z])


def detections_from_message(
    message: InstanceDetectionArray, with_masks: bool = True
) -> list[Instance]:
    """Instances in the order of the message; ``with_masks`` False leaves their masks empty and
    unread.

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
    roi = detection.mask_roi
    row_bytes = (roi.width + 7) // 8
    packed = np.asarray(detection.mask, np.uint8)
    if packed.size != roi.height * row_bytes:
        raise ValueError(
            f"detection {detection.detection_id}: mask has {packed.size} bytes, "
            f"expected {roi.height} rows of {row_bytes} for its {roi.width}x{roi.height} rectangle"
        )
    return np.unpackbits(packed.reshape(roi.height, row_bytes), axis=1, count=roi.width).astype(
        bool
    )


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
    known, turned = track.has_position, track.has_orientation
    pose_covariance, twist_covariance = (
        np.reshape(part.covariance, (6, 6)) for part in (track.pose, track.twist)
    )
    return TrackEstimate(
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
        position=xyz(track.pose.pose.position) if known else None,
        position_covariance=pose_covariance[:3, :3].copy() if known else None,
        velocity=xyz(track.twist.twist.linear) if known else None,
        velocity_covariance=twist_covariance[:3, :3].copy() if known else None,
        rotation=rotation_from_message(track.pose.pose.orientation) if turned else None,
        rotation_covariance=pose_covariance[3:, 3:].copy() if turned else None,
        angular_velocity=xyz(track.twist.twist.angular) if turned else None,
        angular_velocity_covariance=twist_covariance[3:, 3:].copy() if turned else None,
    )


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
