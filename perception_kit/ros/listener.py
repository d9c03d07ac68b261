# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node that passes images and results, as arrays and dataclasses, to a sink."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import rclpy
from assistant_perception.msg import (
    ActionArray,
    InstanceDetectionArray,
    ObjectPoseArray,
    TrackArray,
)
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.camera_config import CameraConfig
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.diagnostics import ProblemLog, describe_error, describe_rejected
from perception_kit.ros.from_messages import (
    Rejected,
    actions_from_message,
    detections_from_message,
    poses_from_message,
    tracks_from_message,
)
from perception_kit.ros.image_transport import image_topic, raw_image
from perception_kit.ros.qos import has_latched_publisher, input_qos, latched_qos, result_qos
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import (
    ActionEstimate,
    Instance,
    Intrinsics,
    PoseEstimate,
    TrackEstimate,
)

_INPUTS = {
    "color": (Image, "color/image_raw"),
    "depth": (Image, "depth/image_raw"),
    "info": (CameraInfo, "color/camera_info"),
}
_RESULTS = {
    "detections": (InstanceDetectionArray, "pose6d_node/detections"),
    "poses": (ObjectPoseArray, "pose6d_node/poses"),
    "tracks": (TrackArray, "tracker_node/tracks"),
    "actions": (ActionArray, "actionrec_node/actions"),
}


class SceneSink(Protocol):
    """What is done with images and results, each with its stamp in nanoseconds.

    ValueError is raised for what cannot be used.
    """

    def camera(self, stamp_ns: int, intrinsics: Intrinsics) -> None:
        """Intrinsics of the images."""

    def color(self, stamp_ns: int, rgb: np.ndarray) -> None:
        """An (H, W, 3) uint8 image."""

    def depth(self, stamp_ns: int, depth_m: np.ndarray) -> None:
        """An (H, W) float32 image in metres, 0 where unknown."""

    def detections(
        self, stamp_ns: int, instances: Sequence[Instance], height: int, width: int
    ) -> None:
        """Instances in an image of this size."""

    def poses(self, stamp_ns: int, poses: Sequence[PoseEstimate]) -> None:
        """Poses of the instances."""

    def tracks(self, stamp_ns: int, tracks: Sequence[TrackEstimate]) -> None:
        """Tracks after the frame."""

    def actions(
        self, stamp_ns: int, actions: Sequence[ActionEstimate], class_names: Sequence[str]
    ) -> None:
        """The newest actions of everybody."""


