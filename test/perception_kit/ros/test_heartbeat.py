# SPDX-License-Identifier: Apache-2.0
"""A message that the middleware refuses costs no node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.impl.implementation_singleton import rclpy_implementation

from perception_kit.ros.heartbeat import publish_heartbeat


class Refusing:
    """A publisher under load."""

    topic_name = "/diagnostics"

    def publish(self, message: Any) -> None:
        raise rclpy_implementation.RCLError("cannot publish data")


@pytest.mark.parametrize("is_up", [True, False])
def test_it_is_logged_while_ros_is_up(is_up: bool) -> None:
    logged: list[str] = []
    logger = SimpleNamespace(warning=lambda text, throttle_duration_sec: logged.append(text))
    node: Any = SimpleNamespace(
        context=SimpleNamespace(ok=lambda: is_up), get_logger=lambda: logger
    )
    publish_heartbeat(node, Refusing(), None)
    assert [text.partition(":")[0] for text in logged] == is_up * [
        "'/diagnostics' was not published"
    ]
