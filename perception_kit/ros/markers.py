# SPDX-License-Identifier: Apache-2.0
"""RViz markers of poses, tracks and actions.

All markers have a lifetime. An object, a track or a person keeps its marker ids.
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
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.resources import resolve_path
from perception_kit.ros.to_messages import point_message, quaternion_message, vector_message
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import ActionEstimate, PoseEstimate, TrackEstimate, TrackState

TRAIL_S = 3.0
_LIFETIME = Duration(seconds=1.0).to_msg()
_TRAIL_LENGTH = 128  # markers of a trail that can be alive at once: 3 s at up to 40 frames a second
_FADE_STEPS = 6
_SHORTEST_LIFETIME_S = 0.05  # 0 would mean for ever

_TEXT_HEIGHT_M, _ACTION_HEIGHT_M = 0.04, 0.1
_ABOVE_M = np.array([0.0, 0.4, 0.0])  # y points down in an optical frame

_MESH_OPACITY, _BOX_OPACITY, _UNSURE_OPACITY = 0.8, 0.4, 0.15
_AXIS_LENGTH = 0.75  # of the object's largest extent
_AXIS_WIDTH_M, _TRAIL_POINT_M = 0.004, 0.01

_PERSON = "person"


def delete_all(header: Header) -> MarkerArray:
    """Removes every marker of the topic."""
    return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


@dataclass(frozen=True)
class MeshResource:
    """Where a mesh lies, metres per unit of it, and the extents of its object, metres."""

    uri: str
    scale: float
    size: tuple[float, ...]


def mesh_resources(folder: str, mesh_unit: MeshUnit = "auto") -> dict[str, MeshResource]:
    """Mesh of each class of a folder of models, by class name.

    ``folder`` is a path or ``package://PACKAGE/PATH``, ``mesh_unit`` that of the meshes. Raises
    DatasetError for a folder that cannot be read.
    """
    from perception_kit.datasets.opener import open_models  # few nodes read data sets

    root = resolve_path(folder)
    resources = {}
    for model in open_models(root, mesh_unit).values():
        if model.mesh_path is None:
            continue
        uri = model.mesh_path.resolve().as_uri()
        if folder.startswith("package://"):
            uri = f"{folder.rstrip('/')}/{model.mesh_path.relative_to(root).as_posix()}"
        resources[model.name] = MeshResource(uri, model.meters_per_unit, tuple(model.size.tolist()))
    return resources


def pose_markers(
    poses: Sequence[PoseEstimate],
    header: Header,
    meshes: Mapping[str, MeshResource] = MappingProxyType({}),
) -> MarkerArray:
    """Each pose as the mesh of its object, or a translucent box, with axes.

    ``meshes`` are by class name. The n-th object of a class keeps its id. A pose that is not
    confident is faint and has no axes.
    """
    message = MarkerArray()
    counts: Counter[str] = Counter()
    for pose in poses:
        number = counts[pose.class_name]
        counts[pose.class_name] += 1
        message.markers.append(_body(pose, number, header, meshes.get(pose.class_name)))
        if pose.is_confident:
            message.markers.append(_axes(pose, number, header))
    return message


def _body(pose: PoseEstimate, number: int, header: Header, mesh: MeshResource | None) -> Marker:
    """Mesh of an object, or its box where there is none."""
    opacity = _BOX_OPACITY if mesh is None else _MESH_OPACITY
    color = _color(pose.class_name, opacity if pose.is_confident else _UNSURE_OPACITY)
    kind = Marker.CUBE if mesh is None else Marker.MESH_RESOURCE
    body = _marker(header, kind, pose.class_name, number, _pose_message(pose), color)

    if mesh is None:
        body.scale = vector_message(np.maximum(pose.size, 1e-3))
    else:
        body.mesh_resource = mesh.uri
        body.scale = vector_message(mesh.scale * pose.stretch(np.array(mesh.size)))
    return body


def _axes(pose: PoseEstimate, number: int, header: Header) -> Marker:
    """The axes of an object's frame: x red, y green, z blue."""
    namespace, black = f"{pose.class_name} axes", ColorRGBA(a=1.0)
    axes = _marker(header, Marker.LINE_LIST, namespace, number, _pose_message(pose), black)
    axes.scale.x = _AXIS_WIDTH_M

    for direction in np.eye(3):
        tip = direction * _AXIS_LENGTH * float(np.max(pose.size))
        axes.points += [point_message(np.zeros(3)), point_message(tip)]
        red, green, blue = direction.tolist()
        axes.colors += [ColorRGBA(r=red, g=green, b=blue, a=1.0)] * 2
    return axes


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
    """The actions of people as text over them; a fall is red and three times as large.

    ``places`` are (3,) positions by index of the detection. The action of the whole image belongs
    to the person, where there is only one.
    """
    message = MarkerArray()
    people = [
        (track, place)
        for track in tracks
        if track.class_name == _PERSON and (place := places.get(track.detection_index)) is not None
    ]
    for action in actions:
        is_of_only_person = action.track_id < 0 and len(people) == 1
        for track, place in people:
            if not is_of_only_person and track.id != action.track_id:
                continue

            is_fall = action.label == FALL_LABEL
            text = f"{track.class_name} {track.id}: {'FALL' if is_fall else action.label or '?'}"
            color = _color(FALL_LABEL if is_fall else track.class_name, 1.0)
            marker = text_marker(header, "actions", track.id, place - _ABOVE_M, text, color)
            marker.scale.z = _ACTION_HEIGHT_M * (3 if is_fall else 1)
            message.markers.append(marker)
    return message


