# SPDX-License-Identifier: Apache-2.0
"""Publishes camera frames over DDS and collects what the nodes answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import monotonic, time_ns
from types import TracebackType
from typing import Any

import assistant_perception.msg
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.bags.bag import open_typestore
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.evaluation.results import STAGES, Stage
from perception_kit.ros.from_messages import stamp_to_ns
from perception_kit.ros.qos import result_qos

_POLL_S = 0.2
# Results wait until the player has time for them, however many there are.
_RESULTS = QoSProfile(history=QoSHistoryPolicy.KEEP_ALL, reliability=QoSReliabilityPolicy.RELIABLE)
_CALLBACKS_OF_A_FRAME = len(STAGES) + 1  # its results, and a diagnostic message


@dataclass
class Responses:
    """What came back for one frame, by stage name: messages, their CDR bytes, and seconds from
    publishing the frame to their arrival.
    """

    published_ns: int = 0  # of the system clock, as DDS's times of arrival
    messages: dict[str, Any] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    latency_s: dict[str, float] = field(default_factory=dict)


class Player:
    """A ROS node that publishes frames and collects the results with their stamp.

    Messages stay CDR bytes in both directions.

    Use as a context manager.
    """

    def __init__(self, domain_id: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = Node("replay", context=self._context)
        self.executor = SingleThreadedExecutor(context=self._context)
        self.executor.add_node(self.node)
        self._color = self.node.create_publisher(Image, "/color/image_raw", result_qos())
        self._depth = self.node.create_publisher(Image, "/depth/image_raw", result_qos())
        self._camera_info = self.node.create_publisher(
            CameraInfo, "/color/camera_info", result_qos()
        )
        for stage in STAGES:
            message_type = getattr(assistant_perception.msg, stage.message)
            self.node.create_subscription(
                message_type, stage.topic, self._receiver(stage), _RESULTS, raw=True
            )
        self._typestore = open_typestore()
        self._expected: dict[int, Responses] = {}

    def missing_links(self, stages: Collection[Stage]) -> list[str]:
        """What DDS has not connected yet, of what the ``stages`` need; empty when everything can be
        sent and received.
        """
        nodes = {stage.node for stage in stages}
        links = [
            f"nobody publishes {stage.topic}"
            for stage in stages
            if not self.node.count_publishers(stage.topic)
        ]
        listeners = {
            self._color: nodes & {"pose6d_node", "actionrec_node"},
            self._depth: nodes & {"pose6d_node"},
            self._camera_info: nodes & {"pose6d_node"},
        }
        few = [
            publisher
            for publisher, expected in listeners.items()
            if publisher.get_subscription_count() < len(expected)
        ]
        return links + [f"not all nodes listen to {publisher.topic_name}" for publisher in few]

    def publish(self, frame: CameraFrame, deadline_s: float) -> Responses:
        """Publish ``frame`` and return its answers, which fill while the executor spins, until
        ``forget``.

        Where the middleware refuses, it is tried again until ``deadline_s`` of the monotonic clock.
        """
        answers = self._expected[frame.stamp_ns] = Responses(published_ns=time_ns())
        for publisher, message in (
            (self._camera_info, frame.camera_info),
            (self._depth, frame.depth),
            (self._color, frame.color),
        ):
            if message is not None:
                self._publish(publisher, message.data, deadline_s)
        return answers

    def forget(self, frame: CameraFrame) -> None:
        """Take no more answers to ``frame``."""
        del self._expected[frame.stamp_ns]

    def receive(self) -> None:
        """Take what has come, up to the results of one frame, without waiting."""
        for _ in range(_CALLBACKS_OF_A_FRAME):
            self.executor.spin_once(0.0)

    def play(
        self, frame: CameraFrame, awaited: Callable[[], Collection[Stage]], timeout_s: float
    ) -> Responses:
        """Publish ``frame`` and collect results until all ``awaited`` stages have answered or
        ``timeout_s`` has passed.

        ``awaited`` is asked again and again, so that a node that dies while it works on the frame
        is no longer waited for.
        """
        deadline_s = monotonic() + timeout_s
        answers = self.publish(frame, deadline_s)
        while (
            any(stage.name not in answers.data for stage in awaited()) and monotonic() < deadline_s
        ):
            self.executor.spin_once(_POLL_S)
        self.forget(frame)
        return answers

    def close(self) -> None:
        """Leave the ROS graph."""
        self.executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _publish(self, publisher: Publisher, data: bytes, deadline_s: float) -> None:
        """Publish; where the middleware refuses under load, again until the deadline, after which
        the frame has no answers.
        """
        while monotonic() < deadline_s:
            try:
                publisher.publish(data)
                return
            except rclpy_implementation.RCLError as error:
                self.node.get_logger().warning(f"{publisher.topic_name}: {error}; trying again")
                self.executor.spin_once(_POLL_S)

    def _receiver(self, stage: Stage) -> Callable[[bytes, dict[str, Any]], None]:
        def receive(data: bytes, info: dict[str, Any]) -> None:
            message = self._typestore.deserialize_cdr(data, stage.type_name)
            answers = self._expected.get(stamp_to_ns(message.header.stamp))
            if answers is not None:
                answers.latency_s[stage.name] = (
                    info["received_timestamp"] - answers.published_ns
                ) * 1e-9
                answers.data[stage.name] = data
                answers.messages[stage.name] = message

        return receive

    def __enter__(self) -> Player:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
