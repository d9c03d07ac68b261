# SPDX-License-Identifier: Apache-2.0
"""Results as vision_msgs and TF messages: the real ones, or stand-ins of the same fields."""

from __future__ import annotations

import numpy as np
import pytest
from message_classes import message_classes
from std_msgs.msg import Header

from perception_kit.ros import standard
from perception_kit.ros.standard import detections_2d, detections_3d, track_frames
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState

HEADER = Header(frame_id="camera_color_optical_frame")


@pytest.fixture(autouse=True)
def definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published messages, where their packages are not installed."""
    if standard.Detection2DArray is None:
        for name, message in message_classes("vision_msgs").items():
            monkeypatch.setattr(standard, name, message, raising=False)
    if standard.TFMessage is None:
        (message,) = message_classes("tf2_msgs").values()
        monkeypatch.setattr(standard, "TFMessage", message)


def test_boxes_in_the_image() -> None:
    box = np.array([10, 20, 30, 60], np.float32)
    instance = Instance(1, "cup", 0.75, box, np.ones((40, 20), bool), (10, 20))
    message = detections_2d([instance], HEADER)
    (detection,) = message.detections
    center = detection.bbox.center.position
    assert (message.header, detection.header, detection.id) == (HEADER, HEADER, "0")
    assert (center.x, center.y, detection.bbox.size_x, detection.bbox.size_y) == (20, 40, 20, 40)
    hypothesis = detection.results[0].hypothesis
    assert (hypothesis.class_id, hypothesis.score) == ("cup", 0.75)


def test_boxes_in_space() -> None:
    position, size = np.array([0.1, 0.2, 0.9]), np.array([0.08, 0.09, 0.12])
    pose = PoseEstimate(4, 1, "cup", np.eye(3), position, 0.5, size)
    (detection,) = detections_3d([pose], HEADER).detections
    assert detection.id == "4"
    box = detection.bbox
    assert (box.center.position.z, box.center.orientation.w) == (0.9, 1.0)
    assert (box.size.x, box.size.y, box.size.z) == (0.08, 0.09, 0.12)
    assert detection.results[0].pose.pose == box.center


@pytest.mark.parametrize(
    ("state", "rotation", "frames"),
    [
        (TrackState.CONFIRMED, np.eye(3), ["cup_3"]),
        (TrackState.LOST, np.eye(3), []),
        (TrackState.CONFIRMED, None, []),
    ],
)
def test_frames_of_confirmed_tracks_with_a_pose(
    state: TrackState, rotation: np.ndarray | None, frames: list[str]
) -> None:
    box = np.zeros(4, np.float32)
    track = TrackEstimate(3, 1, "cup", state, 0.9, 5, 4, 0.0, 0, box, box)
    track.position, track.rotation = np.array([0.1, 0.2, 0.9]), rotation
    transforms = track_frames([track], HEADER).transforms
    assert [transform.child_frame_id for transform in transforms] == frames
    assert all(
        transform.header == HEADER and transform.transform.translation.z == 0.9
        for transform in transforms
    )


def test_tf_frames_have_names_that_tf_allows() -> None:
    box = np.zeros(4, np.float32)
    track = TrackEstimate(7, 1, "wood block/1", TrackState.CONFIRMED, 0.9, 5, 4, 0.0, 0, box, box)
    track.position, track.rotation = np.zeros(3), np.eye(3)
    (transform,) = track_frames([track], HEADER, "robot1/").transforms
    assert transform.child_frame_id == "robot1/wood_block_1_7"


def test_tf_without_its_messages_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert standard.tf_message_type() is standard.TFMessage
    monkeypatch.setattr(standard, "TFMessage", None)
    with pytest.raises(RuntimeError, match="'publish_tf' needs tf2_msgs"):
        standard.tf_message_type()
