# SPDX-License-Identifier: Apache-2.0
"""What is published, and who listens to whom, in the running ROS graph."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from time import monotonic

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.doctor.observation import EXPECTED_TYPES, Link, Observation, TopicSeen
from perception_kit.doctor.topics import choose_topics
from perception_kit.resources import resolve_path
from perception_kit.ros.bringup import NODES
from perception_kit.ros.from_messages import stamp_to_ns
from perception_kit.ros.qos import result_qos

_DISCOVERY_S, _DISCOVERY_LIMIT_S = 2.0, 10.0
_RESPONSE_LIMIT_S = 5.0
_MODEL_PARAMETERS = {
    "pose6d_node": {"segmentation_model": "segmentation", "pose_model": "pose"},
    "actionrec_node": {"model": "action"},
}
_TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CameraInfo": CameraInfo}
# What each of the nodes cannot do without; poses and tracks may be missing.
_REQUIRED = (*_TYPES, "assistant_perception/msg/InstanceDetectionArray")


def observe_graph(given: Mapping[str, str], seconds: float) -> Observation:
    """Listen to the camera for ``seconds``; ``given`` names topics by role.

    Takes part in the graph for that time as node ``doctor``.
    """
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("doctor", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        topics, not_found = _find_topics(node, executor, given)
        for role, seen in topics.items():
            if EXPECTED_TYPES[role] in seen.types:
                _listen(node, seen, EXPECTED_TYPES[role])
        reports: dict[str, str] = {}
        node.create_subscription(
            DiagnosticArray, "/diagnostics", partial(_keep_reports, reports), result_qos()
        )
        _spin(executor, seconds)
        inputs = list(_inputs_of_nodes(node))
        return Observation(
            source="the running graph",
            topics=topics,
            not_found=not_found,
            links=[
                link
                for topic in dict.fromkeys(topic for _, topic, _ in inputs)
                for link in _links(node, topic)
            ],
            unconnected=[
                (name, topic)
                for name, topic, kind in inputs
                if kind in _REQUIRED and not node.count_publishers(topic)
            ],
            reports=reports,
            models=_models(node, executor),
            environment=dict(os.environ),
            simulated_time=bool(node.count_publishers("/clock")),
        )
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def _find_topics(
    node: Node, executor: SingleThreadedExecutor, given: Mapping[str, str]
) -> tuple[dict[str, TopicSeen], str]:
    """Topics by role, and why some could not be found; what is there may take a while to be
    discovered.
    """
    end_s = monotonic() + _DISCOVERY_LIMIT_S
    while True:
        _spin(executor, _DISCOVERY_S)
        types = {
            name: kinds
            for name, kinds in node.get_topic_names_and_types()
            if node.count_publishers(name)
        }
        names, not_found = choose_topics(types, given)
        topics = {role: TopicSeen(name, types.get(name, ())) for role, name in names.items()}
        if monotonic() > end_s or (not not_found and all(seen.types for seen in topics.values())):
            return topics, not_found


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    end_s = monotonic() + seconds
    while (left_s := end_s - monotonic()) > 0:
        executor.spin_once(left_s)


def _listen(node: Node, seen: TopicSeen, type_name: str) -> None:
    def receive(message: Image | CameraInfo) -> None:
        stamp_ns = stamp_to_ns(message.header.stamp)
        seen.add(stamp_ns, message.header.frame_id, message)
        seen.delays_s.append((node.get_clock().now().nanoseconds - stamp_ns) * 1e-9)

    node.create_subscription(_TYPES[type_name], seen.topic, receive, qos_profile_sensor_data)


def _keep_reports(reports: dict[str, str], message: DiagnosticArray) -> None:
    """Keep the newest complaint of each of our nodes; one that is well again has none."""
    for status in message.status:
        name = status.name.partition(":")[0]
        if name.rpartition("/")[2] in NODES:
            reports.pop(name, None)
            if status.level != DiagnosticStatus.OK:
                reports[name] = status.message


def _models(node: Node, executor: SingleThreadedExecutor) -> dict[str, Path]:
    """Files by kind that the parameters of the running nodes name."""
    models: dict[str, Path] = {}
    for name, namespace in node.get_node_names_and_namespaces():
        kinds = _MODEL_PARAMETERS.get(name, {})
        client = AsyncParameterClient(node, f"{namespace.rstrip('/')}/{name}")
        if not kinds or not client.wait_for_services(_RESPONSE_LIMIT_S):
            continue
        future = client.get_parameters(list(kinds))
        executor.spin_until_future_complete(future, _RESPONSE_LIMIT_S)
        values = future.result().values if future.done() else []
        models |= {
            kind: resolve_path(value.string_value)
            for kind, value in zip(kinds.values(), values, strict=False)
            if value.string_value
        }
    return models


def _inputs_of_nodes(node: Node) -> Iterator[tuple[str, str, str]]:
    """Full name, topic and type name of what the running nodes of this package listen to."""
    for name, namespace in node.get_node_names_and_namespaces():
        if name in NODES:
            for topic, kinds in node.get_subscriber_names_and_types_by_node(name, namespace):
                yield f"{namespace.rstrip('/')}/{name}", topic, kinds[0]


def _links(node: Node, topic: str) -> Iterator[Link]:
    listeners = [
        end for end in node.get_subscriptions_info_by_topic(topic) if end.node_name in NODES
    ]
    for source in node.get_publishers_info_by_topic(topic):
        for listener in listeners:
            yield Link(
                topic,
                source.node_name,
                source.qos_profile,
                listener.node_name,
                listener.qos_profile,
            )
