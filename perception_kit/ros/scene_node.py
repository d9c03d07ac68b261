# SPDX-License-Identifier: Apache-2.0
"""Visualization node: overlays all results on one image, point cloud and markers.

``~/overlay`` is the image with masks, boxes, axes, track numbers, actions and falls; ``~/points``
the coloured cloud; ``~/markers`` the actions over the people. The node subscribes to the camera and
to the results only while one of these has subscribers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import rclpy
from assistant_perception.msg import (
    ActionArray,
    InstanceDetectionArray,
    ObjectPoseArray,
    TrackArray,
)
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from perception_kit.camera_config import CameraConfig
from perception_kit.drawing import draw_overlay
from perception_kit.geometry import instance_position
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.cloud import cloud_message
from perception_kit.ros.diagnostics import ProblemLog, describe_error, describe_rejected
from perception_kit.ros.from_messages import (
    Rejected,
    actions_from_message,
    detections_from_message,
    poses_from_message,
    tracks_from_message,
)
from perception_kit.ros.image import ImageError, array_to_image
from perception_kit.ros.image_transport import image_topic, raw_image
from perception_kit.ros.markers import action_markers, delete_all
from perception_kit.ros.parameters import (
    declare_parameters,
    updated_config,
    warn_of_unknown_parameters,
)
from perception_kit.ros.qos import has_latched_publisher, input_qos, latched_qos, result_qos
from perception_kit.ros.run_node import run_node
from perception_kit.ros.scene_join import SceneJoin
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import FrameResults

_INPUTS = {
    "color": (Image, "color/image_raw"),
    "depth": (Image, "depth/image_raw"),
    "info": (CameraInfo, "color/camera_info"),
    "detections": (InstanceDetectionArray, "pose6d_node/detections"),
    "poses": (ObjectPoseArray, "pose6d_node/poses"),
    "tracks": (TrackArray, "tracker_node/tracks"),
    "actions": (ActionArray, "actionrec_node/actions"),
}
_RESULTS = ("detections", "poses", "tracks", "actions")
_CHECK_S = 0.5
_MAX_POINTS = 80_000


class SceneNode(Node):
    """Joins the results for one image by stamp, and draws them.

    Results that no running node publishes are not waited for.
    """

    def __init__(self) -> None:
        super().__init__("scene_node")

        self._camera = declare_parameters(self, CameraConfig)
        warn_of_unknown_parameters(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._problems = ProblemLog(lambda text: self.get_logger().warning(text))
        self._join = SceneJoin()
        self._open: list[Subscription] = []
        self._camera_info: CameraInfo | None = None
        self._is_latched = False
        types = {"overlay": Image, "points": PointCloud2, "markers": MarkerArray}
        self._drawn = {
            name: self.create_publisher(kind, f"~/{name}", result_qos())
            for name, kind in types.items()
        }

        # A steady clock goes on while simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_CHECK_S, self._check_subscribers, clock=steady)

    def _check_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            updated_config(self._camera, parameters, configured=False)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_parameters(self, parameters: list[Parameter]) -> None:
        self._camera = updated_config(self._camera, parameters, configured=False)

    def _is_watched(self, name: str) -> bool:
        return self._drawn[name].get_subscription_count() > 0

    def _check_subscribers(self) -> None:
        """Subscribe to the inputs while an output has subscribers."""
        watched = any(map(self._is_watched, self._drawn))
        if watched and not self._open:
            self._open = [self._subscribe(name) for name in _INPUTS]
        if watched and self._camera_info is None and not self._is_latched:
            topic = self.resolve_topic_name(_INPUTS["info"][1])
            if has_latched_publisher(self, topic):
                self._is_latched = True
                self._open.append(self._subscribe("info", latched_qos()))
        elif not watched and self._open:
            for subscription in self._open:
                self.destroy_subscription(subscription)
            self._open.clear()
            self._is_latched = False
            self._join.reset()

    def _subscribe(self, name: str, qos: QoSProfile | None = None) -> Subscription:
        kind, topic = _INPUTS[name]
        if kind is Image:
            transport = self._camera.image_transport
            kind, topic = image_topic(self.resolve_topic_name(topic), name, transport)
        if qos is None:
            qos = result_qos() if name in _RESULTS else input_qos("best_effort")
        return self.create_subscription(
            kind, topic, lambda message: self._receive(name, message), qos
        )

    def _receive(self, name: str, message: Any) -> None:
        try:
            message = raw_image(message, name)
        except ImageError as error:
            self._problems.report(name, f"a {name} image is not drawn: {error}")
            return
        if name == "info":
            self._camera_info = message  # holds until the next
        awaited = [
            result
            for result in _RESULTS
            if self.count_publishers(self.resolve_topic_name(_INPUTS[result][1]))
        ]
        frame = self._join.add(name, stamp_to_ns(message.header.stamp), message, awaited)
        if frame is None:
            return

        try:
            self._draw(frame)
        except Exception as error:  # one bad frame must not end the node
            self._problems.report("frame", f"a frame is not drawn: {describe_error(error)}")

    def _draw(self, frame: dict[str, Any]) -> None:
        """Publish what is watched. Raises ImageError for a colour image that cannot be used."""
        color = frame["color"]
        camera = CameraReader(self._camera, self.resolve_topic_name(_INPUTS["color"][1]))
        rgb, header = camera.color(color), color.header
        scene = _frame_results(frame, self._problems)
        if (info := frame.get("info", self._camera_info)) is not None:
            scene.intrinsics = camera.intrinsics(info, color)

        # In the image
        if self._is_watched("overlay"):
            overlay = array_to_image(draw_overlay(rgb, scene), "rgb8", header)
            self._drawn["overlay"].publish(overlay)

        # In space, which takes the camera and depth
        intrinsics = scene.intrinsics
        if intrinsics is None or "depth" not in frame:
            return
        try:
            depth = camera.depth(frame["depth"])
        except ImageError as error:
            self._problems.report("depth", f"no points and no labels: {error}")
            return

        if self._is_watched("points"):
            cloud = cloud_message(rgb, depth, intrinsics, header, _MAX_POINTS)
            self._drawn["points"].publish(cloud)

        if self._is_watched("markers"):
            places = {
                index: instance_position(instance, depth, intrinsics)
                for index, instance in enumerate(scene.instances)
            }
            markers = action_markers(scene.actions, scene.tracks, places, header)
            self._drawn["markers"].publish(markers)

    def destroy_node(self) -> None:
        """Remove what RViz still shows, then close."""
        if rclpy.ok():
            self._drawn["markers"].publish(delete_all(Header()))
        super().destroy_node()


def _frame_results(frame: dict[str, Any], problems: ProblemLog) -> FrameResults:
    """The results in the messages of a frame, without what cannot be drawn, which is reported."""
    scene = FrameResults()
    rejected: dict[str, Rejected] = {name: [] for name in _RESULTS}
    if "detections" in frame:
        scene.instances = detections_from_message(
            frame["detections"], rejected=rejected["detections"]
        )
    if "poses" in frame:
        scene.poses = poses_from_message(frame["poses"], rejected=rejected["poses"])
    if "tracks" in frame:
        scene.tracks = tracks_from_message(frame["tracks"], rejected["tracks"])
    if "actions" in frame:
        scene.actions = actions_from_message(frame["actions"])

    for name, listed in rejected.items():
        if listed:
            problems.report(name, f"not drawn: {describe_rejected(name.rstrip('s'), listed)}")
    return scene


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; returns the exit code."""
    return run_node(SceneNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
