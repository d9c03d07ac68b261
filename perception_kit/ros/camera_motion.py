# SPDX-License-Identifier: Apache-2.0
"""Where the camera is in a frame that stands still, from TF; needs ``tf2_ros``, which a full ROS 2
has.
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Transform
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from perception_kit.geometry import pose_matrix
from perception_kit.ros.from_messages import rotation_from_message, xyz

try:
    from tf2_ros import Buffer, TransformException, TransformListener
except ImportError:
    Buffer = None

NO_TF = (
    "'fixed_frame' needs tf2_ros, which is not installed: source a full ROS 2, or leave the"
    " parameter empty"
)


class CameraMotion:
    """Listens to TF from the first question on, without waiting for it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Buffer | None = None

    def check(self) -> None:
        """Start to listen. Raises RuntimeError where ``tf2_ros`` is missing."""
        if Buffer is None:
            raise RuntimeError(NO_TF)
        if self._buffer is None:
            self._buffer = Buffer()
            self._listener = TransformListener(self._buffer, self._node)

    def camera_in(self, fixed_frame: str, header: Header) -> np.ndarray | None:
        """(4, 4) transform from ``header.frame_id`` to ``fixed_frame`` at its stamp; None, and a
        report, where TF does not know it.
        """
        if Buffer is None:
            self._node.problems.report("camera motion", f"no 3D tracking: {NO_TF}")
            return None
        self.check()
        try:
            found = self._buffer.lookup_transform(
                fixed_frame, header.frame_id, Time.from_msg(header.stamp)
            )
        except TransformException as error:
            self._node.problems.report("camera motion", f"no 3D tracking: {error}")
            return None
        return transform_matrix(found.transform)


def transform_matrix(message: Transform) -> np.ndarray:
    """(4, 4) matrix of a ``Transform``."""
    return pose_matrix(rotation_from_message(message.rotation), xyz(message.translation))
