# SPDX-License-Identifier: Apache-2.0
"""The dataclasses of ``perception_kit.types`` to messages and back. Units and frames are those of ``msg/*.msg``."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from assistant_perception.msg import (
    Action,
    ActionArray,
    InstanceDetection,
    InstanceDetectionArray,
    ObjectPose,
    ObjectPoseArray,
    Track,
    TrackArray,
)
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Quaternion, Vector3
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from perception_kit.types import ActionEstimate, Instance, PoseEstimate, TrackEstimate, TrackState


def stamp_to_ns(stamp: Time) -> int:
    """Nanoseconds of a ``builtin_interfaces/Time``."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def ns_to_stamp(stamp_ns: int) -> Time:
    """``builtin_interfaces/Time`` of nanoseconds."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def quaternion_message(rotation: np.ndarray) -> Quaternion:
    """Unit quaternion (w not negative) of a (3, 3) rotation matrix."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat(canonical=True).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def rotation_from_message(quaternion: Quaternion) -> np.ndarray:
    """(3, 3) rotation matrix. Raises ValueError for a quaternion of length zero."""
    return Rotation.from_quat([quaternion.x, quaternion.y, quaternion.z, quaternion.w]).as_matrix()


def point_message(position: np.ndarray) -> Point:
    """``Point`` of a (3,) position in metres."""
    x, y, z = np.asarray(position, float).tolist()
    return Point(x=x, y=y, z=z)


def vector_message(vector: np.ndarray) -> Vector3:
    """``Vector3`` of a (3,) vector."""
    x, y, z = np.asarray(vector, float).tolist()
    return Vector3(x=x, y=y, z=z)


def xyz(message: Point | Vector3) -> np.ndarray:
    """(3,) float64 of a ``Point`` or ``Vector3``."""
    return np.array([message.x, message.y, message.z])


def detections_to_message(instances: Sequence[Instance], header: Header, width: int, height: int) -> InstanceDetectionArray:
    """All instances of one ``width`` x ``height`` image; an instance's index becomes its ``detection_id``."""
    detections = [_detection_to_message(index, instance) for index, instance in enumerate(instances)]
    return InstanceDetectionArray(header=header, image_width=width, image_height=height, detections=detections)


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


def detections_from_message(message: InstanceDetectionArray, with_masks: bool = True) -> list[Instance]:
    """Instances in the order of the message; ``with_masks`` False leaves their masks empty and unread.

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
    return np.unpackbits(packed.reshape(roi.height, row_bytes), axis=1, count=roi.width).astype(bool)


def poses_to_message(poses: Sequence[PoseEstimate], header: Header) -> ObjectPoseArray:
    """Poses of one image."""
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
        message.poses.append(pose)
    return message


def poses_from_message(message: ObjectPoseArray, damaged_as_nan: bool = False) -> list[PoseEstimate]:
    """Poses in the order of the message.

    A quaternion of length zero is no orientation: raises ValueError, or with ``damaged_as_nan`` gives a rotation of NaN, for callers who
    look at each pose by itself.
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
    )
    if track.position is not None:
        message.pose.pose.position = point_message(track.position)
    if track.velocity is not None:
        message.twist.twist.linear = vector_message(track.velocity)
    if track.rotation is not None:
        message.pose.pose.orientation = quaternion_message(track.rotation)
    if track.angular_velocity is not None:
        message.twist.twist.angular = vector_message(track.angular_velocity)
    message.pose.covariance = _covariance_message(track.position_covariance, track.rotation_covariance)
    message.twist.covariance = _covariance_message(track.velocity_covariance, track.angular_velocity_covariance)
    return message


def _covariance_message(linear: np.ndarray | None, angular: np.ndarray | None) -> np.ndarray:
    """(36,) row-major 6x6 covariance with its (3, 3) linear and angular parts filled where they are known."""
    full = np.zeros((6, 6))
    if linear is not None:
        full[:3, :3] = linear
    if angular is not None:
        full[3:, 3:] = angular
    return full.reshape(-1)


def tracks_from_message(message: TrackArray) -> list[TrackEstimate]:
    """Tracks in the order of the message."""
    return [_track_from_message(track) for track in message.tracks]


def _track_from_message(track: Track) -> TrackEstimate:
    known, turned = track.has_position, track.has_orientation
    pose_covariance, twist_covariance = (np.reshape(part.covariance, (6, 6)) for part in (track.pose, track.twist))
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


def actions_to_message(actions: Sequence[ActionEstimate], class_names: Sequence[str], header: Header) -> ActionArray:
    """The newest action of everybody in one image."""
    message = ActionArray(header=header, class_names=list(class_names))
    for estimate in actions:
        action = Action(track_id=estimate.track_id, label=estimate.label, score=float(estimate.score))
        action.class_scores = array("f", np.asarray(estimate.class_scores, np.float32).tobytes())
        action.clip_start = ns_to_stamp(estimate.clip_start_ns)
        action.clip_end = ns_to_stamp(estimate.clip_end_ns)
        message.actions.append(action)
    return message


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
