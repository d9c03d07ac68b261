# SPDX-License-Identifier: Apache-2.0
"""scene_node as a process: it subscribes while it has subscribers, and draws all results."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from assistant_perception.msg import ActionArray, InstanceDetectionArray, TrackArray
from ros_graph import (
    DOMAIN_ID,
    HEIGHT,
    WIDTH,
    RosGraph,
    color_message,
    depth_message,
    header,
    info_message,
)
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from perception_kit.colors import FALL_COLOR
from perception_kit.ros.image import image_to_array
from perception_kit.ros.qos import latched_qos
from perception_kit.ros.to_messages import (
    actions_to_message,
    detections_to_message,
    tracks_to_message,
)
from perception_kit.types import ActionEstimate, Instance, TrackEstimate, TrackState

pytestmark = pytest.mark.ros
BOX = np.array([10, 10, 40, 60], np.float32)
PERSON = Instance(1, "person", 0.9, BOX, np.ones((50, 30), bool), (10, 10))
STILL = np.zeros(4, np.float32)
TRACK = TrackEstimate(7, 1, "person", TrackState.CONFIRMED, 0.9, 5, 5, 0.0, 0, BOX, STILL)
FALL = ActionEstimate("falling", 0.9, np.array([0.9, 0.1]), 0, 0, 7)


@pytest.fixture
def node() -> Iterator[None]:
    environment = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN_ID)}
    command = [sys.executable, "-m", "perception_kit.ros.scene_node"]
    with subprocess.Popen(command, env=environment) as process:
        yield
        process.terminate()


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("is_info_latched", [False, True])
def test_a_fall_is_drawn_on_the_picture_and_written_over_the_person(
    graph: RosGraph, is_info_latched: bool
) -> None:
    graph.wait(lambda: graph.node.count_publishers("/scene_node/overlay"), "the node")
    graph.spin(1.0)
    if not is_info_latched:  # the first of these tests, before anybody subscribes
        assert graph.node.count_subscribers("/color/image_raw") == 0

    overlays = graph.record(Image, "/scene_node/overlay")
    clouds = graph.record(PointCloud2, "/scene_node/points")
    markers = graph.record(MarkerArray, "/scene_node/markers")

    types = {"/color/camera_info": CameraInfo, "/depth/image_raw": Image, "/color/image_raw": Image}
    results = {
        "/pose6d_node/detections": InstanceDetectionArray,
        "/tracker_node/tracks": TrackArray,
        "/actionrec_node/actions": ActionArray,
    }
    if is_info_latched:  # it came once, before the node listened
        latched = graph.node.create_publisher(CameraInfo, "/color/camera_info", latched_qos())
        latched.publish(info_message(5))
        del types["/color/camera_info"]
    publishers = {topic: graph.publisher(kind, topic) for topic, kind in (types | results).items()}
    stamp_ns = 10**9

    def drawn() -> bool:
        nonlocal stamp_ns
        stamp_ns += 10**8
        stamp, classes = header(stamp_ns), ["falling", "walking"]
        messages = {
            "/color/camera_info": info_message(stamp_ns),
            "/depth/image_raw": depth_message(stamp_ns),
            "/color/image_raw": color_message(stamp_ns),
            "/pose6d_node/detections": detections_to_message([PERSON], stamp, WIDTH, HEIGHT),
            "/tracker_node/tracks": tracks_to_message([TRACK], stamp),
            "/actionrec_node/actions": actions_to_message([FALL], classes, stamp),
        }
        for topic, publisher in publishers.items():
            publisher.publish(messages[topic])
        graph.spin(0.2)
        return bool(overlays and clouds and markers)

    graph.wait(drawn, "all drawings")

    picture = image_to_array(overlays[-1])
    assert tuple(picture[HEIGHT // 2, 0]) == FALL_COLOR
    assert clouds[-1].width == WIDTH * HEIGHT
    assert [marker.text for marker in markers[-1].markers] == ["person 7: FALL"]

    for publisher in publishers.values():
        graph.node.destroy_publisher(publisher)
    if is_info_latched:
        graph.node.destroy_publisher(latched)
