# SPDX-License-Identifier: Apache-2.0
"""The end of a node's process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.ros

# A node whose timer does what a binding does when a signal comes while it converts a message.
_PROGRAM = """
import os, signal, sys
from rclpy.node import Node
from perception_kit.ros.run_node import run_node

class Converting(Node):
    def __init__(self):
        super().__init__("converting")
        self.create_timer(0.01, self.convert)

    def convert(self):
        try:
            if {signaled}:
                os.kill(os.getpid(), signal.SIGINT)
                sum(range(100_000))  # the handler runs here
        except BaseException:
            pass
        raise RuntimeError("Unable to convert call argument '0' to Python object")

sys.exit(run_node(Converting))
"""


@pytest.mark.parametrize("signaled", [True, False])
def test_only_an_error_that_a_signal_caused_is_no_failure(signaled: bool) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(signaled=signaled)],
        env=os.environ | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode == 0) == signaled, ended.stderr
    assert ("Traceback" in ended.stderr) != signaled
