# SPDX-License-Identifier: Apache-2.0
"""The command that starts the nodes ends with its signals."""

from __future__ import annotations

import os
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

checked = []

def check():
    if sys.argv[1] == "error":
        raise RuntimeError("failed to publish")
    if not checked:
        os.kill(os.getpid(), int(sys.argv[1]))
    checked.append(1)
    assert len(checked) < 3, "the signal did not end the command"

group = nullcontext(SimpleNamespace(processes={}))
group.processes = {}
supervisor = SimpleNamespace(supervision=None, spin=lambda seconds: None)
def start(*arguments, **options):
    if sys.argv[1] == "early":
        os.kill(os.getpid(), signal.SIGTERM)
    return group

bringup.start_nodes = start
bringup.Supervisor = lambda *arguments: nullcontext(supervisor)
bringup.KeepAlive = lambda *arguments: SimpleNamespace(check=check)
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell script leaves it in the background
sys.exit(bringup.main([]))
"""


def run_until(event: str) -> subprocess.CompletedProcess[str]:
    """Runs the command up to a signal (its number) or an error."""
    command = [sys.executable, "-c", BRINGUP, event]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_also_in_the_background(number: signal.Signals) -> None:
    ended = run_until(str(int(number)))
    assert ended.returncode == 0, ended.stderr


def test_a_signal_while_nodes_start_is_no_failure() -> None:
    ended = run_until("early")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_fault_of_its_own_is_told_from_a_wrong_use() -> None:
    ended = run_until("error")
    assert ended.returncode == os.EX_SOFTWARE
    assert "RuntimeError: failed to publish" in ended.stderr
    assert "the supervision of the nodes failed: they are stopped" in ended.stderr
