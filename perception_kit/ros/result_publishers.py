# SPDX-License-Identifier: Apache-2.0
"""Publishers of the results of a lifecycle node."""

from __future__ import annotations

from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher

from perception_kit.ros.diagnostics import ProblemLog
from perception_kit.ros.qos import result_events, result_qos
from perception_kit.ros.statistics import FrameStatistics
from perception_kit.stamps import stamp_to_ns


class ResultPublishers:
    """Reliable lifecycle publishers by name, with rates and latencies from stamp to publication."""

    def __init__(
        self, node: LifecycleNode, statistics: FrameStatistics, problems: ProblemLog
    ) -> None:
        self._node, self._statistics, self._problems = node, statistics, problems
        self._publishers: dict[str, LifecyclePublisher] = {}

    def add(self, message_type: type, name: str, topic: str | None = None) -> None:
        """Add a publisher of the result ``name`` on ``topic``, by default ``~/name``."""
        full_name = self._node.resolve_topic_name(topic or f"~/{name}")
        kind = f"QoS of {full_name}"
        events = result_events(full_name, warn=lambda text: self._problems.report(kind, text))
        self._publishers[name] = self._node.create_lifecycle_publisher(
            message_type, full_name, result_qos(), event_callbacks=events
        )

    def clear(self) -> None:
        """Close all publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def has_subscribers(self, name: str) -> bool:
        """Whether the result was added and has subscribers."""
        return name in self._publishers and self._publishers[name].get_subscription_count() > 0

    def values(self) -> dict[str, str]:
        """Values for the diagnostics: the matched subscribers of each result, by its name.

        What is published earlier than a subscriber is matched does not reach it.
        """
        return {
            f"subscribers/{name}": str(publisher.get_subscription_count())
            for name, publisher in list(self._publishers.items())
        }

    def publish(self, name: str, message: Any) -> None:
        """Publish a result.

        Under load the middleware can refuse a message; that is counted and reported.
        """
        publisher = self._publishers[name]
        try:
            publisher.publish(message)
        except rclpy_implementation.RCLError as error:
            if not self._node.context.ok():  # ROS is shutting down
                return
            self._statistics.count("not_published")
            text = f"'{publisher.topic_name}' was not published: {error}"
            self._problems.report(f"publish {name}", text)
            return

        self._statistics.event(f"output/{name}")
        if hasattr(message, "header"):  # a MarkerArray has none
            now_ns = self._node.get_clock().now().nanoseconds
            latency_s = (now_ns - stamp_to_ns(message.header.stamp)) * 1e-9
            self._statistics.stamp_latency(name, latency_s)
