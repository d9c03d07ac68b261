# SPDX-License-Identifier: Apache-2.0
"""The ``main`` of every node."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


def run_node(node_type: Callable[[], Node]) -> int:
    """Spin one node until SIGINT, SIGTERM or a shutdown of ROS; returns the exit code: 0, or 1 for
    parameters that cannot be used.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    node = None
    try:
        rclpy.init()
        try:
            node = node_type()
        except (ParameterException, ValueError) as error:
            print(f"cannot start: {error}", file=sys.stderr)
            return 1
        rclpy.spin(node)
    except (_Leave, ExternalShutdownException):
        pass  # asked to end: the clean-up below is all that is left to do
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the clean-up
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


class _Leave(BaseException):
    """The user or the operating system asks to end; not an Exception, so that no handler of failed
    frames takes it.
    """


def _leave(number: int, frame: FrameType | None) -> None:
    raise _Leave
