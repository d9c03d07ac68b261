# SPDX-License-Identifier: Apache-2.0
"""The command that starts the nodes ends with its signals."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# In a process of its own: ROS, which other tests have started in this one, handles signals, too.
BRINGUP = """
import os, signal, sys
from contextlib import nullcontext
from types import SimpleNamespace
from perception_kit import bringup

number, checked = int(sys.argv[1]), []

def check():
    if not checked:
        os.kill(os.getpid(), number)
    checked.append(1)
    assert len(checked) < 3, "the signal did not end the command"

group = nullcontext(SimpleNamespace(processes={}))
group.processes = {}
supervisor = SimpleNamespace(supervision=None, spin=lambda seconds: None)
bringup.start_nodes = lambda *arguments, **options: group
bringup.Supervisor = lambda *arguments: nullcontext(supervisor)
bringup.KeepAlive = lambda *arguments: SimpleNamespace(check=check)
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell script leaves it in the background
sys.exit(bringup.main([]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_also_in_the_background(number: signal.Signals) -> None:
    command = [sys.executable, "-c", BRINGUP, str(int(number))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
