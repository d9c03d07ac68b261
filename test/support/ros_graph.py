# SPDX-License-Identifier: Apache-2.0
"""A test's side of the ROS graph, in a domain of its own, and camera messages to send."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from perception_kit.ros.image import array_to_image
from perception_kit.ros.node_processes import NODES, NodeGroup, start_nodes
from perception_kit.ros.qos import result_qos
from perception_kit.ros.to_messages import ns_to_stamp

DOMAIN_ID = 10 + os.getpid() % 90  # runs of the tests beside each other do not meet
FRAME_ID = "camera_color_optical_frame"
WIDTH, HEIGHT = 96, 72
_LIMIT_S = 180.0
_ASK_AGAIN_S = 5.0


class RosGraph:
    """Publishes, records, and asks nodes for parameters and transitions.

    Everything waits at most 3 minutes.
    """

    def __init__(self) -> None:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self._context = Context()
        rclpy.init(context=self._context, domain_id=DOMAIN_ID)
        self.node = Node("test", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.background: Callable[[], Any] | None = None  # called while something is waited for
        self._diagnostics: list[DiagnosticStatus] = []
        self.node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda array: self._diagnostics.extend(array.status),
            result_qos(),
        )

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def start(self, name: str, parameters: dict[str, Any], log_dir: Path) -> NodeGroup:
        """Start one node, with all inputs in lock step."""
        return start_nodes(
            {name: {"input_reliability": "reliable"} | parameters},
            domain_id=DOMAIN_ID,
            log_dir=log_dir,
            nodes=[name],
        )

    def spin(self, seconds: float) -> None:
        """Let things happen for a while."""
        end_s = monotonic() + seconds
        while monotonic() < end_s:
            self._executor.spin_once(0.02)

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Spin until ``condition`` gives something true, and return that."""
        end_s = monotonic() + _LIMIT_S
        while monotonic() < end_s:
            if result := condition():
                return result
            if self.background is not None:
                self.background()
            self._executor.spin_once(0.05)
        raise AssertionError(f"waited {_LIMIT_S:.0f} s for: {what}")

    def record(self, message_type: type, topic: str) -> list[Any]:
        """List that fills with the messages of ``topic``; returns when nothing is missed any more.

        A publisher must be there, and one of our nodes must have found this subscription.
        """
        messages: list[Any] = []
        subscription = self.node.create_subscription(
            message_type, topic, messages.append, result_qos()
        )
        self.wait(
            lambda: self.node.count_publishers(subscription.topic_name), f"a publisher of {topic}"
        )
        node, _, name = topic.strip("/").rpartition("/")
        if node in NODES:
            self.status(lambda status: self._is_matched(status, topic, name), f"a match of {topic}")
        return messages

    def _is_matched(self, status: DiagnosticStatus, topic: str, name: str) -> bool:
        """Whether the status of a node says that all subscribers of its result are found.

        What is no result is not counted there.
        """
        if not status.name.startswith(topic.rpartition("/")[0]):
            return False
        values = {pair.key: pair.value for pair in status.values}
        found = values.get(f"subscribers/{name}")
        return found is None or int(found) >= self.node.count_subscribers(topic)

    def publisher(self, message_type: type, topic: str) -> Publisher:
        """Publisher of ``topic``; returns when somebody listens."""
        publisher = self.node.create_publisher(message_type, topic, result_qos())
        self.wait(publisher.get_subscription_count, f"a subscriber of {topic}")
        return publisher

    def set_parameter(self, node: str, name: str, value: Any) -> SetParametersResult:
        """Result of ``ros2 param set``."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        return self.call(SetParameters, f"/{node}/set_parameters", request).results[0]

    def state(self, node: str) -> str:
        """Life-cycle state."""
        request = GetState.Request()
        return self.call(GetState, f"/{node}/get_state", request, repeat=True).current_state.label

    def change_state(self, node: str, transition: str) -> bool:
        """Whether a transition succeeded, as ``ros2 lifecycle set``."""
        request = ChangeState.Request()
        request.transition.label = transition
        return self.call(ChangeState, f"/{node}/change_state", request).success

    def status(
        self,
        condition: Callable[[DiagnosticStatus], bool],
        what: str,
        ending: str = ": perception",
    ) -> DiagnosticStatus:
        """The first diagnostic status from now on for which ``condition`` holds.

        Only of those whose name ends so: by default what nodes say of themselves.
        """
        self._diagnostics.clear()

        def found() -> DiagnosticStatus | None:
            named = (status for status in self._diagnostics if status.name.endswith(ending))
            return next(filter(condition, named), None)

        return self.wait(found, what)

    def problem(self, text: str) -> DiagnosticStatus:
        """The first diagnostic status from now on whose message contains ``text``."""
        return self.status(lambda status: text in status.message, f"diagnostics that say '{text}'")

    def call(self, service_type: type, name: str, request: Any, *, repeat: bool = False) -> Any:
        """Response of a service.

        A request can reach a node that was killed a moment ago instead of its successor: one that
        changes nothing may be repeated.
        """
        client = self.node.create_client(service_type, name)
        self.wait(client.service_is_ready, f"service {name}")
        futures = [client.call_async(request)]
        sent_s = monotonic()

        def answered() -> Future | None:
            nonlocal sent_s
            if repeat and monotonic() - sent_s > _ASK_AGAIN_S:
                futures.append(client.call_async(request))
                sent_s = monotonic()
            return next(filter(Future.done, futures), None)

        future = self.wait(answered, f"response of {name}")
        self.node.destroy_client(client)
        return future.result()


def value_of(status: DiagnosticStatus, key: str) -> str:
    """Value of a key of a diagnostic status."""
    return {pair.key: pair.value for pair in status.values}[key]


def header(stamp_ns: int) -> Header:
    """Header of a camera message."""
    return Header(stamp=ns_to_stamp(stamp_ns), frame_id=FRAME_ID)


def color_message(stamp_ns: int, seed: int = 0) -> Image:
    """An image of noise."""
    return array_to_image(
        np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8),
        "rgb8",
        header(stamp_ns),
    )


def depth_message(
    stamp_ns: int, encoding: str = "16UC1", meters: float = 0.8, width: int = WIDTH
) -> Image:
    """A wall parallel to the image."""
    pixels = (
        np.full((HEIGHT, width), meters, np.float32)
        if encoding == "32FC1"
        else np.full((HEIGHT, width), meters * 1000, np.uint16)
    )
    return array_to_image(pixels, encoding, header(stamp_ns))


def info_message(stamp_ns: int, fx: float = 80.0) -> CameraInfo:
    """A camera with a field of view of about 60 degrees."""
    return CameraInfo(
        header=header(stamp_ns),
        width=WIDTH,
        height=HEIGHT,
        k=[fx, 0.0, WIDTH / 2, 0.0, 80.0, HEIGHT / 2, 0.0, 0.0, 1.0],
    )
