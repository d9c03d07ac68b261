# SPDX-License-Identifier: Apache-2.0
"""Converts messages to the dataclasses of ``perception_kit.types``.

Units and frames are those of ``msg/*.msg``. The messages may be objects of ROS or of ``rosbags``:
nothing of ROS is imported here.

Elements are converted one by one. Where a list ``rejected`` is given, it gets (index, reason) of
each element that cannot be used, which costs no other; without it ValueError is raised.
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


Rejected = list[tuple[int, str]]

# A shorter quaternion has no direction but that of rounding.
_MIN_QUATERNION_NORM = 1e-6


def rotation_from_message(quaternion: Quaternion) -> np.ndarray:
    """(3, 3) rotation matrix of a quaternion of any length.

    Raises ValueError where it is not finite or has no length.
    """
    components = np.array([quaternion.x, quaternion.y, quaternion.z, quaternion.w])
    with np.errstate(over="ignore"):  # a length beyond float64 is infinite, and refused
        norm = np.linalg.norm(components)
    if not (np.isfinite(norm) and norm >= _MIN_QUATERNION_NORM):
        raise ValueError(
            f"quaternion (x, y, z, w) = {tuple(components.tolist())} is no orientation: expected"
            " finite numbers and a length of 1"
        )
    return Rotation.from_quat(components / norm).as_matrix()


def xyz(message: Point | Vector3) -> np.ndarray:
    """(3,) float64 of a ``Point`` or ``Vector3``."""
    return np.array([message.x, message.y, message.z])


def detections_from_message(
    message: InstanceDetectionArray,
    with_masks: bool = True,
    rejected: Rejected | None = None,
) -> list[Instance]:
    """Instances in the order of the message; their masks stay empty unless ``with_masks``.

    A mask that has not the bytes that its rectangle needs, or that reaches out of the image, is
    left empty in the rejected ones, which keep their place: poses and tracks refer to it.
    """
    return [
        Instance(
            class_id=detection.class_id,
            class_name=detection.class_name,
            score=detection.score,
            box=np.asarray(detection.box, np.float32),
            mask=_mask_or_empty(message, index, rejected) if with_masks else _no_mask(),
            mask_origin=(detection.mask_roi.x_offset, detection.mask_roi.y_offset),
            descriptor=np.asarray(detection.descriptor, np.float32),
        )
        for index, detection in enumerate(message.detections)
    ]


def _no_mask() -> np.ndarray:
    return np.zeros((0, 0), bool)


def _mask_or_empty(
    message: InstanceDetectionArray, index: int, rejected: Rejected | None
) -> np.ndarray:
    """(height, width) bool mask of a detection, empty where it is rejected."""
    detection = message.detections[index]
    try:
        return _mask_from_message(detection, message.image_width, message.image_height)
    except ValueError as error:
        _reject(rejected, index, error)
        return _no_mask()


def _mask_from_message(detection: InstanceDetection, width: int, height: int) -> np.ndarray:
    """(height, width) bool mask of bits that are packed by rows."""
    roi = detection.mask_roi
    row_bytes = (roi.width + 7) // 8
    packed = np.asarray(detection.mask, np.uint8)
    name = f"detection {detection.detection_id}"
    if packed.size != roi.height * row_bytes:
        raise ValueError(
            f"{name}: mask has {packed.size} bytes, "
            f"expected {roi.height} rows of {row_bytes} for its {roi.width}x{roi.height} rectangle"
        )
    if packed.size and (roi.x_offset + roi.width > width or roi.y_offset + roi.height > height):
        raise ValueError(
            f"{name}: mask of {roi.width}x{roi.height} pixels at ({roi.x_offset}, {roi.y_offset})"
            f" reaches out of the image of {width}x{height}"
        )
    rows = packed.reshape(roi.height, row_bytes)
    return np.unpackbits(rows, axis=1, count=roi.width).astype(bool)


def poses_from_message(
    message: ObjectPoseArray, damaged_as_nan: bool = False, rejected: Rejected | None = None
) -> list[PoseEstimate]:
    """Poses in the order of the message, without the rejected ones.

    With ``damaged_as_nan`` a quaternion that is no orientation gives a rotation of NaN, for callers
    who look at each pose by themselves.
    """
    to_rotation = _rotation_or_nan if damaged_as_nan else rotation_from_message
    estimates = []
    for index, pose in enumerate(message.poses):
        try:
            estimate = PoseEstimate(
                detection_index=pose.detection_id,
                class_id=pose.class_id,
                class_name=pose.class_name,
                rotation=to_rotation(pose.pose.orientation),
                translation=xyz(pose.pose.position),
                confidence=pose.confidence,
                size=xyz(pose.size),
                size_std=xyz(pose.size_std) if getattr(pose, "size_estimated", False) else None,
            )
            if not damaged_as_nan:
                _check_finite("position", estimate.translation)
                _check_finite("size", estimate.size)
                if estimate.size_std is not None:
                    _check_finite("size_std", estimate.size_std)
        except ValueError as error:
            _reject(rejected, index, error)
        else:
            estimates.append(estimate)
    return estimates


def _rotation_or_nan(quaternion: Quaternion) -> np.ndarray:
    """(3, 3) rotation matrix, NaN for a quaternion that is no orientation."""
    try:
        return rotation_from_message(quaternion)
    except ValueError:
        return np.full((3, 3), np.nan)


def _check_finite(name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} is {np.asarray(values).tolist()}, expected finite numbers")


def _reject(rejected: Rejected | None, index: int, error: ValueError) -> None:
    """Note an element that cannot be used, or raise where nobody asks for the list."""
    if rejected is None:
        raise error
    rejected.append((index, str(error)))


def tracks_from_message(
    message: TrackArray, rejected: Rejected | None = None
) -> list[TrackEstimate]:
    """Tracks in the order of the message, without the rejected ones."""
    estimates = []
    for index, track in enumerate(message.tracks):
        try:
            estimates.append(_track_from_message(track))
        except ValueError as error:
            _reject(rejected, index, error)
    return estimates


def _track_from_message(track: Track) -> TrackEstimate:
    estimate = TrackEstimate(
        id=track.id,
        class_id=track.class_id,
        class_name=track.class_name,
        state=_track_state(track.state),
        score=track.score,
        age=track.age,
        hits=track.hits,
        time_since_update=track.time_since_update,
        detection_index=track.detection_id,
        box=np.asarray(track.box, np.float32),
        box_velocity=np.asarray(track.box_velocity, np.float32),
    )
    _check_finite("box", estimate.box)
    _check_finite("box_velocity", estimate.box_velocity)
    pose, twist = track.pose.pose, track.twist.twist
    pose_covariance = np.reshape(track.pose.covariance, (6, 6))
    twist_covariance = np.reshape(track.twist.covariance, (6, 6))

    if track.has_position:
        estimate.position = xyz(pose.position)
        estimate.position_covariance = pose_covariance[:3, :3].copy()
        estimate.velocity = xyz(twist.linear)
        estimate.velocity_covariance = twist_covariance[:3, :3].copy()
        _check_finite("position", estimate.position)
        _check_finite("velocity", estimate.velocity)

    if track.has_orientation:
        estimate.rotation = rotation_from_message(pose.orientation)
        estimate.rotation_covariance = pose_covariance[3:, 3:].copy()
        estimate.angular_velocity = xyz(twist.angular)
        estimate.angular_velocity_covariance = twist_covariance[3:, 3:].copy()

    # Recordings of earlier versions have no sizes.
    if getattr(track, "has_size", False):
        estimate.size, estimate.size_std = xyz(track.size), xyz(track.size_std)
        _check_finite("size", estimate.size)
        _check_finite("size_std", estimate.size_std)

    return estimate


def _track_state(value: int) -> TrackState:
    try:
        return TrackState(value)
    except ValueError:
        known = ", ".join(f"{state.value} ({state.name})" for state in TrackState)
        raise ValueError(f"track state {value} is not one of {known}") from None


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
