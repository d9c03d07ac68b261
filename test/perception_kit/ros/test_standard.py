# SPDX-License-Identifier: Apache-2.0
"""Results as vision_msgs and TF messages, where those packages are installed."""

from __future__ import annotations

import numpy as np
import pytest
from std_msgs.msg import Header

from perception_kit.ros.standard import (
    Detection2DArray,
    TFMessage,
    detections_2d,
    detections_3d,
    track_frames,
)
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState

HEADER = Header(frame_id="camera_color_optical_frame")
needs_vision = pytest.mark.skipif(Detection2DArray is None, reason="vision_msgs is not installed")
needs_tf = pytest.mark.skipif(TFMessage is None, reason="tf2_msgs is not installed")


@needs_vision
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


@needs_vision
def test_boxes_in_space() -> None:
    position, size = np.array([0.1, 0.2, 0.9]), np.array([0.08, 0.09, 0.12])
    pose = PoseEstimate(4, 1, "cup", np.eye(3), position, 0.5, size)
    (detection,) = detections_3d([pose], HEADER).detections
    assert detection.id == "4"
    box = detection.bbox
    assert (box.center.position.z, box.center.orientation.w) == (0.9, 1.0)
    assert (box.size.x, box.size.y, box.size.z) == (0.08, 0.09, 0.12)
    assert detection.results[0].pose.pose == box.center


@needs_tf
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
