# SPDX-License-Identifier: Apache-2.0
"""What a recorded bag holds for the nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosbags.interfaces import Qos

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_topics import IMAGE
from perception_kit.bags.compressed import COMPRESSED_IMAGE, decompress_image
from perception_kit.doctor.observation import EXPECTED_TYPES, Link, Observation, TopicSeen
from perception_kit.doctor.topics import choose_topics
from perception_kit.evaluation.ground_truth_bag import DETECTIONS
from perception_kit.ros.bringup import process_environment
from perception_kit.ros.from_messages import stamp_to_ns
from perception_kit.ros.qos import input_qos


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
        by_name = {
            seen.topic: seen for role, seen in topics.items() if EXPECTED_TYPES[role] in seen.types
        }
        start_ns = None
        for raw in reader.raw_messages(by_name):
            start_ns = raw.stamp_ns if start_ns is None else start_ns
            if seconds is not None and raw.stamp_ns - start_ns > seconds * 1e9:
                break
            message = reader.decode(raw)
            if raw.type_name == COMPRESSED_IMAGE:
                message = decompress_image(message, raw.topic)
            by_name[raw.topic].add(
                stamp_to_ns(message.header.stamp), message.header.frame_id, message
            )
        return Observation(
            source=f"bag '{path}'",
            topics=topics,
            not_found=not_found,
            links=[link for name in by_name for link in _links(reader, name, reliability)],
            ground_truth_classes=_ground_truth_classes(reader),
            environment=os.environ | process_environment(),  # as the replay sets it
        )


def _played_type(type_name: str) -> str:
    """The type in which a replay plays a topic: it decompresses images."""
    return IMAGE if type_name == COMPRESSED_IMAGE else type_name


def _links(reader: BagReader, topic: str, reliability: str) -> Iterator[Link]:
    """The recorded publishers, whose QoS ``ros2 bag play`` offers again, with the nodes as their
    subscribers.
    """
    for qos in reader.offered_qos(topic):
        yield Link(
            topic,
            "'ros2 bag play'",
            _profile(qos),
            f"a node with input_reliability {reliability}",
            input_qos(reliability),
        )


def _profile(qos: Qos) -> QoSProfile:
    reliability, durability = (
        QoSReliabilityPolicy(qos.reliability.value),
        QoSDurabilityPolicy(qos.durability.value),
    )
    return QoSProfile(depth=max(1, qos.depth), reliability=reliability, durability=durability)


def _ground_truth_classes(reader: BagReader) -> frozenset[str]:
    return frozenset(
        one.class_name for item in reader.messages([DETECTIONS]) for one in item.message.detections
    )
