# SPDX-License-Identifier: Apache-2.0
"""Looks up the pose of the camera in another frame in TF.

Needs ``tf2_ros``, which a full ROS 2 has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from geometry_msgs.msg import Transform
from rclpy.time import Time
from std_msgs.msg import Header

from perception_kit.fusion.camera_checks import JumpCheck
from perception_kit.fusion.config import CameraLimits
from perception_kit.geometry import pose_matrix
from perception_kit.ros.diagnostics import ProblemLog
from perception_kit.ros.from_messages import rotation_from_message, xyz
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import PoseEstimate

try:
    from tf2_ros import Buffer, TransformException, TransformListener
except ImportError:
    Buffer = None


class UnknownCameraPose(ValueError):
    """TF does not know where a camera was; the message says why."""


class ReportingNode(Protocol):
    """A ROS node that keeps a log of its problems."""

    problems: ProblemLog


class CameraMotion:
    """Looks up the camera pose in TF. The listener starts on first use and lookups never block.

    Messages name the ``parameter`` that asks for it, and what is ``lost`` without it.
    """

    def __init__(self, node: ReportingNode, parameter: str, lost: str) -> None:
        self._node, self._lost = node, lost
        self._no_tf = (
            f"'{parameter}' needs tf2_ros, which is not installed: source a full ROS 2, or leave"
            " the parameter empty"
        )
        self._buffer: Buffer | None = None
        self._jumps = JumpCheck()

    def check(self) -> None:
        """Start listening. Raises RuntimeError where ``tf2_ros`` is missing."""
        self._started_buffer()

    def camera_in(self, frame: str, header: Header) -> np.ndarray | None:
        """(4, 4) transform from ``header.frame_id`` to ``frame`` at the header's stamp.

        None where TF does not know it, which is reported.
        """
        try:
            return self.known_camera_in(frame, header)
        except UnknownCameraPose as error:
            self._node.problems.report("camera motion", f"{self._lost}: {error}")
            return None

    def steady_camera_in(
        self, frame: str, header: Header, limits: CameraLimits
    ) -> np.ndarray | None:
        """The same for a ``frame`` that stands still; None, reported, where the camera jumps there.

        A jump costs the frame of one stamp.
        """
        pose = self.camera_in(frame, header)
        if pose is None:
            return None
        problem = self._jumps.problem(header.frame_id, stamp_to_ns(header.stamp), pose, limits)
        if problem is not None:
            self._node.problems.report("camera jump", f"{self._lost}: {problem}")
            return None
        return pose

    def reset(self) -> None:
        """Forget where the camera was, because time has jumped back."""
        self._jumps = JumpCheck()

    def known_camera_in(self, frame: str, header: Header) -> np.ndarray:
        """The same, for callers who wait for TF. Raises UnknownCameraPose."""
        if Buffer is None:
            raise UnknownCameraPose(self._no_tf)
        time = Time.from_msg(header.stamp)
        try:
            found = self._started_buffer().lookup_transform(frame, header.frame_id, time)
        except TransformException as error:
            raise UnknownCameraPose(str(error)) from error
        try:
            return transform_matrix(found.transform)
        except ValueError as error:
            raise UnknownCameraPose(f"'{header.frame_id}' in '{frame}': {error}") from error

    def _started_buffer(self) -> Buffer:
        """The buffer that a listener fills. Raises RuntimeError where ``tf2_ros`` is missing."""
        if Buffer is None:
            raise RuntimeError(self._no_tf)
        if self._buffer is None:
            self._buffer = Buffer()
            self._listener = TransformListener(self._buffer, self._node)
        return self._buffer


def poses_in(frame_from_camera: np.ndarray, poses: Sequence[PoseEstimate]) -> list[PoseEstimate]:
    """The poses of a camera's optical frame in the frame that the (4, 4) transform leads to."""
    rotation, translation = frame_from_camera[:3, :3], frame_from_camera[:3, 3]
    return [
        replace(
            pose,
            rotation=rotation @ pose.rotation,
            translation=rotation @ pose.translation + translation,
        )
        for pose in poses
    ]


def transform_matrix(message: Transform) -> np.ndarray:
    """(4, 4) matrix of a ``Transform``."""
    return pose_matrix(rotation_from_message(message.rotation), xyz(message.translation))
