# SPDX-License-Identifier: Apache-2.0
"""Publishes camera frames over DDS and collects the responses of the nodes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, time_ns
from typing import Any

from perception_kit.bags.bag import open_typestore
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.closing import Closing
from perception_kit.evaluation.results import STAGES, Stage
from perception_kit.ros.graph_client import GraphClient
from perception_kit.stamps import stamp_to_ns

_COLOR = "/color/image_raw"
_DEPTH = "/depth/image_raw"
_CAMERA_INFO = "/color/camera_info"

# Input topics of the nodes, with their types and the nodes that subscribe to them.
_INPUTS = {
    _COLOR: ("sensor_msgs/msg/Image", {"pose6d_node", "actionrec_node"}),
    _DEPTH: ("sensor_msgs/msg/Image", {"pose6d_node"}),
    _CAMERA_INFO: ("sensor_msgs/msg/CameraInfo", {"pose6d_node"}),
}
_POLL_S = 0.2

# The results of a frame, and a diagnostic message.
_CALLBACKS_PER_FRAME = len(STAGES) + 1


@dataclass
class Responses:
    """Node responses to one frame, by stage name.

    ``messages`` are decoded, ``data`` their CDR bytes, and ``latency_s`` the seconds from the
    publication of the frame to their arrival. ``published_ns`` is of the system clock, as DDS's
    times of arrival.
    """

    published_ns: int = 0
    messages: dict[str, Any] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    latency_s: dict[str, float] = field(default_factory=dict)


class Player(Closing):
    """Publishes frames and collects the results with their stamps, in one ROS domain.

    Messages stay CDR bytes in both directions. Use as a context manager.
    """

    def __init__(self, domain_id: int) -> None:
        self.client = GraphClient("replay", domain_id)
        for topic, (type_name, _) in _INPUTS.items():
            self.client.add_publisher(type_name, topic)
        for stage in STAGES:
            self.client.subscribe_raw(stage.type_name, stage.topic, partial(self._receive, stage))
        self._typestore = open_typestore()
        self._expected: dict[int, Responses] = {}

    def missing_links(self, stages: Collection[Stage]) -> list[str]:
        """Connections that the ``stages`` need and DDS has not made yet, in words."""
        unpublished = [
            f"nobody publishes {stage.topic}"
            for stage in stages
            if not self.client.count_publishers(stage.topic)
        ]

        nodes = {stage.node for stage in stages}
        unheard = [
            f"not all nodes listen to {topic}"
            for topic, (_, subscribers) in _INPUTS.items()
            if self.client.count_listeners(topic) < len(nodes & subscribers)
        ]
        return unpublished + unheard

    def publish(self, frame: CameraFrame, deadline_s: float) -> Responses:
        """Publish ``frame`` and return its responses, which fill while the client spins.

        They do so until ``forget``. Where the middleware refuses a message, this tries again until
        ``deadline_s`` of the monotonic clock.
        """
        responses = self._expected[frame.stamp_ns] = Responses(published_ns=time_ns())
        for topic, message in (
            (_CAMERA_INFO, frame.camera_info),
            (_DEPTH, frame.depth),
            (_COLOR, frame.color),
        ):
            if message is not None:
                self.client.publish(topic, message.data, deadline_s)
        return responses

    def forget(self, frame: CameraFrame) -> None:
        """Ignore further responses to ``frame``, where it was published."""
        self._expected.pop(frame.stamp_ns, None)

    def spin_once(self, timeout_s: float) -> None:
        """Process one callback; wait up to ``timeout_s`` for it."""
        self.client.spin_once(timeout_s)

    def process_pending(self) -> None:
        """Process pending callbacks, as many as one frame causes, without blocking."""
        for _ in range(_CALLBACKS_PER_FRAME):
            self.spin_once(0.0)

    def play(
        self, frame: CameraFrame, awaited: Callable[[], Collection[Stage]], timeout_s: float
    ) -> Responses:
        """Publish ``frame`` and collect the results of all ``awaited`` stages.

        ``timeout_s`` limits the wait. ``awaited`` is asked repeatedly, so that a node that dies
        while it works on the frame is no longer waited for.
        """
        deadline_s = monotonic() + timeout_s
        responses = self.publish(frame, deadline_s)
        while (
            any(stage.name not in responses.data for stage in awaited())
            and monotonic() < deadline_s
        ):
            self.spin_once(_POLL_S)

        self.forget(frame)
        return responses

    def close(self) -> None:
        """Leave the ROS graph."""
        self.client.close()

    def _receive(self, stage: Stage, data: bytes, received_ns: int) -> None:
        message: Any = self._typestore.deserialize_cdr(data, stage.type_name)
        responses = self._expected.get(stamp_to_ns(message.header.stamp))
        if responses is not None:
            responses.latency_s[stage.name] = (received_ns - responses.published_ns) * 1e-9
            responses.data[stage.name] = data
            responses.messages[stage.name] = message
