# SPDX-License-Identifier: Apache-2.0
"""Publishes what comes again soon, of which one message may be lost but never the node."""

from __future__ import annotations

from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.publisher import Publisher


def publish_heartbeat(node: Node, publisher: Publisher, message: Any) -> None:
    """Publish a message of ``node``; that the middleware refuses it under load is logged."""
    try:
        publisher.publish(message)
    except rclpy_implementation.RCLError as error:
        if node.context.ok():  # ROS is not shutting down
            text = f"'{publisher.topic_name}' was not published: {error}"
            node.get_logger().warning(text, throttle_duration_sec=5.0)
