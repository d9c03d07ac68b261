# SPDX-License-Identifier: Apache-2.0
"""The bag of results has what Foxglove's panels show, as they expect it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from ros_graph import FRAME_ID, HEIGHT, WIDTH, color_message, info_message
from rosbags.interfaces import MessageDefinitionFormat

from perception_kit.bags.bag import BagReader, BagWriter
from perception_kit.bags.camera_frames import CameraFrame, StampedMessage
from perception_kit.replay.panels import CAMERA_INFO, OBJECTS, OVERLAY, TRACKS, PanelMessages
from perception_kit.types import FrameResults, PoseEstimate, TrackEstimate, TrackState

STAMP_NS = 5 * 10**9


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """The messages of one frame with a mug."""
    color, info = color_message(STAMP_NS), info_message(STAMP_NS)
    frame = CameraFrame(
        StampedMessage(STAMP_NS, color, b""),
        None,
        StampedMessage(STAMP_NS, info, serialize_message(info)),
    )
    place, box = np.array([0.0, 0.1, 0.9]), np.zeros(4, np.float32)
    pose = PoseEstimate(0, 1, "mug", np.eye(3), place, 0.9, np.full(3, 0.1))
    track = TrackEstimate(
        3, 1, "mug", TrackState.CONFIRMED, 0.9, 5, 5, 0.0, 0, box, box, position=place
    )
    overlay = np.full((HEIGHT, WIDTH, 3), (200, 30, 60), np.uint8)
    with BagWriter(tmp_path / "results") as writer:
        results = FrameResults(poses=[pose], tracks=[track])
        for message in PanelMessages().encode(frame, results, overlay):
            writer.write_raw(message)
    return tmp_path / "results"


def test_types_and_encodings_are_those_of_the_panels(bag: Path) -> None:
    with BagReader(bag) as reader:
        assert {name: topic.type_name for name, topic in reader.topics.items()} == {
            OVERLAY: "sensor_msgs/msg/CompressedImage",
            OBJECTS: "visualization_msgs/msg/MarkerArray",
            TRACKS: "visualization_msgs/msg/MarkerArray",
            CAMERA_INFO: "sensor_msgs/msg/CameraInfo",
        }
        for connection in reader._reader.connections:
            assert connection.ext.serialization_format == "cdr"
            assert connection.msgdef.format == MessageDefinitionFormat.MSG
            assert connection.msgdef.data, (
                "without its definition in the file no other program can read a message"
            )


def test_contents_are_shown_in_one_frame_at_one_time(bag: Path) -> None:
    with BagReader(bag) as reader:
        messages = {
            item.topic: item.message for item in reader.messages([OVERLAY, OBJECTS, TRACKS])
        }
    image = messages[OVERLAY]
    pixels = cv2.cvtColor(cv2.imdecode(image.data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert (image.format, pixels.shape) == ("jpeg", (HEIGHT, WIDTH, 3))
    assert np.abs(pixels.astype(int) - (200, 30, 60)).max() < 12
    markers = [*messages[OBJECTS].markers, *messages[TRACKS].markers]
    assert {marker.header.frame_id for marker in markers} == {FRAME_ID} == {image.header.frame_id}
    assert {marker.header.stamp.sec for marker in markers} == {5}
    assert all(marker.color.a > 0 or len(marker.colors) > 0 for marker in markers)
    assert len({(marker.ns, marker.id) for marker in markers}) == len(markers) == 4
