# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node for people who look: all that the three nodes know about an image, in one picture and
in space.

``~/overlay`` is the image with masks, boxes, axes, track numbers, actions and falls; ``~/points``
the coloured cloud; ``~/markers`` the actions over the people. It listens to the camera and the
nodes only while somebody subscribes to one of these.
"""

from __future__ import annotations

import sys
from typing import Any

import rclpy
from assistant_perception.msg import (
    ActionArray,
    InstanceDetectionArray,
    ObjectPoseArray,
    TrackArray,
)
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from perception_kit.drawing import draw_overlay
from perception_kit.geometry import instance_position
from perception_kit.ros.cloud import cloud_message
from perception_kit.ros.diagnostics import ProblemLog
from perception_kit.ros.from_messages import (
    actions_from_message,
    detections_from_message,
    poses_from_message,
    stamp_to_ns,
    tracks_from_message,
)
from perception_kit.ros.image import (
    ImageError,
    array_to_image,
    color_image,
    depth_image,
    intrinsics_from_camera_info,
)
from perception_kit.ros.markers import action_markers, delete_all
from perception_kit.ros.qos import input_qos, result_qos
from perception_kit.ros.run_node import run_node
from perception_kit.ros.scene_join import SceneJoin
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
    """Joins by stamp what belongs to one image.

    Results that no running node publishes are not waited for.
    """

    def __init__(self) -> None:
        super().__init__("scene_node")
        self._problems = ProblemLog(lambda text: self.get_logger().warning(text))
        self._join = SceneJoin()
        self._listening: list[Subscription] = []
        types = {"overlay": Image, "points": PointCloud2, "markers": MarkerArray}
        self._drawn = {
            name: self.create_publisher(kind, f"~/{name}", result_qos())
            for name, kind in types.items()
        }
        self.create_timer(_CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _is_watched(self, name: str) -> bool:
        return self._drawn[name].get_subscription_count() > 0

    def _check(self) -> None:
        """Listen while somebody looks."""
        watched = any(map(self._is_watched, self._drawn))
        if watched and not self._listening:
            self._listening = [self._listen(name) for name in _INPUTS]
        elif not watched and self._listening:
            for subscription in self._listening:
                self.destroy_subscription(subscription)
            self._listening.clear()
            self._join.reset()

    def _listen(self, name: str) -> Subscription:
        kind, topic = _INPUTS[name]
        qos = result_qos() if name in _RESULTS else input_qos("best_effort")
        return self.create_subscription(
            kind, topic, lambda message: self._receive(name, message), qos
        )

    def _receive(self, name: str, message: Any) -> None:
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
        except ValueError as error:  # of a message that says something impossible
            self._problems.report("frame", f"a frame is not drawn: {error}")

    def _draw(self, frame: dict[str, Any]) -> None:
        """Publish what is watched. Raises ImageError for a colour image that cannot be used."""
        color = frame["color"]
        rgb = color_image(color)
        scene = FrameResults(
            instances=detections_from_message(frame["detections"]) if "detections" in frame else [],
            poses=poses_from_message(frame["poses"]) if "poses" in frame else [],
            tracks=tracks_from_message(frame["tracks"]) if "tracks" in frame else [],
            actions=actions_from_message(frame["actions"]) if "actions" in frame else [],
            intrinsics=(
                intrinsics_from_camera_info(frame["info"], color) if "info" in frame else None
            ),
        )
        if self._is_watched("overlay"):
            self._drawn["overlay"].publish(
                array_to_image(draw_overlay(rgb, scene), "rgb8", color.header)
            )
        if scene.intrinsics is None or "depth" not in frame:
            return
        try:
            depth = depth_image(frame["depth"])
        except ImageError as error:
            self._problems.report("depth", f"no points and no labels: {error}")
            return
        if self._is_watched("points"):
            self._drawn["points"].publish(
                cloud_message(rgb, depth, scene.intrinsics, color.header, _MAX_POINTS)
            )
        if self._is_watched("markers"):
            places = {
                index: instance_position(one, depth, scene.intrinsics)
                for index, one in enumerate(scene.instances)
            }
            self._drawn["markers"].publish(
                action_markers(scene.actions, scene.tracks, places, color.header)
            )

    def destroy_node(self) -> None:
        """Remove what RViz still shows, then close."""
        if rclpy.ok():
            self._drawn["markers"].publish(delete_all(Header()))
        super().destroy_node()


def main() -> None:
    """Run the node; the process ends with its exit code."""
    sys.exit(run_node(SceneNode))


if __name__ == "__main__":
    main()
