# SPDX-License-Identifier: Apache-2.0
"""Runs the supervisor node inside a command that has other things to do, too."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from rclpy.context import Context
from rclpy.parameter import Parameter

from perception_kit.ros.graph_node import GraphNode
from perception_kit.ros.supervision import Supervision
from perception_kit.ros.supervisor_node import NAME, SupervisorNode


class Supervisor(GraphNode):
    """A ``SupervisorNode`` for the nodes ``names`` of a ``namespace``.

    Its callbacks run inside ``spin`` only, and signals stay with the command. Use as a context
    manager.
    """

    def __init__(
        self, names: Sequence[str], namespace: str = "", domain_id: int | None = None
    ) -> None:
        self._names, self._namespace = list(names), namespace
        super().__init__(NAME, domain_id)

    def make_node(self, name: str, context: Context) -> SupervisorNode:
        """The supervisor's node."""
        self._supervisor = SupervisorNode(
            context=context,
            namespace=self._namespace,
            parameter_overrides=[Parameter("nodes", value=self._names)],
        )
        return self._supervisor

    @property
    def supervision(self) -> Supervision:
        """What is known of the nodes."""
        return self._supervisor.supervision

    def spin(self, seconds: float) -> None:
        """Process callbacks for so long."""
        end_s = monotonic() + seconds
        while (left_s := end_s - monotonic()) > 0:
            self._executor.spin_once(left_s)
