# SPDX-License-Identifier: Apache-2.0
"""What was observed of a bag or of the running graph, which is all that the checks know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

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
class TopicSeen:
    """One camera topic.

    ``types`` are the type names under which it is published, none where nobody publishes it.
    ``stamps_ns`` are the headers' stamps in the order of arrival, ``delays_s`` the ages of the
    messages on arrival (live only). ``sample`` is one of the messages; None where none came.
    """

    topic: str
    types: Sequence[str] = ()
    stamps_ns: list[int] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    frame_ids: set[str] = field(default_factory=set)
    sample: Any | None = None

    def add(self, stamp_ns: int, frame_id: str, message: Any) -> None:
        """Note one message."""
        self.stamps_ns.append(stamp_ns)
        self.frame_ids.add(frame_id)
        self.sample = message

    @property
    def period_s(self) -> float | None:
        """Median seconds between two stamps in a row; None below three messages."""
        gaps_ns = np.diff(self.stamps_ns)
        if len(gaps_ns) < 2 or np.median(gaps_ns) <= 0:
            return None
        return float(np.median(gaps_ns)) * 1e-9


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
    ``reports`` the diagnostics of each node that is not well. ``models`` are files by kind,
    ``ground_truth_classes`` the object classes of a bag's ground truth.

    ``environment`` is that of the processes that exchange the images. With ``simulated_time``
    (somebody publishes /clock, or it is a bag) stamps are not those of this machine's clock.
    """

    source: str
    topics: dict[str, TopicSeen] = field(default_factory=dict)
    not_found: str = ""
    links: Sequence[Link] = ()
    unconnected: Sequence[tuple[str, str]] = ()
    reports: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Path] = field(default_factory=dict)
    ground_truth_classes: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)
    slop_s: float = 0.03
    simulated_time: bool = True

    def sample(self, role: str) -> Any | None:
        """A message of the topic with this role; None where there is none."""
        return self.topics[role].sample if role in self.topics else None

    def received(self) -> dict[str, TopicSeen]:
        """The topics from which messages came, by role."""
        return {role: seen for role, seen in self.topics.items() if seen.stamps_ns}
