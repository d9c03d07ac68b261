# SPDX-License-Identifier: Apache-2.0
"""Runs the supervisor node inside a command that has other things to do, too."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from rclpy.context import Context
from rclpy.parameter import Parameter

from perception_kit.ros.graph_node import GraphNode
from perception_kit.ros.run_node import watch_ports
from perception_kit.ros.shared_memory import CutOffError
from perception_kit.ros.supervision import Supervision
from perception_kit.ros.supervisor_node import NAME, SupervisorNode


class Supervisor(GraphNode):
    """A ``SupervisorNode`` for the nodes ``names`` of a ``namespace``.

    Its callbacks run inside ``spin`` only, and signals stay with the command. Where nothing arrives
    any more it begins anew, with all that is known. Use as a context manager.
    """

    def __init__(
        self, names: Sequence[str], namespace: str = "", domain_id: int | None = None
    ) -> None:
        self._names, self._namespace, self._domain_id = list(names), namespace, domain_id
        self._known: Supervision | None = None
        super().__init__(NAME, domain_id)

    def make_node(self, name: str, context: Context) -> SupervisorNode:
        """The supervisor's node."""
        self._supervisor = SupervisorNode(
            self._known,
            context=context,
            namespace=self._namespace,
            parameter_overrides=[Parameter("nodes", value=self._names)],
        )
        watch_ports(self._supervisor)
        return self._supervisor

    @property
    def supervision(self) -> Supervision:
        """What is known of the nodes."""
        return self._supervisor.supervision

    def spin(self, seconds: float) -> None:
        """Process callbacks for so long."""
        end_s = monotonic() + seconds
        while (left_s := end_s - monotonic()) > 0:
            try:
                self._executor.spin_once(left_s)
            except CutOffError as error:
                self._supervisor.get_logger().error(f"{NAME} begins anew: {error}")
                self._begin_anew()

    def _begin_anew(self) -> None:
        """Take another participant; what was not heard meanwhile counts against no node."""
        self.close()
        self._known = self.supervision
        self._known.excuse_silence()
        super().__init__(NAME, self._domain_id)
