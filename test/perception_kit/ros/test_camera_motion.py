# SPDX-License-Identifier: Apache-2.0
"""The pose of the camera is looked up in TF, and reported where it is unknown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from perception_kit.fusion.config import CameraLimits
from perception_kit.ros import camera_motion
from perception_kit.ros.camera_motion import CameraMotion, poses_in, transform_matrix
from perception_kit.ros.to_messages import ns_to_stamp
from perception_kit.types import PoseEstimate

HEADER = Header(stamp=ns_to_stamp(5_000_000_007), frame_id="camera")


class UnknownTransform(Exception):
    """Stands for ``tf2_ros.TransformException``."""


class FakeBuffer:
    """Knows where ``camera`` is in ``odom`` at one time, in ``map`` where it is by the second."""

    path: ClassVar[dict[int, float]] = {1: 0.0, 2: 0.5, 3: 9.0, 4: 9.5}

    def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
        translation, rotation = Vector3(x=1.0, y=2.0, z=3.0), Quaternion(z=1.0, w=0.0)
        if target == "broken":
            rotation = Quaternion(w=0.0)
        elif target == "map" and time.nanoseconds // 10**9 in self.path:
            translation = Vector3(x=self.path[time.nanoseconds // 10**9])
        elif (target, source, time.nanoseconds) != ("odom", "camera", 5_000_000_007):
            raise UnknownTransform(f"{target} {source} {time.nanoseconds}")
        return TransformStamped(transform=Transform(translation=translation, rotation=rotation))


class FakeNode:
    """Collects reports."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.problems = SimpleNamespace(report=lambda key, text: self.reports.append(text))


@pytest.fixture
def motion(monkeypatch: pytest.MonkeyPatch) -> CameraMotion:
    fakes = {
        "Buffer": FakeBuffer,
        "TransformListener": lambda buffer, node: None,
        "TransformException": UnknownTransform,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(camera_motion, name, fake, raising=False)
    return CameraMotion(FakeNode(), "fixed_frame", lost="no 3D tracking")


def test_matrix_moves_points_from_the_camera_to_the_fixed_frame(motion: CameraMotion) -> None:
    expected = [[-1, 0, 0, 1], [0, -1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(motion.camera_in("odom", HEADER), expected, atol=1e-12)


def test_an_unknown_transform_is_reported(motion: CameraMotion) -> None:
    assert motion.camera_in("map", HEADER) is None
    assert motion._node.reports == ["no 3D tracking: map camera 5000000007"]


def test_a_broken_transform_is_reported(motion: CameraMotion) -> None:
    assert motion.camera_in("broken", HEADER) is None
    assert "no 3D tracking: 'camera' in 'broken': quaternion" in motion._node.reports[0]


def test_a_jump_costs_the_frame_of_one_stamp_and_is_reported(motion: CameraMotion) -> None:
    def place(second: int) -> float | None:
        header = Header(stamp=ns_to_stamp(second * 10**9), frame_id="camera")
        pose = motion.steady_camera_in("map", header, CameraLimits(max_camera_speed=1.0))
        return None if pose is None else float(pose[0, 3])

    # The poses of a frame come after its detections.
    assert [place(second) for second in (1, 1, 2, 2, 3, 3, 4, 3)] == [
        *(0.0, 0.0, 0.5, 0.5, None, None, 9.5, 9.0)
    ]
    assert len(motion._node.reports) == 2
    assert "no 3D tracking: TF of 'camera' jumps by 8.50 m" in motion._node.reports[0]
    motion.reset()
    assert place(1) == 0.0
    assert place(5) is None
    assert "map camera" in motion._node.reports[-1]


def test_without_tf2_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_motion, "Buffer", None)
    motion = CameraMotion(FakeNode(), "target_frame", lost="no poses")
    with pytest.raises(RuntimeError, match="'target_frame' needs tf2_ros"):
        motion.check()
    assert motion.camera_in("odom", HEADER) is None
    assert "needs tf2_ros" in motion._node.reports[0]


def test_poses_go_where_the_points_of_the_object_go(motion: CameraMotion) -> None:
    rotation = Rotation.from_rotvec([0.3, -0.2, 0.9]).as_matrix()
    position, point = np.array([0.1, -0.2, 0.9]), np.array([0.03, 0.02, -0.01])
    pose = PoseEstimate(4, 1, "cup", rotation, position, 0.5, np.ones(3))
    matrix = motion.camera_in("odom", HEADER)
    (moved,) = poses_in(matrix, [pose])
    in_camera = rotation @ point + position
    expected = matrix[:3, :3] @ in_camera + matrix[:3, 3]
    np.testing.assert_allclose(moved.rotation @ point + moved.translation, expected, atol=1e-12)
    assert (moved.detection_index, moved.confidence) == (4, 0.5)
    assert poses_in(matrix, []) == []


def test_rotation_is_that_of_the_quaternion() -> None:
    rotation = Rotation.from_rotvec([0.3, -0.2, 0.9])
    x, y, z, w = rotation.as_quat()
    matrix = transform_matrix(Transform(rotation=Quaternion(x=x, y=y, z=z, w=w)))
    np.testing.assert_allclose(matrix[:3, :3], rotation.as_matrix(), atol=1e-12)
