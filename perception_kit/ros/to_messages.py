# SPDX-License-Identifier: Apache-2.0
"""Converts the dataclasses of ``perception_kit.types`` to messages.

Units and frames are those of ``msg/*.msg``.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from assistant_perception.msg import (
    Action,
    ActionArray,
    FallAlarm,
    FallAlarmArray,
    FusedTrackArray,
    InstanceDetection,
    InstanceDetectionArray,
    ObjectPose,
    ObjectPoseArray,
    Track,
    TrackArray,
)
from assistant_perception.msg import (
    FusedTrack as FusedTrackMessage,
)
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Quaternion, Vector3
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from perception_kit import types
from perception_kit.types import ActionEstimate, Instance, PoseEstimate, TrackEstimate

if TYPE_CHECKING:
    from perception_kit.fusion.track_fusion import FusedTrack


def ns_to_stamp(stamp_ns: int) -> Time:
    """``builtin_interfaces/Time`` of nanoseconds."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def quaternion_message(rotation: np.ndarray) -> Quaternion:
    """Unit quaternion (w not negative) of a (3, 3) rotation matrix."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat(canonical=True).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def point_message(position: np.ndarray) -> Point:
    """``Point`` of a (3,) position in metres."""
    x, y, z = np.asarray(position, float).tolist()
    return Point(x=x, y=y, z=z)


def vector_message(vector: np.ndarray) -> Vector3:
    """``Vector3`` of a (3,) vector."""
    x, y, z = np.asarray(vector, float).tolist()
    return Vector3(x=x, y=y, z=z)


def detections_to_message(
    instances: Sequence[Instance], header: Header, width: int, height: int
) -> InstanceDetectionArray:
    """All instances of one ``width`` x ``height`` image.

    The index of an instance becomes its ``detection_id``.
    """
    message = InstanceDetectionArray(header=header, image_width=width, image_height=height)
    message.detections = [
        _detection_to_message(index, instance) for index, instance in enumerate(instances)
    ]
    return message


def _detection_to_message(index: int, instance: Instance) -> InstanceDetection:
    height, width = instance.mask.shape
    x, y = instance.mask_origin
    return InstanceDetection(
        detection_id=index,
        class_id=instance.class_id,
        class_name=instance.class_name,
        score=float(instance.score),
        box=np.asarray(instance.box, np.float32),
        mask_roi=RegionOfInterest(x_offset=int(x), y_offset=int(y), width=width, height=height),
        mask=array("B", np.packbits(instance.mask, axis=1).tobytes()),
        descriptor=array("f", np.asarray(instance.descriptor, np.float32).tobytes()),
    )


def poses_to_message(poses: Sequence[PoseEstimate], header: Header) -> ObjectPoseArray:
    """All poses of one image."""
    message = ObjectPoseArray(header=header)
    for estimate in poses:
        pose = ObjectPose(
            detection_id=estimate.detection_index,
            class_id=estimate.class_id,
            class_name=estimate.class_name,
            confidence=float(estimate.confidence),
            size=vector_message(estimate.size),
        )

        pose.pose.position = point_message(estimate.translation)
        pose.pose.orientation = quaternion_message(estimate.rotation)
        if estimate.size_std is not None:
            pose.size_estimated = True
            pose.size_std = vector_message(estimate.size_std)
        message.poses.append(pose)
    return message


def tracks_to_message(tracks: Sequence[TrackEstimate], header: Header) -> TrackArray:
    """All tracks after one frame."""
    return TrackArray(header=header, tracks=[_track_to_message(track) for track in tracks])


def _track_to_message(track: TrackEstimate) -> Track:
    message = Track(
        id=track.id,
        class_id=track.class_id,
        class_name=track.class_name,
        state=int(track.state),
        score=float(track.score),
        age=track.age,
        hits=track.hits,
        time_since_update=float(track.time_since_update),
        detection_id=track.detection_index,
        box=np.asarray(track.box, np.float32),
        box_velocity=np.asarray(track.box_velocity, np.float32),
        has_position=track.position is not None,
        has_orientation=track.rotation is not None,
        has_size=track.size is not None,
    )

    # What is not known stays at the message's default.
    if track.position is not None:
        message.pose.pose.position = point_message(track.position)
    if track.velocity is not None:
        message.twist.twist.linear = vector_message(track.velocity)
    if track.rotation is not None:
        message.pose.pose.orientation = quaternion_message(track.rotation)
    if track.angular_velocity is not None:
        message.twist.twist.angular = vector_message(track.angular_velocity)
    if track.size is not None and track.size_std is not None:
        message.size = vector_message(track.size)
        message.size_std = vector_message(track.size_std)

    message.pose.covariance = _covariance_message(
        track.position_covariance, track.rotation_covariance
    )
    message.twist.covariance = _covariance_message(
        track.velocity_covariance, track.angular_velocity_covariance
    )
    return message


def _covariance_message(linear: np.ndarray | None, angular: np.ndarray | None) -> np.ndarray:
    """(36,) row-major 6x6 covariance of its (3, 3) linear and angular blocks; 0 where unknown."""
    full = np.zeros((6, 6))
    if linear is not None:
        full[:3, :3] = linear
    if angular is not None:
        full[3:, 3:] = angular
    return full.reshape(-1)


def fall_alarms_to_message(alarms: Sequence[types.FallAlarm], header: Header) -> FallAlarmArray:
    """The fall alarms that are on in one image."""
    message = FallAlarmArray(header=header)
    for alarm in alarms:
        item = FallAlarm(track_id=alarm.track_id, confirmed=alarm.confirmed_ns is not None)
        item.first_sign = ns_to_stamp(alarm.first_sign_ns)
        item.raised = ns_to_stamp(alarm.raised_ns)
        if alarm.confirmed_ns is not None:
            item.confirmed_at = ns_to_stamp(alarm.confirmed_ns)
        message.alarms.append(item)
    return message


def fused_tracks_to_message(
    tracks: Sequence[FusedTrack], header: Header, camera: str, alone: Mapping[str, str]
) -> FusedTrackArray:
    """All identities after a frame of ``camera``; ``alone`` has the reason by camera."""
    message = FusedTrackArray(header=header, camera=camera)
    message.alone, message.reasons = list(alone), list(alone.values())
    message.tracks = [_fused_track_to_message(track) for track in tracks]
    return message


def _fused_track_to_message(track: FusedTrack) -> FusedTrackMessage:
    message = FusedTrackMessage(
        id=track.id,
        class_id=track.class_id,
        class_name=track.class_name,
        score=float(track.score),
        time_since_update=float(track.time_since_update),
        cameras=list(track.tracks),
        track_ids=list(track.tracks.values()),
        has_position=track.position is not None,
        has_orientation=track.rotation is not None,
    )

    # What is not known stays at the message's default.
    if track.position is not None:
        message.pose.pose.position = point_message(track.position)
    if track.velocity is not None:
        message.velocity = vector_message(track.velocity)
    if track.rotation is not None:
        message.pose.pose.orientation = quaternion_message(track.rotation)
    if track.variance is not None:
        message.pose.covariance = _covariance_message(np.eye(3) * track.variance, None)
    return message


def actions_to_message(
    actions: Sequence[ActionEstimate], class_names: Sequence[str], header: Header
) -> ActionArray:
    """The newest action of everybody in one image."""
    message = ActionArray(header=header, class_names=list(class_names))
    for estimate in actions:
        action = Action(track_id=estimate.track_id, label=estimate.label)
        action.score = float(estimate.score)
        action.class_scores = array("f", np.asarray(estimate.class_scores, np.float32).tobytes())
        action.clip_start = ns_to_stamp(estimate.clip_start_ns)
        action.clip_end = ns_to_stamp(estimate.clip_end_ns)
        message.actions.append(action)
    return message
