# SPDX-License-Identifier: Apache-2.0
"""Observes what a recorded bag holds for the nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_topics import IMAGE
from perception_kit.bags.compressed import COMPRESSED_IMAGE, decompress_image
from perception_kit.doctor.observation import EXPECTED_TYPES, Link, Observation, TopicSeen
from perception_kit.doctor.topics import choose_topics
from perception_kit.evaluation.ground_truth_bag import DETECTIONS
from perception_kit.ros.node_processes import process_environment
from perception_kit.ros.qos import input_qos, qos_mismatch, recorded_qos
from perception_kit.stamps import stamp_to_ns


def observe_bag(
    path: Path, given: Mapping[str, str], seconds: float | None, reliability: str
) -> Observation:
    """Read the camera topics of the bag at ``path``, all of it or its first ``seconds``.

    ``given`` names topics by role, ``reliability`` is the nodes' input_reliability. Raises BagError
    for a bag that cannot be read.
    """
    with BagReader(path) as reader:
        types = {name: [topic.type_name] for name, topic in reader.topics.items() if topic.count}
        names, not_found = choose_topics(types, given)
        topics = {
            role: TopicSeen(name, [_played_type(kind) for kind in types.get(name, ())])
            for role, name in names.items()
        }

        read = {
            seen.topic: seen for role, seen in topics.items() if EXPECTED_TYPES[role] in seen.types
        }
        _read_messages(reader, read, seconds)

        return Observation(
            source=f"bag '{path}'",
            topics=topics,
            not_found=not_found,
            links=[link for name in read for link in _links(reader, name, reliability)],
            ground_truth_classes=_ground_truth_classes(reader),
            environment=os.environ | process_environment(),  # as the replay sets it
        )


def _read_messages(
    reader: BagReader, topics: Mapping[str, TopicSeen], seconds: float | None
) -> None:
    """Add the messages of the first ``seconds`` to ``topics`` (by name)."""
    start_ns = None
    for raw in reader.raw_messages(topics):
        start_ns = raw.stamp_ns if start_ns is None else start_ns
        if seconds is not None and raw.stamp_ns - start_ns > seconds * 1e9:
            break

        message = reader.decode(raw)
        if raw.type_name == COMPRESSED_IMAGE:
            message = decompress_image(message, raw.topic)
        header = message.header
        topics[raw.topic].add(stamp_to_ns(header.stamp), header.frame_id, message)


def _played_type(type_name: str) -> str:
    """The type in which a replay plays a topic: it decompresses images."""
    return IMAGE if type_name == COMPRESSED_IMAGE else type_name


def _links(reader: BagReader, topic: str, reliability: str) -> Iterator[Link]:
    """The recorded publishers, whose QoS ``ros2 bag play`` offers again, with the nodes."""
    subscriber = f"a node with input_reliability {reliability}"
    for qos in reader.offered_qos(topic):
        offered = recorded_qos(qos.depth, qos.reliability.value, qos.durability.value)
        mismatch = qos_mismatch(offered, input_qos(reliability))
        yield Link(topic, "'ros2 bag play'", subscriber, mismatch)


def _ground_truth_classes(reader: BagReader) -> frozenset[str]:
    return frozenset(
        detection.class_name
        for item in reader.messages([DETECTIONS])
        for detection in item.message.detections
    )
