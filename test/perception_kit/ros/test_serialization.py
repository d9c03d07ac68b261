# SPDX-License-Identifier: Apache-2.0
"""Type names lead to the classes of messages and back."""

from __future__ import annotations

import pytest
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header

from perception_kit.ros.serialization import message_class, message_type_name, to_cdr


@pytest.mark.parametrize("name", ["std_msgs/msg/Header", "visualization_msgs/msg/MarkerArray"])
def test_names_of_types(name: str) -> None:
    assert message_type_name(message_class(name)()) == name


def test_bytes_hold_the_message() -> None:
    header = Header(frame_id="camera")
    assert deserialize_message(to_cdr(header), Header) == header
