# SPDX-License-Identifier: Apache-2.0
"""Whether ROS 2 and the messages of this package can be used in this environment."""

from __future__ import annotations

from importlib import import_module

from perception_kit.resources import PACKAGE


def ros_fault() -> str:
    """Why ROS 2 or the messages cannot be used; "" where they can."""
    for name in ("rclpy", "sensor_msgs.msg", f"{PACKAGE}.msg"):
        try:
            import_module(name)
        except ImportError as error:  # missing, or without its libraries, which nothing sourced
            return str(error)
    return ""
