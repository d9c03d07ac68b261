# SPDX-License-Identifier: Apache-2.0
"""Converts results to standard messages, where installed: ``vision_msgs`` and TF frames.

Where they are not, ``Detection2DArray``, ``Detection3DArray`` or ``TFMessage`` is None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from geometry_msgs.msg import Pose, TransformStamped
from std_msgs.msg import Header

from perception_kit.ros.to_messages import point_message, quaternion_message, vector_message
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState

try:
    from vision_msgs.msg import (
        Detection2D,
        Detection2DArray,
        Detection3D,
        Detection3DArray,
        ObjectHypothesisWithPose,
    )
except ImportError:
    Detection2DArray = Detection3DArray = None
try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None


def detections_2d(instances: Sequence[Instance], header: Header) -> Detection2DArray:
    """Boxes in pixels, with class name and score; ``id`` is the ``detection_id``."""
    message = Detection2DArray(header=header)
    for index, instance in enumerate(instances):
        hypothesis = _hypothesis(instance.class_name, instance.score)
        detection = Detection2D(header=header, id=str(index), results=[hypothesis])

        x_min, y_min, x_max, y_max = (float(edge) for edge in instance.box)
        box = detection.bbox
        box.center.position.x, box.center.position.y = (x_min + x_max) / 2, (y_min + y_max) / 2
        box.size_x, box.size_y = x_max - x_min, y_max - y_min

        message.detections.append(detection)
    return message


def detections_3d(poses: Sequence[PoseEstimate], header: Header) -> Detection3DArray:
    """Object boxes in the frame of the header, in metres, with class name and confidence.

    ``id`` is the ``detection_id``.
    """
    message = Detection3DArray(header=header)
    for pose in poses:
        hypothesis = _hypothesis(pose.class_name, pose.confidence)
        hypothesis.pose.pose = Pose(
            position=point_message(pose.translation), orientation=quaternion_message(pose.rotation)
        )
        detection = Detection3D(header=header, id=str(pose.detection_index), results=[hypothesis])
        detection.bbox.center, detection.bbox.size = hypothesis.pose.pose, vector_message(pose.size)
        message.detections.append(detection)
    return message


def tf_message_type() -> type:
    """``TFMessage``. Raises RuntimeError where ``tf2_msgs`` is missing."""
    if TFMessage is None:
        raise RuntimeError(
            "'publish_tf' needs tf2_msgs, which is not installed: source a full ROS 2, or set the"
            " parameter to false"
        )
    return TFMessage


def track_frames(tracks: Sequence[TrackEstimate], header: Header, prefix: str = "") -> TFMessage:
    """A frame ``PREFIX`` ``CLASS_ID`` for each confirmed track whose pose is known.

    Its parent is the camera's optical frame. Characters of the class that are no letter, digit or
    underscore become underscores.
    """
    message = TFMessage()
    for track in tracks:
        if track.state != TrackState.CONFIRMED or track.position is None or track.rotation is None:
            continue

        name = f"{prefix}{re.sub(r'[^0-9A-Za-z_]', '_', track.class_name)}_{track.id}"
        frame = TransformStamped(header=header, child_frame_id=name)
        frame.transform.translation = vector_message(track.position)
        frame.transform.rotation = quaternion_message(track.rotation)
        message.transforms.append(frame)
    return message


def _hypothesis(class_name: str, score: float) -> ObjectHypothesisWithPose:
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = class_name, float(score)
    return hypothesis
