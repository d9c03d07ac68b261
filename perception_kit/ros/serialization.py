# SPDX-License-Identifier: Apache-2.0
"""Type names and CDR bytes of ROS messages."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rclpy.serialization import serialize_message


def message_class(type_name: str) -> type:
    """Class of a message type such as ``sensor_msgs/msg/Image``."""
    package, _, name = type_name.split("/")
    return getattr(import_module(f"{package}.msg"), name)


def message_type_name(message: Any) -> str:
    """Full name of a message's type, such as ``sensor_msgs/msg/Image``."""
    package = type(message).__module__.partition(".")[0]
    return f"{package}/msg/{type(message).__name__}"


def to_cdr(message: Any) -> bytes:
    """CDR bytes of a message."""
    return serialize_message(message)
