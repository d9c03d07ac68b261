# SPDX-License-Identifier: Apache-2.0
"""Markers have lifetimes, stable ids, and say what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from perception_kit.ros.markers import delete_all, pose_markers, track_markers
from perception_kit.types import PoseEstimate, TrackEstimate, TrackState

HEADER = Header(frame_id="camera_color_optical_frame")


def pose(name: str) -> PoseEstimate:
    return PoseEstimate(0, 1, name, np.eye(3), np.array([0.1, 0.2, 0.9]), 0.8, np.array([0.08, 0.08, 0.12]))


def track(number: int, state: TrackState, age: int = 5, position: np.ndarray | None = None) -> TrackEstimate:
    box = np.zeros(4, np.float32)
    return TrackEstimate(number, 1, "cup", state, 0.9, age, 4, 0.0, 0, box, box, position=position)


def test_poses_are_boxes_of_the_model_size_with_axes() -> None:
    box, axes = pose_markers([pose("cup")], HEADER).markers
    assert (box.type, axes.type) == (Marker.CUBE, Marker.LINE_LIST)
    assert (box.scale.x, box.scale.y, box.scale.z) == (0.08, 0.08, 0.12)
    assert (box.pose.position.x, box.pose.position.y, box.pose.position.z) == (0.1, 0.2, 0.9)
    assert len(axes.points) == len(axes.colors) == 6


def test_ids_differ_within_a_frame_and_stay_the_same_over_frames() -> None:
    def names(poses: list[PoseEstimate]) -> list[tuple[str, int]]:
        return [(marker.ns, marker.id) for marker in pose_markers(poses, HEADER).markers]

    poses = [pose("cup"), pose("box"), pose("cup")]
    assert len(set(names(poses))) == 6
    assert names(poses) == names(poses)


def test_all_markers_end_by_themselves() -> None:
    seen = track(1, TrackState.CONFIRMED, position=np.ones(3))
    markers = pose_markers([pose("cup")], HEADER).markers + track_markers([seen], HEADER).markers
    assert all(marker.header == HEADER and (marker.lifetime.sec, marker.lifetime.nanosec) > (0, 0) for marker in markers)


@pytest.mark.parametrize(
    ("state", "position", "texts"),
    [
        (TrackState.CONFIRMED, np.ones(3), ["cup 3"]),
        (TrackState.LOST, np.ones(3), ["cup 3 (lost)"]),
        (TrackState.TENTATIVE, np.ones(3), []),
        (TrackState.CONFIRMED, None, []),
    ],
)
def test_tracks_are_named(state: TrackState, position: np.ndarray | None, texts: list[str]) -> None:
    markers = track_markers([track(3, state, position=position)], HEADER).markers
    assert [marker.text for marker in markers if marker.type == Marker.TEXT_VIEW_FACING] == texts


def test_a_trail_grows_by_one_point_a_frame() -> None:
    trail = {
        (marker.ns, marker.id)
        for age in range(40)
        for marker in track_markers([track(3, TrackState.CONFIRMED, age, np.ones(3))], HEADER).markers
        if marker.type == Marker.SPHERE
    }
    assert len(trail) == 40


def test_delete_all() -> None:
    (marker,) = delete_all(HEADER).markers
    assert marker.action == Marker.DELETEALL