class SceneListener(Node):
    """Receives images, and the results of the three nodes in the same namespace.

    ``remappings`` rename the inputs' relative names, ``camera`` says how its images are read.
    ``max_rate_hz`` limits the images, which are most of the data. A message that cannot be used is
    reported in the log; the others are passed on. ``counts`` are the received messages by name.
    """

    def __init__(
        self,
        name: str,
        sink: SceneSink,
        remappings: Mapping[str, str],
        namespace: str,
        max_rate_hz: float,
        camera: CameraConfig,
    ) -> None:
        super().__init__(name, namespace=namespace)

        self._sink = sink
        color_topic = _INPUTS["color"][1]
        self._camera = CameraReader(camera, remappings.get(color_topic, color_topic))
        self._camera_info: CameraInfo | None = None
        info_topic = _INPUTS["info"][1]
        self._info_topic = remappings.get(info_topic, info_topic)
        self._period_ns = round(1e9 / max_rate_hz)
        self._shown_ns: int | None = None
        self._problems = ProblemLog(lambda text: self.get_logger().warning(text))
        self.counts = dict.fromkeys([*_INPUTS, *_RESULTS], 0)

        handlers: dict[str, Callable[[int, Any], None]] = {
            "color": self._color,
            "depth": self._depth,
            "info": self._info,
            "detections": self._detections,
            "poses": self._poses,
            "tracks": self._tracks,
            "actions": self._actions,
        }
        for entry, (kind, topic) in _INPUTS.items():
            topic = remappings.get(topic, topic)
            if kind is Image:
                kind, topic = image_topic(topic, entry, camera.image_transport)
            self._subscribe(entry, kind, topic, handlers[entry], input_qos("best_effort"))
        for entry, (kind, topic) in _RESULTS.items():
            self._subscribe(entry, kind, topic, handlers[entry], result_qos())

        self._latched_timer = self.create_timer(1.0, self._receive_latched)

    def _receive_latched(self) -> None:
        """Also ask for camera information that was published before this node listened."""
        topic = self.resolve_topic_name(self._info_topic)
        is_latched = has_latched_publisher(self, topic)
        if is_latched and not self.counts["info"]:
            self._subscribe("info", CameraInfo, topic, self._info, latched_qos())
        if is_latched or self.counts["info"]:
            self._latched_timer.cancel()

    def _subscribe(
        self, name: str, kind: type, topic: str, handle: Callable[[int, Any], None], qos: QoSProfile
    ) -> None:
        def receive(message: Any) -> None:
            self.counts[name] += 1
            try:
                handle(stamp_to_ns(message.header.stamp), message)
            except Exception as error:  # one bad message must not end the viewer
                self._problems.report(name, f"'{topic}' is not shown: {describe_error(error)}")

        self.create_subscription(kind, topic, receive, qos)

    def _is_due(self, stamp_ns: int) -> bool:
        """Whether the images of this moment are shown, which is the same for depth and colour."""
        if (
            self._shown_ns is None
            or stamp_ns < self._shown_ns
            or stamp_ns - self._shown_ns >= 0.9 * self._period_ns
        ):
            self._shown_ns = stamp_ns
        return stamp_ns == self._shown_ns

    def _color(self, stamp_ns: int, message: Image) -> None:
        if not self._is_due(stamp_ns):
            return
        message = raw_image(message, "color")
        self._sink.color(stamp_ns, self._camera.color(message))
        if self._camera_info is not None:
            self._sink.camera(stamp_ns, self._camera.intrinsics(self._camera_info, message))

    def _depth(self, stamp_ns: int, message: Image) -> None:
        if self._is_due(stamp_ns):
            self._sink.depth(stamp_ns, self._camera.depth(raw_image(message, "depth")))

    def _info(self, stamp_ns: int, message: CameraInfo) -> None:
        self._camera_info = message  # of the picture that comes next

    def _detections(self, stamp_ns: int, message: InstanceDetectionArray) -> None:
        rejected: Rejected = []
        instances = detections_from_message(message, rejected=rejected)
        self._report("detection", rejected)
        self._sink.detections(stamp_ns, instances, message.image_height, message.image_width)

    def _poses(self, stamp_ns: int, message: ObjectPoseArray) -> None:
        rejected: Rejected = []
        poses = poses_from_message(message, rejected=rejected)
        self._report("pose", rejected)
        self._sink.poses(stamp_ns, poses)

    def _tracks(self, stamp_ns: int, message: TrackArray) -> None:
        rejected: Rejected = []
        tracks = tracks_from_message(message, rejected)
        self._report("track", rejected)
        self._sink.tracks(stamp_ns, tracks)

    def _report(self, what: str, rejected: Rejected) -> None:
        if rejected:
            self._problems.report(what, f"not shown: {describe_rejected(what, rejected)}")

    def _actions(self, stamp_ns: int, message: ActionArray) -> None:
        self._sink.actions(stamp_ns, actions_from_message(message), message.class_names)


def listen_until_interrupted(
    name: str,
    sink: SceneSink,
    remappings: Mapping[str, str],
    namespace: str,
    max_rate_hz: float,
    camera: CameraConfig,
) -> dict[str, int]:
    """Run a ``SceneListener`` until Ctrl-C or SIGTERM; returns the number of messages by name."""
    asked_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.set())  # until ROS handles it
    rclpy.init()  # its handlers of SIGINT and SIGTERM wake the node up where no message does
    if asked_to_end.is_set():
        rclpy.try_shutdown()
        return {}

    try:
        node = SceneListener(name, sink, remappings, namespace, max_rate_hz, camera)
    except rclpy_implementation.RCLError:
        if rclpy.ok():
            raise
        return {}  # asked to end before it began

    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # asked to end
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return node.counts
