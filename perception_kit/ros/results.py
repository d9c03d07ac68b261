# SPDX-License-Identifier: Apache-2.0
"""The result topics of a lifecycle node."""

from __future__ import annotations

from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher

from perception_kit.ros.diagnostics import ProblemLog
from perception_kit.ros.from_messages import stamp_to_ns
from perception_kit.ros.qos import result_events, result_qos
from perception_kit.ros.statistics import FrameStatistics


class Results:
    """Reliable lifecycle publishers by name, with their rates and the latency from stamp to
    publication.
    """

    def __init__(
        self, node: LifecycleNode, statistics: FrameStatistics, problems: ProblemLog
    ) -> None:
        self._node, self._statistics, self._problems = node, statistics, problems
        self._publishers: dict[str, LifecyclePublisher] = {}

    def add(self, message_type: type, name: str, topic: str | None = None) -> None:
        """Publisher of the result ``name`` on ``topic``, by default ``~/name``."""
        topic = self._node.resolve_topic_name(topic or f"~/{name}")
        events = result_events(
            topic, warn=lambda text: self._problems.report(f"QoS of {topic}", text)
        )
        self._publishers[name] = self._node.create_lifecycle_publisher(
            message_type, topic, result_qos(), event_callbacks=events
        )

    def clear(self) -> None:
        """Close all publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def has_subscribers(self, name: str) -> bool:
        """Whether the result was added and anybody listens to it."""
        return name in self._publishers and self._publishers[name].get_subscription_count() > 0

    def publish(self, name: str, message: Any) -> None:
        """Publish a result.

        Under load the middleware can refuse a message; that is counted and reported.
        """
        try:
            self._publishers[name].publish(message)
        except rclpy_implementation.RCLError as error:
            if not self._node.context.ok():  # ROS is shutting down
                return
            self._statistics.count("not_published")
            self._problems.report(
                f"publish {name}",
                f"'{self._publishers[name].topic_name}' was not published: {error}",
            )
            return
        self._statistics.event(f"output/{name}")
        if hasattr(message, "header"):  # a MarkerArray has none
            now_ns = self._node.get_clock().now().nanoseconds
            self._statistics.stamp_latency(
                name, (now_ns - stamp_to_ns(message.header.stamp)) * 1e-9
            )
