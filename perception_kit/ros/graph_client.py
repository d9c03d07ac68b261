# SPDX-License-Identifier: Apache-2.0
"""Client of running nodes: exchanges raw messages with them and reads their parameters."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.publisher import Publisher
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.task import Future

from perception_kit.ros.graph_node import GraphNode
from perception_kit.ros.qos import result_qos
from perception_kit.ros.serialization import message_class

# Received messages wait until the client has time for them, however many there are.
_KEEP_ALL = QoSProfile(history=QoSHistoryPolicy.KEEP_ALL, reliability=QoSReliabilityPolicy.RELIABLE)
_RETRY_S = 0.2
_PARAMETERS_LIMIT_S = 10.0


class GraphClient(GraphNode):
    """A ROS node with a context of its own; without ``domain_id``, in that of the environment.

    Messages are CDR bytes. Callbacks run inside ``spin_once`` only. Use as a context manager.
    """

    def __init__(self, name: str, domain_id: int | None = None) -> None:
        super().__init__(name, domain_id)
        self.domain_id = domain_id
        self._publishers: dict[str, Publisher] = {}

    def add_publisher(self, type_name: str, topic: str) -> None:
        """Prepare ``publish`` on ``topic``."""
        publisher = self._node.create_publisher(message_class(type_name), topic, result_qos())
        self._publishers[topic] = publisher

    def subscribe_raw(
        self, type_name: str, topic: str, receive: Callable[[bytes, int], None]
    ) -> None:
        """Call ``receive`` with the CDR bytes of each message and its arrival, ns (system clock).

        No message is lost while the client is busy.
        """

        def callback(data: bytes, info: dict[str, Any]) -> None:
            receive(data, info["received_timestamp"])

        self._node.create_subscription(
            message_class(type_name),
            topic,
            callback,  # type: ignore[arg-type]  # rclpy's hint lacks the message info
            _KEEP_ALL,
            raw=True,
        )

    def subscribe(self, type_name: str, topic: str, receive: Callable[[Any], None]) -> None:
        """Call ``receive`` with each message, decoded; only the latest wait."""
        self._node.create_subscription(message_class(type_name), topic, receive, result_qos())

    def count_publishers(self, topic: str) -> int:
        """Publishers of a topic that DDS has discovered."""
        return self._node.count_publishers(topic)

    def count_subscribers(self, topic: str) -> int:
        """Subscribers of a topic that DDS has discovered, this client included."""
        return self._node.count_subscribers(topic)

    def count_listeners(self, topic: str) -> int:
        """Subscriptions that DDS has matched with this client's publisher of ``topic``."""
        return self._publishers[topic].get_subscription_count()

    def publish(self, topic: str, data: bytes, deadline_s: float) -> None:
        """Publish CDR bytes.

        Where the middleware refuses under load, this tries again until ``deadline_s`` of the
        monotonic clock, and then gives up.
        """
        while monotonic() < deadline_s:
            try:
                self._publishers[topic].publish(data)
                return
            except rclpy_implementation.RCLError as error:
                self._node.get_logger().warning(f"{topic}: {error}; trying again")
                self.spin_once(_RETRY_S)

    def spin_once(self, timeout_s: float) -> None:
        """Run one callback; wait up to ``timeout_s`` for it."""
        self._executor.spin_once(timeout_s)

    def parameters(self, node: str) -> dict[str, Any]:
        """All parameters of a running node; empty where it does not respond."""
        client = AsyncParameterClient(self._node, node)
        if not client.wait_for_services(_PARAMETERS_LIMIT_S):
            return {}

        listed = self._result(client.list_parameters())
        names = sorted(listed.result.names) if listed is not None else []
        response = self._result(client.get_parameters(names))
        values = response.values if response is not None else []
        return {
            name: parameter_value_to_python(value)
            for name, value in zip(names, values, strict=False)
        }

    def _result(self, future: Future) -> Any:
        self._executor.spin_until_future_complete(future, _PARAMETERS_LIMIT_S)
        return future.result()