def text_marker(
    header: Header, namespace: str, number: int, position: np.ndarray, text: str, color: ColorRGBA
) -> Marker:
    """A line of text at a (3,) position that always faces the viewer."""
    place, kind = _upright(position), Marker.TEXT_VIEW_FACING
    marker = _marker(header, kind, namespace, number, place, color)
    marker.text = text
    marker.scale.z = _TEXT_HEIGHT_M
    return marker


@dataclass
class _TrailPoint:
    """One position of a track, and how often its marker was sent, each time more transparent."""

    marker: Marker
    stamp_ns: int
    sent: int = 0


class Trails:
    """Trails of the last 3 seconds, which fade: an older point is sent again, more transparent.

    Each point keeps the stamp at which it was seen, so a trail is right in any fixed frame, also
    with a moving camera.
    """

    def __init__(self) -> None:
        self._points: dict[int, deque[_TrailPoint]] = {}

    def update(self, tracks: Sequence[TrackEstimate], header: Header) -> list[Marker]:
        """Markers that are new or have faded after the frame of ``header``.

        Only confirmed tracks with a 3D position leave a trail.
        """
        now_ns = stamp_to_ns(header.stamp)

        for track in tracks:
            if track.position is None or track.state != TrackState.CONFIRMED:
                continue
            namespace, number = f"trail {track.id}", track.age % _TRAIL_LENGTH
            place, color = _upright(track.position), _color(track.class_name, 1.0)
            marker = _marker(header, Marker.SPHERE, namespace, number, place, color)
            marker.scale.x = marker.scale.y = marker.scale.z = _TRAIL_POINT_M
            trail = self._points.setdefault(track.id, deque(maxlen=_TRAIL_LENGTH))
            trail.append(_TrailPoint(marker, now_ns))

        changed = [marker for points in self._points.values() for marker in _faded(points, now_ns)]
        self._points = {number: points for number, points in self._points.items() if points}
        return changed

    def reset(self) -> None:
        """Forget all trails."""
        self._points.clear()


def _faded(points: deque[_TrailPoint], now_ns: int) -> Iterator[Marker]:
    """Markers of the points that are due to be sent; points at their end are removed."""
    while points and now_ns - points[0].stamp_ns >= TRAIL_S * 1e9:
        points.popleft()

    for point in points:
        age_s = (now_ns - point.stamp_ns) * 1e-9
        step = int(age_s / TRAIL_S * _FADE_STEPS) + 1
        if step > point.sent:
            point.sent = step
            point.marker.color.a = 1.0 - (step - 1) / _FADE_STEPS
            left_s = max(TRAIL_S - age_s, _SHORTEST_LIFETIME_S)
            point.marker.lifetime = Duration(seconds=left_s).to_msg()
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


def _pose_message(pose: PoseEstimate) -> Pose:
    position, orientation = point_message(pose.translation), quaternion_message(pose.rotation)
    return Pose(position=position, orientation=orientation)


def _upright(position: np.ndarray) -> Pose:
    """Pose at a (3,) position without a rotation."""
    return Pose(position=point_message(position), orientation=Quaternion(w=1.0))


def _color(class_name: str, opacity: float) -> ColorRGBA:
    red, green, blue = (channel / 255 for channel in class_color(class_name))
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)
