# SPDX-License-Identifier: Apache-2.0
"""A ROS node of a process that is not a node itself."""

from __future__ import annotations

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from perception_kit.closing import Closing


class GraphNode(Closing):
    """A ROS node with a context and an executor of its own, in the graph until ``close``.

    Without ``domain_id`` it is in the domain of the environment. Use as a context manager.
    """

    def __init__(self, name: str, domain_id: int | None = None) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self._node = self.make_node(name, self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def make_node(self, name: str, context: Context) -> Node:
        """The node itself."""
        return Node(name, context=context)

    def close(self) -> None:
        """Leave the ROS graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()
