# SPDX-License-Identifier: Apache-2.0
"""Observes the running ROS graph: what is published, and who subscribes to what."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from time import monotonic

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from perception_kit.bags.camera_streams import played_type
from perception_kit.camera_config import CameraConfig
from perception_kit.doctor.observation import (
    EXPECTED_TYPES,
    Link,
    Observation,
    TopicSeen,
    camera_reader,
    observe_message,
)
from perception_kit.doctor.topics import choose_topics, transported_topic
from perception_kit.resources import resolve_path
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.graph import GraphInspector
from perception_kit.ros.image import ImageError
from perception_kit.ros.image_transport import raw_image
from perception_kit.ros.node_processes import NODES
from perception_kit.ros.supervision import status_name
from perception_kit.stamps import stamp_to_ns

_DISCOVERY_S, _DISCOVERY_LIMIT_S = 2.0, 10.0
_MODEL_PARAMETERS = {
    "pose6d_node": {"segmentation_model": "segmentation", "pose_model": "pose"},
    "actionrec_node": {"model": "action"},
}
_TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CameraInfo": CameraInfo}
# Inputs that each of the nodes needs; poses and tracks may be missing.
_REQUIRED = (
    *_TYPES,
    "sensor_msgs/msg/CompressedImage",
    "assistant_perception/msg/InstanceDetectionArray",
)


def observe_graph(given: Mapping[str, str], seconds: float, config: CameraConfig) -> Observation:
    """Receive from the camera for ``seconds``; ``given`` names topics by role, ``config`` says how
    the messages are read.

    For that time there is a node ``doctor`` in the graph.
    """
    with GraphInspector("doctor") as graph:
        topics, not_found = _find_topics(graph, given)
        for role, seen in topics.items():
            if EXPECTED_TYPES[role] in seen.types:
                _subscribe(graph, camera_reader(config, topics), role, seen)

        reports: dict[str, str] = {}
        keep = partial(_keep_reports, reports)
        graph.subscribe_to_result("/diagnostics", DiagnosticArray, keep)

        graph.spin(seconds)

        inputs = list(graph.inputs(NODES))
        input_topics = dict.fromkeys(entry.topic for entry in inputs)
        return Observation(
            source="the running graph",
            topics=topics,
            not_found=not_found,
            links=[
                Link(topic, *connection)
                for topic in input_topics
                for connection in graph.connections(topic, NODES)
            ],
            unconnected=[
                (entry.node, entry.topic)
                for entry in inputs
                if entry.type_name in _REQUIRED and not graph.is_published(entry.topic)
            ],
            published=graph.published_topics().keys(),
            reports=reports,
            models=_models(graph),
            environment=dict(os.environ),
            config=config,
            simulated_time=graph.is_published("/clock"),
        )


def _find_topics(
    graph: GraphInspector, given: Mapping[str, str]
) -> tuple[dict[str, TopicSeen], str]:
    """Topics by role, and why some could not be found.

    Discovery may take a while: it ends when all are found, or at its limit.
    """
    end_s = monotonic() + _DISCOVERY_LIMIT_S
    while True:
        graph.spin(_DISCOVERY_S)
        types = graph.published_topics()
        names, not_found = choose_topics(types, given)
        if in_one := {name for name in names.values() if name not in types} - {*given.values()}:
            names = dict(given)
            not_found = (
                f"all images are parts of one message ({', '.join(sorted(in_one))}), which the"
                " nodes do not receive"
            )
        listened = {entry.topic for entry in graph.inputs(NODES)}
        topics = {role: _seen(role, name, types, listened) for role, name in names.items()}

        all_found = not not_found and all(seen.types for seen in topics.values())
        if all_found or monotonic() > end_s:
            return topics, not_found


def _seen(
    role: str, name: str, types: Mapping[str, list[str]], listened: Collection[str]
) -> TopicSeen:
    """The topic by which the images of ``name`` come, of the types that are there when they are
    decompressed."""
    topic, transport = transported_topic(role, name, types, listened)
    found = types.get(topic, [])
    if transport == "compressed":
        found = [played_type(kind) for kind in found]
    return TopicSeen(topic, found, transport=transport)


def _subscribe(graph: GraphInspector, camera: CameraReader, role: str, seen: TopicSeen) -> None:
    """Note the messages of a topic, and their age by this machine's clock."""

    def receive(message: Image | CompressedImage | CameraInfo) -> None:
        stamp_ns = stamp_to_ns(message.header.stamp)
        try:
            observe_message(camera, role, seen, stamp_ns, raw_image(message, seen.topic))
        except ImageError as error:  # of a compressed one
            seen.add(stamp_ns, None, str(error))
        seen.delays_s.append((graph.now_ns() - stamp_ns) * 1e-9)

    is_compressed = seen.transport == "compressed"
    kind = CompressedImage if is_compressed else _TYPES[EXPECTED_TYPES[role]]
    graph.subscribe_to_sensor(seen.topic, kind, receive)


def _keep_reports(reports: dict[str, str], message: DiagnosticArray) -> None:
    """Keep the newest message of each of our nodes that is not well."""
    for status in message.status:
        name = status.name.partition(":")[0]
        if name.rpartition("/")[2] in NODES and status.name == status_name(name):
            reports.pop(name, None)
            if status.level != DiagnosticStatus.OK:
                reports[name] = status.message


def _models(graph: GraphInspector) -> dict[str, Path]:
    """Model files by kind that the parameters of the running nodes name."""
    models: dict[str, Path] = {}
    for node, kinds in _MODEL_PARAMETERS.items():
        for parameter, path in graph.string_parameters(node, list(kinds)).items():
            if path:
                models[kinds[parameter]] = resolve_path(path)
    return models
