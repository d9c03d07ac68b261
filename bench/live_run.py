# SPDX-License-Identifier: Apache-2.0
"""A camera, made of a recording, and a listener for long runs of the nodes as a robot runs them."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from time import monotonic, time_ns
from typing import Any

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_frames import CameraFrame, camera_frames
from perception_kit.bags.camera_topics import find_camera_topics
from perception_kit.processes import ends_with_parent
from perception_kit.ros.graph_client import GraphClient
from perception_kit.stamps import stamp_to_ns
from perception_kit.temporary import temporary_folder

NODES = ("pose6d_node", "tracker_node", "actionrec_node")
CAMERA = {
    "color/image_raw": "sensor_msgs/msg/Image",
    "depth/image_raw": "sensor_msgs/msg/Image",
    "color/camera_info": "sensor_msgs/msg/CameraInfo",
}
RESULTS = {
    "pose6d_node/detections": "InstanceDetectionArray",
    "pose6d_node/poses": "ObjectPoseArray",
    "tracker_node/tracks": "TrackArray",
    "actionrec_node/actions": "ActionArray",
    "actionrec_node/alarm_health": "AlarmHealth",
}
STAMP = struct.Struct("<iI")  # of a header, behind the 4 bytes that say how CDR is encoded
CDR_BYTES = 4


def read_frames(bag: Path, count: int) -> list[CameraFrame]:
    """The first ``count`` complete frames of a recording."""
    with BagReader(bag) as reader:
        topics = find_camera_topics(reader.topics)
        frames = camera_frames(reader, topics, 0.03, None)
        return list(islice((f for f in frames if f.depth and f.camera_info), count))


def there_and_back(count: int) -> Iterator[int]:
    """Indices for an endless film without a cut."""
    return cycle(chain(range(count), range(count - 2, 0, -1)))


@dataclass
class Heard:
    """A message, when it came by the monotonic clock, and the index of its frame where known."""

    message: Any
    time_s: float
    frame: int | None


class LiveRun:
    """Publishes ``frames`` at ``rate_hz`` with present stamps, and keeps what the nodes say.

    ``heard`` holds the newest messages by topic; ``camera_on`` False stops the camera, whose world
    then stands still; ``rate_hz`` may change.
    """

    def __init__(self, frames: Sequence[CameraFrame], rate_hz: float, domain_id: int) -> None:
        self.camera_on = True
        self.heard: dict[str, list[Heard]] = defaultdict(list)
        self.rate_hz = rate_hz
        self._frames = frames
        self._indices, self._next_s = there_and_back(len(frames)), monotonic()
        self._index_of: dict[int, int] = {}

        self.client = GraphClient("live_run", domain_id)
        for topic, type_name in CAMERA.items():
            self.client.add_publisher(type_name, f"/{topic}")
        for topic, name in RESULTS.items():
            self._listen(f"assistant_perception/msg/{name}", topic)
        self._listen("diagnostic_msgs/msg/DiagnosticArray", "diagnostics")

    def spin(self, seconds: float) -> None:
        """Go on for so long."""
        end_s = monotonic() + seconds
        while (now_s := monotonic()) < end_s:
            if now_s >= self._next_s:
                self._next_s = max(self._next_s + 1 / self.rate_hz, now_s)
                if self.camera_on:
                    self._publish()
            self.client.spin_once(max(0.0, min(self._next_s, end_s) - monotonic()))

    @property
    def published(self) -> int:
        """Number of frames so far."""
        return len(self._index_of)

    def since(self, topic: str, time_s: float) -> list[Heard]:
        """What came on a topic after a time."""
        return [entry for entry in self.heard[topic] if entry.time_s > time_s]

    def errors(self, node: str, time_s: float) -> list[str]:
        """What the supervisor said of a node at level ERROR after a time."""
        statuses = [
            status for entry in self.since("diagnostics", time_s) for status in entry.message.status
        ]
        return [s.message for s in statuses if s.name.endswith(f": {node}") and s.level == b"\x02"]

    def _publish(self) -> None:
        index, stamp_ns = next(self._indices), time_ns()
        frame = self._frames[index]
        self._index_of[stamp_ns] = index
        stamp = STAMP.pack(*divmod(stamp_ns, 1_000_000_000))
        parts = (frame.camera_info, frame.depth, frame.color)
        for topic, part in zip(reversed(CAMERA), parts, strict=True):
            if part is not None:
                data = bytearray(part.data)
                data[CDR_BYTES : CDR_BYTES + STAMP.size] = stamp
                self.client.publish(f"/{topic}", bytes(data), monotonic() + 1.0)

    def _listen(self, type_name: str, topic: str) -> None:
        def receive(message: Any) -> None:
            stamp_ns = stamp_to_ns(message.header.stamp)
            entries = self.heard[topic]
            entries.append(Heard(message, monotonic(), self._index_of.get(stamp_ns)))
            del entries[:-3000]

        self.client.subscribe(type_name, f"/{topic}", receive)


def node_processes(bringup: int) -> dict[str, int]:
    """Process ids of the nodes that the bring-up with this id has started, by name."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        for node in NODES:
            if parent == bringup and f"{node}.node".encode() in words:
                found[node] = int(folder.name)
    return found


def domain() -> int:
    """A ROS domain of this run alone."""
    return 100 + os.getpid() % 100


@contextmanager
def running_nodes(number: int, log_dir: Path, options: Mapping[str, Path]) -> Iterator[int]:
    """Process id of a bring-up with these ``options``, in the domain ``number``."""
    with temporary_folder("camera") as folder:
        camera = folder / "camera.yaml"
        camera.write_text("".join(f"{topic}: /{topic}\n" for topic in CAMERA))
        command = [sys.executable, "-m", "perception_kit.bringup", "--camera", str(camera)]
        command += ["--log-dir", str(log_dir)]
        for option, value in options.items():
            command += [option, str(value)]
        environment = os.environ | {
            "ROS_DOMAIN_ID": str(number),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        with subprocess.Popen(ends_with_parent(command), env=environment) as process:
            try:
                yield process.pid
            finally:
                process.send_signal(signal.SIGINT)
                process.wait()
