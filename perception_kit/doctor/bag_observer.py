# SPDX-License-Identifier: Apache-2.0
"""Observes what a recorded bag holds for the nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_frames import camera_frames
from perception_kit.bags.camera_streams import (
    camera_streams,
    played_type,
    read_stream,
    stream_encoding,
)
from perception_kit.bags.camera_topics import CameraTopics
from perception_kit.camera_config import CameraConfig
from perception_kit.depth_scale import metric_width
from perception_kit.doctor.observation import (
    EXPECTED_TYPES,
    Link,
    Observation,
    TopicSeen,
    camera_reader,
    observe_message,
)
from perception_kit.doctor.topics import choose_topics
from perception_kit.evaluation.ground_truth_bag import DETECTIONS
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.from_messages import detections_from_message
from perception_kit.ros.image import check_same_size
from perception_kit.ros.installed import ros_fault
from perception_kit.ros.node_processes import process_environment
from perception_kit.stamps import stamp_to_ns

_DETECTED = "/pose6d_node/detections"
_FRAMES_MEASURED = 50
_SLOP_S = 0.03


def observe_bag(
    path: Path,
    given: Mapping[str, str],
    seconds: float | None,
    reliability: str,
    config: CameraConfig,
) -> Observation:
    """Read the camera topics of the bag at ``path``, all of it or its first ``seconds``.

    ``given`` names topics by role, ``reliability`` is the nodes' input_reliability and ``config``
    how the messages are read. Raises BagError for a bag that cannot be read.
    """
    fault = ros_fault()
    with BagReader(path) as reader:
        streams = camera_streams(reader.topics)
        types = {name: [topic.type_name] for name, topic in streams.items() if topic.count}
        names, not_found = choose_topics(types, given, partial(stream_encoding, reader))
        topics = {
            role: TopicSeen(name, [played_type(kind) for kind in types.get(name, ())])
            for role, name in names.items()
        }

        read = {role: seen for role, seen in topics.items() if EXPECTED_TYPES[role] in seen.types}
        camera = camera_reader(config, topics)
        _read_messages(reader, camera, read, seconds)

        return Observation(
            source=f"bag '{path}'",
            topics=topics,
            not_found=not_found,
            links=[
                link
                for seen in read.values()
                if not fault
                for link in _links(reader, seen, reliability)
            ],
            ground_truth_classes=_ground_truth_classes(reader),
            environment=os.environ | process_environment(),  # as the replay sets it
            config=config,
            widths=_object_widths(reader, camera, read),
            ros_fault=fault,
        )


def _read_messages(
    reader: BagReader, camera: CameraReader, topics: Mapping[str, TopicSeen], seconds: float | None
) -> None:
    """Note the messages of ``topics`` (by role) of the first ``seconds``."""
    end_ns = None
    if seconds is not None:
        names = [seen.topic for seen in topics.values()]
        first = [next(read_stream(reader, name), None) for name in names]
        starts = [message.recorded_ns for message in first if message is not None]
        end_ns = min(starts, default=0) + seconds * 1e9

    for role, seen in topics.items():
        for item in read_stream(reader, seen.topic):
            if end_ns is not None and item.recorded_ns > end_ns:
                break
            if item.fault:
                seen.add(item.stamp_ns, None, item.fault)
            else:
                observe_message(camera, role, seen, item.stamp_ns, item.message)
            seen.delays_s.append((item.recorded_ns - item.stamp_ns) * 1e-9)


def _object_widths(
    reader: BagReader, camera: CameraReader, topics: Mapping[str, TopicSeen]
) -> list[tuple[str, float]]:
    """Metric widths of objects whose masks are recorded, with their classes, of some frames."""
    if len(topics) < len(EXPECTED_TYPES):
        return []
    frames = islice(reader.messages([DETECTIONS, _DETECTED]), _FRAMES_MEASURED)
    detections = {stamp_to_ns(item.message.header.stamp): item.message for item in frames}
    if not detections:
        return []

    widths = []
    names = CameraTopics(**{role: seen.topic for role, seen in topics.items()})
    for frame in camera_frames(reader, names, _SLOP_S):
        if frame.stamp_ns > max(detections):
            break
        message = detections.get(frame.stamp_ns)
        if message is None or frame.faults or frame.depth is None or frame.camera_info is None:
            continue
        try:
            intrinsics = camera.intrinsics(frame.camera_info.message, frame.color.message)
            check_same_size(frame.color.message, frame.depth.message)
            depth = camera.depth(frame.depth.message)
            for instance in detections_from_message(message):
                width = metric_width(instance, depth, intrinsics)
                if width is not None:
                    widths.append((instance.class_name, width))
        except (ValueError, IndexError):
            continue  # the other checks find what cannot be used
    return widths


def _links(reader: BagReader, seen: TopicSeen, reliability: str) -> Iterator[Link]:
    """The recorded publishers, whose QoS ``ros2 bag play`` offers again, with the nodes."""
    from perception_kit.ros.qos import input_qos, qos_mismatch, recorded_qos

    subscriber = f"a node with input_reliability {reliability}"
    for qos in reader.offered_qos(seen.topic):
        offered = recorded_qos(qos.depth, qos.reliability.value, qos.durability.value)
        mismatch = qos_mismatch(offered, input_qos(reliability))
        yield Link(seen.topic, "'ros2 bag play'", subscriber, mismatch)


def _ground_truth_classes(reader: BagReader) -> frozenset[str]:
    return frozenset(
        detection.class_name
        for item in reader.messages([DETECTIONS])
        for detection in item.message.detections
    )
