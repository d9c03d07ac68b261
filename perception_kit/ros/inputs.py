# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of a node, joined by stamp to frames that a worker thread processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.ros.diagnostics import ProblemLog
from perception_kit.ros.image_transport import RawMessages, image_topic
from perception_kit.ros.qos import has_latched_publisher, input_events, input_qos, latched_qos
from perception_kit.ros.statistics import FrameStatistics
from perception_kit.ros.sync import KEPT_S, LATE_S, FrameJoiner
from perception_kit.ros.transport import ProfileError, segment_bytes
from perception_kit.ros.worker import FrameWorker
from perception_kit.stamps import stamp_to_ns

QUIET_S = 2.0  # seconds without a frame after which the watchdog reports
_DDS_MEMORY_S = 30.0  # longer than DDS lists a participant that was killed
_BYTES_PER_PIXEL = 3  # of a colour image, the largest message


@dataclass(frozen=True)
class Input:
    """A topic to receive; there is no frame without a message on each ``required`` one.

    Images come by the ``transport``, one of ``IMAGE_TRANSPORTS``, and are raw in the frames.
    """

    name: str
    message_type: type
    topic: str
    required: bool = True
    transport: str = "raw"


@dataclass(frozen=True)
class SynchronizedFrame:
    """Messages that belong together, by input name.

    ``stamp_ns`` is the stamp of the first one, ``received_s`` the time of the monotonic clock.
    Looking up an image raises ImageError where it came compressed and cannot be read.
    """

    stamp_ns: int
    messages: Mapping[str, Any]
    received_s: float


