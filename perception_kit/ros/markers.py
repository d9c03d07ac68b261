# SPDX-License-Identifier: Apache-2.0
"""What RViz shows of poses and tracks. All markers have a lifetime; ids stay the same for the same thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Pose, Quaternion
from rclpy.duration import Duration
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from perception_kit.drawing import class_color
from perception_kit.ros.convert import point_message, quaternion_message, vector_message
from perception_kit.types import PoseEstimate, TrackEstimate, TrackState

_LIFETIME = Duration(seconds=1.0).to_msg()
_TRAIL_LIFETIME = Duration(seconds=3.0).to_msg()
_TRAIL_LENGTH = 128  # markers of a trail that can be alive at once: 3 s at up to 40 frames a second
_TEXT_HEIGHT_M = 0.04


def delete_all(header: Header) -> MarkerArray:
    """Removes every marker of the topic."""
    return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def pose_markers(poses: Sequence[PoseEstimate], header: Header) -> MarkerArray:
    """A translucent box and its axes for each pose; the n-th object of a class keeps its id."""
    message = MarkerArray()
    counts: Counter[str] = Counter()
    for pose in poses:
        place = Pose(position=point_message(pose.translation), orientation=quaternion_message(pose.rotation))
        number = counts[pose.class_name]
        counts[pose.class_name] += 1
        box = _marker(header, Marker.CUBE, pose.class_name, number, place, _color(pose.class_name, 0.4))
        box.scale = vector_message(np.maximum(pose.size, 1e-3))
        axes = _marker(header, Marker.LINE_LIST, f"{pose.class_name} axes", number, place, ColorRGBA(a=1.0))
        axes.scale.x = 0.004
        for axis in range(3):
            tip = np.eye(3)[axis] * 0.75 * float(np.max(pose.size))
            axes.points += [point_message(np.zeros(3)), point_message(tip)]
            axes.colors += [ColorRGBA(r=float(axis == 0), g=float(axis == 1), b=float(axis == 2), a=1.0)] * 2
        message.markers += [box, axes]
    return message


def track_markers(tracks: Sequence[TrackEstimate], header: Header) -> MarkerArray:
    """Name and number, and the trail of the last 3 seconds, of each track that is confirmed or lost and has a 3D position.

    Each point of a trail keeps the stamp at which it was seen, so the trail is right in any fixed frame, also with a moving camera.
    """
    message = MarkerArray()
    for track in tracks:
        if track.position is None or track.state == TrackState.TENTATIVE:
            continue
        place = Pose(position=point_message(track.position), orientation=Quaternion(w=1.0))
        color = _color(track.class_name, 1.0 if track.state == TrackState.CONFIRMED else 0.4)
        text = _marker(header, Marker.TEXT_VIEW_FACING, "tracks", track.id, place, color)
        text.text = f"{track.class_name} {track.id}" + ("" if track.state == TrackState.CONFIRMED else " (lost)")
        text.scale.z = _TEXT_HEIGHT_M
        message.markers.append(text)
        if track.state == TrackState.CONFIRMED:
            point = _marker(header, Marker.SPHERE, f"trail {track.id}", track.age % _TRAIL_LENGTH, place, color)
            point.scale.x = point.scale.y = point.scale.z = 0.01
            point.lifetime = _TRAIL_LIFETIME
            message.markers.append(point)
    return message


def _marker(header: Header, kind: int, namespace: str, number: int, place: Pose, color: ColorRGBA) -> Marker:
    return Marker(header=header, type=kind, action=Marker.ADD, ns=namespace, id=number, pose=place, color=color, lifetime=_LIFETIME)


def _color(class_name: str, opacity: float) -> ColorRGBA:
    red, green, blue = (channel / 255 for channel in class_color(class_name))
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)
