# SPDX-License-Identifier: Apache-2.0
"""A ROS node that hands everything it hears to a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assistant_perception.msg import (
    ActionArray,
    InstanceDetectionArray,
    ObjectPoseArray,
    TrackArray,
)
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.ros.diagnostics import ProblemLog
from perception_kit.ros.from_messages import (
    actions_from_message,
    detections_from_message,
    poses_from_message,
    stamp_to_ns,
    tracks_from_message,
)
from perception_kit.ros.image import color_image, depth_image, intrinsics_from_camera_info
from perception_kit.ros.qos import input_qos, result_qos
from perception_kit.view.recording import SceneRecording

_INPUTS = {"color": "color/image_raw", "depth": "depth/image_raw", "info": "color/camera_info"}
_RESULTS = {
    "detections": (InstanceDetectionArray, "pose6d_node/detections"),
    "poses": (ObjectPoseArray, "pose6d_node/poses"),
    "tracks": (TrackArray, "tracker_node/tracks"),
    "actions": (ActionArray, "actionrec_node/actions"),
}


class ViewNode(Node):
    """Logs images, and the results of the three nodes in the same namespace.

    ``topics`` remaps the inputs' relative names.

    What cannot be shown is said in the log; the view goes on. ``max_rate_hz`` limits the images,
    which make up most of the data.
    """

    def __init__(
        self,
        recording: SceneRecording,
        topics: Mapping[str, str],
        namespace: str,
        max_rate_hz: float,
    ) -> None:
        super().__init__("view", namespace=namespace)
        self._recording = recording
        self._period_ns = round(1e9 / max_rate_hz)
        self._shown_ns: int | None = None
        self._problems = ProblemLog(lambda text: self.get_logger().warning(text))
        self.counts = dict.fromkeys([*_INPUTS, *_RESULTS], 0)
        handlers = {"color": self._color, "depth": self._depth, "info": self._info}
        for name, topic in _INPUTS.items():
            kind = CameraInfo if name == "info" else Image
            self._listen(
                name, kind, topics.get(topic, topic), handlers[name], input_qos("best_effort")
            )
        results = {
            "detections": self._detections,
            "poses": self._poses,
            "tracks": self._tracks,
            "actions": self._actions,
        }
        for name, (kind, topic) in _RESULTS.items():
            self._listen(name, kind, topic, results[name], result_qos())

    def _listen(
        self, name: str, kind: type, topic: str, handle: Callable[[int, Any], None], qos: QoSProfile
    ) -> None:
        def receive(message: Any) -> None:
            self.counts[name] += 1
            try:
                handle(stamp_to_ns(message.header.stamp), message)
            except ValueError as error:  # of a message that says something impossible
                self._problems.report(name, f"'{topic}' is not shown: {error}")

        self.create_subscription(kind, topic, receive, qos)

    def _is_due(self, stamp_ns: int) -> bool:
        """Whether the images of this moment are shown; depth and colour of a moment are shown both
        or not at all.
        """
        if (
            self._shown_ns is None
            or stamp_ns < self._shown_ns
            or stamp_ns - self._shown_ns >= 0.9 * self._period_ns
        ):
            self._shown_ns = stamp_ns
        return stamp_ns == self._shown_ns

    def _color(self, stamp_ns: int, message: Image) -> None:
        if self._is_due(stamp_ns):
            self._recording.color(stamp_ns, color_image(message))

    def _depth(self, stamp_ns: int, message: Image) -> None:
        if self._is_due(stamp_ns):
            self._recording.depth(stamp_ns, depth_image(message))

    def _info(self, stamp_ns: int, message: CameraInfo) -> None:
        self._recording.camera(stamp_ns, intrinsics_from_camera_info(message, message))

    def _detections(self, stamp_ns: int, message: InstanceDetectionArray) -> None:
        self._recording.detections(
            stamp_ns, detections_from_message(message), message.image_height, message.image_width
        )

    def _poses(self, stamp_ns: int, message: ObjectPoseArray) -> None:
        self._recording.poses(stamp_ns, poses_from_message(message))

    def _tracks(self, stamp_ns: int, message: TrackArray) -> None:
        self._recording.tracks(stamp_ns, tracks_from_message(message))

    def _actions(self, stamp_ns: int, message: ActionArray) -> None:
        self._recording.actions(stamp_ns, actions_from_message(message), message.class_names)
