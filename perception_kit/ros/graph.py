# SPDX-License-Identifier: Apache-2.0
"""Inspects the running ROS graph: topics, connections, parameters and messages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import qos_profile_sensor_data

from perception_kit.ros.graph_node import GraphNode
from perception_kit.ros.qos import has_latched_publisher, latched_qos, qos_mismatch, result_qos

_RESPONSE_LIMIT_S = 5.0


class NodeInput(NamedTuple):
    """A topic that a node subscribes to: full name of the node, topic and type name."""

    node: str
    topic: str
    type_name: str


class Connection(NamedTuple):
    """Names of a publisher and a subscriber, and why nothing comes through (None: it does)."""

    publisher: str
    subscriber: str
    qos_mismatch: str | None


class GraphInspector(GraphNode):
    """A node ``name`` that looks at the graph while its context manager is open.

    Nothing is received outside of ``spin``.
    """

    def spin(self, seconds: float) -> None:
        """Receive messages, and discover nodes, for this time."""
        end_s = monotonic() + seconds
        while (left_s := end_s - monotonic()) > 0:
            self._executor.spin_once(left_s)

    def now_ns(self) -> int:
        """This machine's clock."""
        return self._node.get_clock().now().nanoseconds

    def subscribe_to_sensor(
        self, topic: str, message_type: type, receive: Callable[[Any], None]
    ) -> None:
        """Call ``receive`` with each message of a topic of any reliability.

        Where a publisher, known by now, keeps its newest for late subscribers, with that, too.
        """
        is_latched = has_latched_publisher(self._node, topic)
        qos = latched_qos() if is_latched else qos_profile_sensor_data
        self._node.create_subscription(message_type, topic, receive, qos)

    def subscribe_to_result(
        self, topic: str, message_type: type, receive: Callable[[Any], None]
    ) -> None:
        """Call ``receive`` with each message of a reliable topic."""
        self._node.create_subscription(message_type, topic, receive, result_qos())

    def is_published(self, topic: str) -> bool:
        """Whether the topic has a publisher."""
        return self._node.count_publishers(topic) > 0

    def published_topics(self) -> dict[str, list[str]]:
        """Type names of each topic that has a publisher."""
        topics = self._node.get_topic_names_and_types()
        return {name: types for name, types in topics if self.is_published(name)}

    def inputs(self, nodes: Collection[str]) -> Iterator[NodeInput]:
        """What the running nodes of these names subscribe to."""
        for name, namespace in self._node.get_node_names_and_namespaces():
            if name not in nodes:
                continue
            topics = self._node.get_subscriber_names_and_types_by_node(name, namespace)
            for topic, types in topics:
                yield NodeInput(_full_name(name, namespace), topic, types[0])

    def connections(self, topic: str, nodes: Collection[str]) -> Iterator[Connection]:
        """Every publisher of the topic with every subscriber among the nodes of these names."""
        ends = self._node.get_subscriptions_info_by_topic(topic)
        subscribers = [end for end in ends if end.node_name in nodes]
        for publisher in self._node.get_publishers_info_by_topic(topic):
            for subscriber in subscribers:
                mismatch = qos_mismatch(publisher.qos_profile, subscriber.qos_profile)
                yield Connection(publisher.node_name, subscriber.node_name, mismatch)

    def string_parameters(self, node: str, names: Sequence[str]) -> dict[str, str]:
        """Values of parameters of the running nodes of this name, as far as they respond."""
        found: dict[str, str] = {}
        for name, namespace in self._node.get_node_names_and_namespaces():
            if name != node:
                continue
            client = AsyncParameterClient(self._node, _full_name(name, namespace))
            if not client.wait_for_services(_RESPONSE_LIMIT_S):
                continue

            future = client.get_parameters(list(names))
            self._executor.spin_until_future_complete(future, _RESPONSE_LIMIT_S)
            response = future.result() if future.done() else None
            if response is not None:
                values = [value.string_value for value in response.values]
                found |= dict(zip(names, values, strict=False))
        return found


def _full_name(name: str, namespace: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"
