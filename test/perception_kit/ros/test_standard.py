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
    instance = Instance(
        1, "cup", 0.75, np.array([10, 20, 30, 60], np.float32), np.ones((40, 20), bool), (10, 20)
    )
    message = detections_2d([instance], HEADER)
    (detection,) = message.detections
    center = detection.bbox.center.position
    assert (message.header, detection.header, detection.id) == (HEADER, HEADER, "0")
    assert (center.x, center.y, detection.bbox.size_x, detection.bbox.size_y) == (20, 40, 20, 40)
    assert (detection.results[0].hypothesis.class_id, detection.results[0].hypothesis.score) == (
        "cup",
        0.75,
    )


@needs_vision
def test_boxes_in_space() -> None:
    pose = PoseEstimate(
        4, 1, "cup", np.eye(3), np.array([0.1, 0.2, 0.9]), 0.5, np.array([0.08, 0.09, 0.12])
    )
    (detection,) = detections_3d([pose], HEADER).detections
    assert detection.id == "4"
    assert (detection.bbox.center.position.z, detection.bbox.center.orientation.w) == (0.9, 1.0)
    assert (detection.bbox.size.x, detection.bbox.size.y, detection.bbox.size.z) == (
        0.08,
        0.09,
        0.12,
    )
    assert detection.results[0].pose.pose == detection.bbox.center


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
    track = TrackEstimate(
        3,
        1,
        "cup",
        state,
        0.9,
        5,
        4,
        0.0,
        0,
        box,
        box,
        position=np.array([0.1, 0.2, 0.9]),
        rotation=rotation,
    )
    transforms = track_frames([track], HEADER).transforms
    assert [transform.child_frame_id for transform in transforms] == frames
    assert all(
        transform.header == HEADER and transform.transform.translation.z == 0.9
        for transform in transforms
    )