class FrameInputs:
    """Receives ``inputs`` in the executor and calls ``process`` in a worker thread for each frame.

    With a ``joiner`` its messages make frames together, else each message is a frame.
    ``submitted`` is called for each frame of ``required`` inputs, in the executor. ``queue_length``
    frames may wait for the worker; a newer one pushes out the oldest.
    """

    def __init__(
        self,
        node: Node,
        inputs: Sequence[Input],
        process: Callable[[SynchronizedFrame], None],
        submitted: Callable[[], None],
        statistics: FrameStatistics,
        problems: ProblemLog,
        joiner: FrameJoiner | None,
        reliability: str,
        queue_length: int,
    ) -> None:
        self._node, self._joiner = node, joiner
        self._inputs = tuple(_transported(node, entry) for entry in inputs)
        self._topics = {entry.name: entry.topic for entry in self._inputs}
        self._statistics, self._problems = statistics, problems
        self._submitted = submitted

        self._opened_s = monotonic()
        self._last_frame_s = monotonic()
        self._rivals_since_s: dict[str, float] = {}
        self._image_bytes = 0  # of a colour image, as the camera information has it

        self._worker = FrameWorker(process, queue_length)
        qos = input_qos(reliability)
        self._subscriptions = {entry.name: self._subscribe(entry, qos) for entry in self._inputs}

    def close(self) -> None:
        """Stop receiving, forget waiting frames, and return when the one in progress is done."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._worker.stop()

    @property
    def topics(self) -> list[str]:
        """Full names of the topics that are received."""
        return [self._subscriptions[entry.name].topic_name for entry in self._inputs]

    @property
    def dropped(self) -> int:
        """Number of frames dropped because the worker was busy, or because no partner came."""
        return self._worker.dropped + (self._joiner.dropped if self._joiner is not None else 0)

    @property
    def quiet_s(self) -> float:
        """Seconds without a complete frame; 0 while one is worked on."""
        return 0.0 if self._worker.busy else monotonic() - self._last_frame_s

    def check(self) -> None:
        """Watchdog: reports what is missing when there was no frame for 2 seconds.

        Not while a frame is in progress: a replay sends the next one afterwards.
        """
        quiet_s = monotonic() - self._last_frame_s
        self._report_rivals()
        self._receive_latched()
        self._report_lateness()
        if quiet_s < QUIET_S or self._worker.busy:
            return

        missing = [
            self._missing(entry)
            for entry in self._inputs
            if entry.required and self._quiet_for(entry) >= QUIET_S
        ]
        if not missing and self._joiner is not None:
            missing = [_mismatch(self._joiner)]

        text = f"no complete frame for {quiet_s:.0f} s: {'; '.join(missing)}"
        self._problems.report("no frame", text)

    def statuses(self, node_name: str) -> list[DiagnosticStatus]:
        """A status for each input that may be missing: STALE where its publisher has gone."""
        statuses = []
        for entry in self._inputs:
            if entry.required:
                continue
            topic = self._subscriptions[entry.name].topic_name
            publishers = self._node.count_publishers(topic)
            gone = self._has_come(entry) and not publishers
            level = DiagnosticStatus.STALE if gone else DiagnosticStatus.OK
            message = f"the publisher of '{topic}' is gone" if gone else f"'{topic}'"
            name = f"{node_name}: input {entry.name}"
            statuses.append(DiagnosticStatus(name=name, level=level, message=message))
        return statuses

    def _receive_latched(self) -> None:
        """Also ask for camera information that was published before this node listened.

        It is the newest that its publisher keeps for late subscribers.
        """
        for entry in self._inputs:
            name = f"latched {entry.name}"
            if entry.message_type is not CameraInfo or name in self._subscriptions:
                continue
            if self._has_come(entry):
                continue

            topic = self._subscriptions[entry.name].topic_name
            if has_latched_publisher(self._node, topic):
                self._subscriptions[name] = self._subscribe(entry, latched_qos())

    def _report_rivals(self) -> None:
        """Name the publishers of an input that has several: their frames would mix.

        DDS goes on listing a killed one for up to 20 s, so two of the same name must last longer.
        """
        for entry in self._inputs:
            topic = self._subscriptions[entry.name].topic_name
            found = self._node.get_publishers_info_by_topic(topic)
            names = [f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in found]
            if len(names) < 2:
                self._rivals_since_s.pop(topic, None)
                continue

            since_s = self._rivals_since_s.setdefault(topic, monotonic())
            if len(set(names)) > 1 or monotonic() - since_s > _DDS_MEMORY_S:
                text = f"{len(names)} publishers on '{topic}': {', '.join(sorted(names))}"
                self._problems.report(f"publishers of {topic}", text)

    def _report_lateness(self) -> None:
        """Report a partner that arrives long after the colour image of its stamp."""
        if self._joiner is None:
            return
        for name, late_s in self._joiner.lateness_s.items():
            if late_s >= LATE_S:
                text = f"'{name}' arrives {late_s:.1f} s after the colour image of its stamp"
                if late_s > KEPT_S:
                    text += f", which is kept for {KEPT_S:g} s only"
                self._problems.report(f"late {name}", text)

    def _subscribe(self, entry: Input, qos: QoSProfile) -> Subscription:
        topic = self._node.resolve_topic_name(entry.topic)
        events = input_events(
            topic,
            warn=lambda text: self._problems.report(f"QoS of {topic}", text),
            lost=lambda number: self._statistics.count("lost_in_transport", number),
        )
        return self._node.create_subscription(
            entry.message_type,
            entry.topic,
            lambda message: self._receive(entry, message),
            qos,
            event_callbacks=events,
        )

    def _receive(self, entry: Input, message: Any) -> None:
        name = entry.name
        self._statistics.event(f"input/{name}")
        if isinstance(message, CameraInfo):
            self._image_bytes = message.width * message.height * _BYTES_PER_PIXEL

        # Join it with its partners, where there are any to wait for.
        messages: dict[str, Any] | None = {name: message}
        if self._joiner is not None:
            messages = self._joiner.add(name, stamp_to_ns(message.header.stamp), message)
        if messages is None:
            return

        now_s = monotonic()
        if entry.required:  # what comes beside the frames must not hide that there are none
            self._last_frame_s = now_s
            self._submitted()

        leading = next(iter(messages.values()))
        stamp_ns = stamp_to_ns(leading.header.stamp)
        raw = RawMessages(messages, self._topics)
        self._worker.submit(SynchronizedFrame(stamp_ns, raw, now_s))

    def _quiet_for(self, entry: Input) -> float:
        """Seconds without a message, at most those since the inputs were opened.

        Camera information holds until the next: once it has come it is not missing.
        """
        since_opened = monotonic() - self._opened_s
        since_message = self._statistics.seconds_since(f"input/{entry.name}")
        if since_message is None or since_message > since_opened:
            return since_opened
        return 0.0 if entry.message_type is CameraInfo else since_message

    def _has_come(self, entry: Input) -> bool:
        """Whether a message came since the inputs were opened."""
        since_message = self._statistics.seconds_since(f"input/{entry.name}")
        return since_message is not None and since_message <= monotonic() - self._opened_s

    def _missing(self, entry: Input) -> str:
        """Which input is missing, and why as far as that is known."""
        topic = self._subscriptions[entry.name].topic_name
        publishers = self._node.count_publishers(topic)
        plural = "" if publishers == 1 else "s"
        text = f"nothing received on '{topic}' ({publishers} publisher{plural})"
        if publishers and entry.message_type is Image:
            return f"{text}: {self._image_loss()}"
        if not publishers and (similar := self._similar_topics(entry, topic)):
            return f"{text}; there is {', '.join(similar)}: set camera or camera_namespace"
        return text

    def _similar_topics(self, entry: Input, topic: str) -> list[str]:
        """Published topics of the input's type whose names end as ``topic`` does."""
        wanted = f"{entry.message_type.__module__.partition('.')[0]}/msg/"
        wanted += entry.message_type.__name__
        ending = "/" + "/".join(topic.split("/")[-2:])
        return [
            f"'{name}'"
            for name, types in self._node.get_topic_names_and_types()
            if wanted in types and name.endswith(ending) and self._node.count_publishers(name)
        ]

    def _image_loss(self) -> str:
        """Why images that are published do not arrive, as far as that is known."""
        try:
            room = segment_bytes(os.environ)
        except ProfileError as error:
            return f"images are lost because {error}"

        if self._image_bytes > room:
            return (
                f"images of about {self._image_bytes / 2**20:.0f} MiB do not fit into Fast DDS's"
                f" shared memory of {room / 2**20:.0f} MiB: lower the resolution or raise"
                " segment_size in config/fastdds.xml"
            )
        return "see 'python -m perception_kit.doctor'"


def _transported(node: Node, entry: Input) -> Input:
    """``entry`` with the topic and type of its transport."""
    if entry.message_type is not Image:
        return entry
    kind, topic = image_topic(node.resolve_topic_name(entry.topic), entry.name, entry.transport)
    return replace(entry, message_type=kind, topic=topic)


def _mismatch(joiner: FrameJoiner) -> str:
    """How far the stamps of the inputs are apart, or that equal ones arrive too late."""
    late = [
        f"'{name}' arrives {late_s:.1f} s after the '{joiner.leader}' of its stamp, which is kept"
        f" for {KEPT_S:g} s"
        for name, late_s in joiner.lateness_s.items()
        if late_s > KEPT_S
    ]
    if late:
        return "; ".join(late)
    gaps = [f"{gap * 1e-9:.3f} s for '{name}'" for name, gap in joiner.smallest_gap_ns.items()]
    return (
        f"the stamps of the inputs do not match: smallest gap to '{joiner.leader}' seen is"
        f" {', '.join(gaps) or 'unknown'}, slop is {joiner.slop_ns * 1e-9:.3f} s"
    )
