# SPDX-License-Identifier: Apache-2.0
"""What RViz shows of poses and tracks.

All markers have a lifetime; ids stay the same for the same thing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from geometry_msgs.msg import Pose, Quaternion
from rclpy.duration import Duration
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from perception_kit.colors import FALL_LABEL, class_color
from perception_kit.datasets.bop import read_models
from perception_kit.resources import resolve_path
from perception_kit.ros.from_messages import stamp_to_ns
from perception_kit.ros.to_messages import point_message, quaternion_message, vector_message
from perception_kit.types import ActionEstimate, PoseEstimate, TrackEstimate, TrackState

TRAIL_S = 3.0
_LIFETIME = Duration(seconds=1.0).to_msg()
_TRAIL_LENGTH = 128  # markers of a trail that can be alive at once: 3 s at up to 40 frames a second
_FADE_STEPS = 6
_SHORTEST_LIFETIME_S = 0.05  # 0 would mean for ever
_TEXT_HEIGHT_M, _ACTION_HEIGHT_M = 0.04, 0.1
_ABOVE_M = np.array([0.0, 0.4, 0.0])  # y points down in an optical frame
_FAINT = 0.15
_PERSON = "person"
_MILLIMETER = 1e-3  # unit of the meshes in a BOP models folder


def delete_all(header: Header) -> MarkerArray:
    """Removes every marker of the topic."""
    return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def mesh_resources(folder: str) -> dict[str, str]:
    """Where RViz finds the mesh of each class of a BOP models folder, given as a path or as
    ``package://PACKAGE/PATH``, by class name.

    Raises DatasetError for a folder that cannot be read.
    """
    models = [
        model for model in read_models(resolve_path(folder)).values() if model.mesh_path is not None
    ]
    if folder.startswith("package://"):
        return {model.name: f"{folder.rstrip('/')}/{model.mesh_path.name}" for model in models}
    return {model.name: model.mesh_path.resolve().as_uri() for model in models}


def pose_markers(
    poses: Sequence[PoseEstimate], header: Header, meshes: Mapping[str, str] = MappingProxyType({})
) -> MarkerArray:
    """The mesh, or where ``meshes`` (resources by class name) has none a translucent box, and the
    axes of each pose.

    The n-th object of a class keeps its id. An unsure pose is faint and has no axes.
    """
    message = MarkerArray()
    counts: Counter[str] = Counter()
    for pose in poses:
        place = Pose(
            position=point_message(pose.translation), orientation=quaternion_message(pose.rotation)
        )
        number = counts[pose.class_name]
        counts[pose.class_name] += 1
        opacity = None if pose.is_confident else _FAINT
        if pose.class_name in meshes:
            body = _marker(
                header,
                Marker.MESH_RESOURCE,
                pose.class_name,
                number,
                place,
                _color(pose.class_name, opacity or 0.8),
            )
            body.mesh_resource = meshes[pose.class_name]
            body.scale.x = body.scale.y = body.scale.z = _MILLIMETER
        else:
            body = _marker(
                header,
                Marker.CUBE,
                pose.class_name,
                number,
                place,
                _color(pose.class_name, opacity or 0.4),
            )
            body.scale = vector_message(np.maximum(pose.size, 1e-3))
        message.markers.append(body)
        if not pose.is_confident:
            continue
        axes = _marker(
            header, Marker.LINE_LIST, f"{pose.class_name} axes", number, place, ColorRGBA(a=1.0)
        )
        axes.scale.x = 0.004
        for axis in range(3):
            tip = np.eye(3)[axis] * 0.75 * float(np.max(pose.size))
            axes.points += [point_message(np.zeros(3)), point_message(tip)]
            axes.colors += [
                ColorRGBA(r=float(axis == 0), g=float(axis == 1), b=float(axis == 2), a=1.0)
            ] * 2
        message.markers.append(axes)
    return message


def track_markers(tracks: Sequence[TrackEstimate], header: Header) -> MarkerArray:
    """Name and number of each track that is confirmed or lost and has a 3D position."""
    message = MarkerArray()
    for track in tracks:
        if track.position is None or track.state == TrackState.TENTATIVE:
            continue
        is_confirmed = track.state == TrackState.CONFIRMED
        text = f"{track.class_name} {track.id}" + ("" if is_confirmed else " (lost)")
        color = _color(track.class_name, 1.0 if is_confirmed else 0.4)
        message.markers.append(text_marker(header, "tracks", track.id, track.position, text, color))
    return message


def action_markers(
    actions: Sequence[ActionEstimate],
    tracks: Sequence[TrackEstimate],
    places: Mapping[int, np.ndarray | None],
    header: Header,
) -> MarkerArray:
    """What people do, written over them; a fall in its red and three times as large.

    ``places`` (3,) by detection. The action of the whole image belongs to the person, where there
    is just one.
    """
    message = MarkerArray()
    people = [
        track
        for track in tracks
        if track.class_name == _PERSON and places.get(track.detection_index) is not None
    ]
    for action in actions:
        whose = (
            people
            if action.track_id < 0 and len(people) == 1
            else [track for track in people if track.id == action.track_id]
        )
        for track in whose:
            is_fall = action.label == FALL_LABEL
            text = f"{track.class_name} {track.id}: {'FALL' if is_fall else action.label or '?'}"
            color = _color(FALL_LABEL if is_fall else track.class_name, 1.0)
            marker = text_marker(
                header, "actions", track.id, places[track.detection_index] - _ABOVE_M, text, color
            )
            marker.scale.z = _ACTION_HEIGHT_M * (3 if is_fall else 1)
            message.markers.append(marker)
    return message


def text_marker(
    header: Header, namespace: str, number: int, position: np.ndarray, text: str, color: ColorRGBA
) -> Marker:
    """A line of text at a (3,) position that always faces the viewer."""
    place = Pose(position=point_message(position), orientation=Quaternion(w=1.0))
    marker = _marker(header, Marker.TEXT_VIEW_FACING, namespace, number, place, color)
    marker.text = text
    marker.scale.z = _TEXT_HEIGHT_M
    return marker


@dataclass
class _TrailPoint:
    """One place of a track and how often it has been sent, each time more transparent."""

    marker: Marker
    stamp_ns: int
    sent: int = 0


class Trails:
    """Trails of the last 3 seconds that fade: a point is sent again, more transparent, as it grows
    old.

    Each point keeps the stamp at which it was seen, so a trail is right in any fixed frame, also
    with a moving camera.
    """

    def __init__(self) -> None:
        self._points: dict[int, deque[_TrailPoint]] = {}

    def update(self, tracks: Sequence[TrackEstimate], header: Header) -> list[Marker]:
        """What is new or has faded after the frame of ``header``.

        Only confirmed tracks with a 3D position leave a trail.
        """
        now_ns = stamp_to_ns(header.stamp)
        for track in tracks:
            if track.position is not None and track.state == TrackState.CONFIRMED:
                place = Pose(position=point_message(track.position), orientation=Quaternion(w=1.0))
                number = track.age % _TRAIL_LENGTH
                marker = _marker(
                    header,
                    Marker.SPHERE,
                    f"trail {track.id}",
                    number,
                    place,
                    _color(track.class_name, 1.0),
                )
                marker.scale.x = marker.scale.y = marker.scale.z = 0.01
                self._points.setdefault(track.id, deque(maxlen=_TRAIL_LENGTH)).append(
                    _TrailPoint(marker, now_ns)
                )
        changed = [marker for points in self._points.values() for marker in _faded(points, now_ns)]
        self._points = {number: points for number, points in self._points.items() if points}
        return changed

    def reset(self) -> None:
        """Forget all trails."""
        self._points.clear()


def _faded(points: deque[_TrailPoint], now_ns: int) -> Iterator[Marker]:
    """Markers of the points that are to be sent now; points at their end are removed."""
    while points and now_ns - points[0].stamp_ns >= TRAIL_S * 1e9:
        points.popleft()
    for point in points:
        age_s = (now_ns - point.stamp_ns) * 1e-9
        step = int(age_s / TRAIL_S * _FADE_STEPS) + 1
        if step > point.sent:
            point.sent = step
            point.marker.color.a = 1.0 - (step - 1) / _FADE_STEPS
            point.marker.lifetime = Duration(
                seconds=max(TRAIL_S - age_s, _SHORTEST_LIFETIME_S)
            ).to_msg()
            yield point.marker


def _marker(
    header: Header, kind: int, namespace: str, number: int, place: Pose, color: ColorRGBA
) -> Marker:
    return Marker(
        header=header,
        type=kind,
        action=Marker.ADD,
        ns=namespace,
        id=number,
        pose=place,
        color=color,
        lifetime=_LIFETIME,
    )


def _color(class_name: str, opacity: float) -> ColorRGBA:
    red, green, blue = (channel / 255 for channel in class_color(class_name))
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)
