# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node that says on ``/diagnostics`` which of the perception nodes are gone or hang.

It hears of them by their own diagnostics, so it also runs beside nodes that others have started.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Header

from perception_kit.ros.diagnostics import diagnostic_array
from perception_kit.ros.heartbeat import publish_heartbeat
from perception_kit.ros.node_processes import NODES
from perception_kit.ros.qos import result_qos
from perception_kit.ros.run_node import run_node
from perception_kit.ros.supervision import HEARTBEAT_S, Supervision, status_name

NAME = "supervisor_node"


class SupervisorNode(Node):
    """Publishes a status for each node of the parameter ``nodes``, every second and on changes.

    The nodes are those of its own namespace. ``supervision`` also takes what is known of their
    processes; it may be that of a node before this one.
    """

    def __init__(self, supervision: Supervision | None = None, **options: Any) -> None:
        super().__init__(NAME, **options)
        description = ParameterDescriptor(
            description="names of the nodes that must be alive", read_only=True
        )
        self._names = list(self.declare_parameter("nodes", list(NODES), description).value or [])
        self.supervision = supervision or Supervision(self._names)
        self.supervision.changed = self._publish

        prefix = self.get_namespace().rstrip("/")
        self._name_of = {status_name(f"{prefix}/{name}"): name for name in self._names}
        self._publisher = self.create_publisher(DiagnosticArray, "/diagnostics", result_qos())
        self.create_subscription(DiagnosticArray, "/diagnostics", self._receive, result_qos())
        # A steady clock goes on while simulated time stands still.
        self.create_timer(HEARTBEAT_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _receive(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if (name := self._name_of.get(status.name)) is not None:
                self.supervision.heard(name, status.level, status.message)

    def _publish(self) -> None:
        message = DiagnosticArray(header=Header(stamp=self.get_clock().now().to_msg()))
        for name in self._names:
            level, text = self.supervision.judge(name)
            values = {"restarts": str(self.supervision.restarts(name))}
            own_name = f"{self.get_fully_qualified_name()}: {name}"
            status = diagnostic_array(message.header, own_name, "", level, text, values).status
            message.status = [*message.status, *status]
            if level == DiagnosticStatus.ERROR:
                self.get_logger().error(text, throttle_duration_sec=5.0)
        publish_heartbeat(self, self._publisher, message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; returns the exit code."""
    return run_node(SupervisorNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
