# SPDX-License-Identifier: Apache-2.0
"""Runs a node until it is asked to end: the ``main`` of every node.

Nodes whose models take memory run for several cameras in one process, which has one copy of them.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from perception_kit.ros.diagnostics import describe_error
from perception_kit.ros.participant import own_ports
from perception_kit.ros.restarts import CUT_OFF, UNUSABLE_PARAMETERS
from perception_kit.ros.shared_memory import CutOffError, PortWatch

_WATCH_PERIOD_S = 5.0
_UNREADABLE = "Couldn't parse"  # in what rcl says of its arguments


def watch_ports(node: Node) -> None:
    """Let ``spin`` raise CutOffError when the process of ``node`` receives nothing any more."""
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    node.create_timer(_WATCH_PERIOD_S, PortWatch().check, clock=steady)


def run_node(node_type: Callable[[], Node], arguments: Sequence[str] | None = None) -> int:
    """Spin one node until SIGINT, SIGTERM or a shutdown of ROS.

    ``arguments`` is the command line after the program's name (None: of this process). Returns the
    exit code: 0, ``UNUSABLE_PARAMETERS``, after which a restart is of no use, or ``CUT_OFF``, which
    a restart mends.
    """
    return _run([node_type], arguments)


def run_in_namespaces(
    node_type: Callable[[str], Node], arguments: Sequence[str] | None = None
) -> int:
    """``run_node`` with a node in each namespace of the option ``--namespaces``.

    Without it, there is one in the namespace that ROS gives it.
    """
    parser = argparse.ArgumentParser(description="All other options are those of ROS.")
    parser.add_argument(
        "--namespaces",
        nargs="+",
        default=[""],
        help="one node in each of them: several cameras share a process and its models",
    )
    words = sys.argv[1:] if arguments is None else arguments
    given = parser.parse_args(remove_ros_args(["", *words])[1:])
    return _run([partial(node_type, namespace) for namespace in given.namespaces], arguments)


def _run(node_types: Sequence[Callable[[], Node]], arguments: Sequence[str] | None) -> int:
    """Spin some nodes of one process; see ``run_node``."""
    asked_to_end = False

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = True
        raise _Leave

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)

    nodes: list[Node] = []
    try:
        try:
            with own_ports():
                _init(arguments)
                for node_type in node_types:
                    nodes.append(node_type())
        except (ParameterException, ValueError) as error:
            print(f"cannot start: {error}", file=sys.stderr)
            return UNUSABLE_PARAMETERS

        watch_ports(nodes[0])
        for node in nodes[1:]:
            rclpy.get_global_executor().add_node(node)
        rclpy.spin(nodes[0])
    except CutOffError as error:
        print(f"ends: {error}", file=sys.stderr)
        return CUT_OFF
    except (_Leave, ExternalShutdownException):
        pass  # asked to end: only the clean-up is left to do
    except Exception as error:
        # A signal during a message's conversion: pybind11 raises an error of its own for _Leave.
        if not asked_to_end:
            raise
        print(f"ends as asked, in the middle of: {describe_error(error)}", file=sys.stderr)
    finally:
        # A second Ctrl-C must not interrupt the clean-up.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _init(arguments: Sequence[str] | None) -> None:
    """Start ROS. Raises ValueError for arguments, or a parameter file, that it cannot read."""
    try:
        rclpy.init(args=None if arguments is None else list(arguments))
    except rclpy_implementation.UnknownROSArgsError as error:
        raise ValueError(f"unknown ROS arguments {error}") from error
    except rclpy_implementation.RCLError as error:
        if _UNREADABLE not in str(error):
            raise
        raise ValueError(str(error)) from error


class _Leave(BaseException):
    """The user or the operating system asks the node to end.

    It is no Exception, so that no handler of failed frames catches it.
    """
