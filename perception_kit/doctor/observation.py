# SPDX-License-Identifier: Apache-2.0
"""What was observed of a bag or of the running graph, which is all that the checks know."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.camera_config import CameraConfig
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.image import ImageError

_DEPTH_STEP = 4  # pixels of a depth image of which one is looked at
EXPECTED_TYPES = {
    "color": "sensor_msgs/msg/Image",
    "depth": "sensor_msgs/msg/Image",
    "camera_info": "sensor_msgs/msg/CameraInfo",
}


@dataclass(frozen=True)
class Finding:
    """A fault: its ``name``, what was seen, and what to do."""

    name: str
    what: str
    advice: str


@dataclass
class Example:
    """A message of each kind: the first stamp of the kind, how many there were, and their fault.

    ``message`` is the newest one, None where it could not be decoded.
    """

    message: Any | None
    first_ns: int
    fault: str = ""
    count: int = 1


@dataclass
class TopicSeen:
    """One camera topic.

    ``types`` are the type names under which it is published, none where nobody publishes it; what
    is decompressed counts as an ``Image``, and ``transport`` is then "compressed".
    ``stamps_ns`` are the headers' stamps in the order of arrival, ``delays_s`` the seconds from a
    message's stamp to its arrival, or to its recording. ``sample`` is the newest message that can
    be used, or else the first one; None where none came. ``examples`` has one message of each size,
    encoding and fault, ``depths`` the median (metres) and the valid fraction of each depth image.
    """

    topic: str
    types: Sequence[str] = ()
    stamps_ns: list[int] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    frame_ids: set[str] = field(default_factory=set)
    sample: Any | None = None
    examples: dict[tuple[Any, ...], Example] = field(default_factory=dict)
    depths: list[tuple[float, float]] = field(default_factory=list)
    transport: str = "raw"

    def add(self, stamp_ns: int, message: Any | None, fault: str = "") -> None:
        """Note one message, and why it cannot be used."""
        self.stamps_ns.append(stamp_ns)
        if message is not None:
            self.frame_ids.add(message.header.frame_id)
            self.sample = message if not fault or self.sample is None else self.sample

        # Faults that differ only in their numbers are one.
        kind = (*_layout(message), re.sub(r"[\d.]+", "", fault))
        example = self.examples.setdefault(kind, Example(message, stamp_ns, fault, 0))
        example.message, example.count = message, example.count + 1

    def usable(self) -> list[Example]:
        """An example of each layout without a fault, by their first stamps."""
        found = [example for example in self.examples.values() if not example.fault]
        if not found and self.sample is not None and not self.examples:
            found = [Example(self.sample, 0)]
        return sorted(found, key=lambda example: example.first_ns)

    def at(self, stamp_ns: int) -> Any | None:
        """A message as they were at ``stamp_ns``; None where none can be used."""
        examples = self.usable()
        earlier = [example for example in examples if example.first_ns <= stamp_ns]
        return next((example.message for example in reversed(earlier)), None) or next(
            (example.message for example in examples), None
        )

    @property
    def period_s(self) -> float | None:
        """Median seconds between two stamps in a row; None below three messages."""
        gaps_ns = np.diff(self.stamps_ns)
        if len(gaps_ns) < 2 or np.median(gaps_ns) <= 0:
            return None
        return float(np.median(gaps_ns)) * 1e-9


def camera_reader(config: CameraConfig, topics: Mapping[str, TopicSeen]) -> CameraReader:
    """What reads the messages of the camera with these topics by role."""
    return CameraReader(config, topics["color"].topic if "color" in topics else "")


def observe_message(
    camera: CameraReader, role: str, seen: TopicSeen, stamp_ns: int, message: Any
) -> None:
    """Note a message of the topic with this role, and what is wrong with it."""
    fault = ""
    try:
        if role == "color":
            camera.color(message)
        elif role == "depth":
            depth = camera.depth(message)[::_DEPTH_STEP, ::_DEPTH_STEP]
            valid = depth[depth > 0]
            if valid.size:
                seen.depths.append((float(np.median(valid)), valid.size / depth.size))
    except ImageError as error:
        fault = str(error)
    seen.add(stamp_ns, message, fault)


def _layout(message: Any | None) -> tuple[Any, ...]:
    """What decides how the pixels of an image, or the numbers of a camera, are to be read."""
    if message is None:
        return ("undecoded",)
    size = message.width, message.height
    if hasattr(message, "encoding"):
        return (*size, message.encoding)
    roi = message.roi
    region = roi.x_offset, roi.y_offset, roi.width, roi.height
    return (*size, *region, message.binning_x, message.binning_y)


@dataclass(frozen=True)
class Link:
    """A publisher and a subscriber of one topic.

    ``qos_mismatch`` says why the subscriber receives nothing; None where their QoS are compatible.
    """

    topic: str
    publisher: str
    subscriber: str
    qos_mismatch: str | None = None


@dataclass
class Observation:
    """Camera, graph and configuration as they were observed.

    ``topics`` are by role (those of EXPECTED_TYPES); a role that could not be found is missing, and
    ``not_found`` says why. ``unconnected`` holds (node, topic) of inputs that nobody publishes,
    ``published`` the topics that somebody does, ``reports`` the diagnostics of each node that is
    not well. ``models`` are files by kind, ``ground_truth_classes`` the object classes of a bag's
    ground truth.

    ``environment`` is that of the processes that exchange the images. With ``simulated_time``
    (somebody publishes /clock, or it is a bag) stamps are not those of this machine's clock.

    ``ros_fault`` says why ROS 2 cannot be used on this machine; "" where it can.

    ``config`` says how the camera's messages are read. ``widths`` are metric widths of detected
    objects with their class names, as ``metric_width`` measures them.
    """

    source: str
    topics: dict[str, TopicSeen] = field(default_factory=dict)
    not_found: str = ""
    links: Sequence[Link] = ()
    unconnected: Sequence[tuple[str, str]] = ()
    published: Collection[str] = ()
    reports: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Path] = field(default_factory=dict)
    ground_truth_classes: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)
    slop_s: float = 0.03
    simulated_time: bool = True
    ros_fault: str = ""
    config: CameraConfig = field(default_factory=CameraConfig)
    widths: list[tuple[str, float]] = field(default_factory=list)

    @property
    def camera(self) -> CameraReader:
        """What reads the messages."""
        return camera_reader(self.config, self.topics)

    def sample(self, role: str) -> Any | None:
        """A message of the topic with this role; None where there is none."""
        return self.topics[role].sample if role in self.topics else None

    def received(self) -> dict[str, TopicSeen]:
        """The topics from which messages came, by role."""
        return {role: seen for role, seen in self.topics.items() if seen.stamps_ns}
