# SPDX-License-Identifier: Apache-2.0
"""Children end with their parent, however that ends."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys

import pytest

from perception_kit.processes import ends_with_parent

LIMIT_S = 60
PARENT = """
import subprocess, sys
from perception_kit.processes import ends_with_parent
code = "print('ready', flush=True); import time; time.sleep(600)"
child = subprocess.Popen(ends_with_parent([sys.executable, "-c", code]))
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not installed")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        lines = {parent.stdout.readline().strip() for _ in range(2)}
        child = os.pidfd_open(int((lines - {"ready"}).pop()))
        parent.kill()
        assert select.select([child], [], [], LIMIT_S)[0], "the child has ended"
        os.close(child)


def test_without_setpriv_the_command_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert ends_with_parent(["sleep", "1"]) == ["sleep", "1"]
