# SPDX-License-Identifier: Apache-2.0
"""Children end with their parent, and commands go on without a reader."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from python_imports import PACKAGES, sources

from perception_kit.processes import (
    EXIT_BAD_INPUT,
    ends_with_parent,
    ignoring_interrupts,
    noting_signals,
    reporting,
)

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


def test_bad_input_is_one_line_and_other_errors_are_raised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @reporting("greet", KeyError, OSError)
    def greet(name: str) -> int:
        if not name:
            raise OSError("nobody to greet")
        return len(name) // 0 if name == "zero" else 0

    assert greet("you") == 0
    assert greet("") == EXIT_BAD_INPUT
    assert capsys.readouterr().err == "greet: nobody to greet\n"
    with pytest.raises(ZeroDivisionError):
        greet("zero")


COMMAND = """
import sys
from pathlib import Path
from perception_kit.processes import run_command

def main():
    for number in range({lines}):
        print("line", number)
    Path(sys.argv[1]).write_text("done")
    return 3

sys.exit(run_command(main))
"""


@pytest.mark.parametrize("lines", [2, 100_000])
def test_a_command_goes_on_when_its_reader_is_gone(lines: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND.format(lines=lines), str(tmp_path / "result")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(LIMIT_S) == 3
    assert errors == ""
    assert (tmp_path / "result").read_text() == "done"


INTERRUPTED = """
import os, sys, time
from perception_kit.processes import run_command

def main():
    child = os.fork() if {forks} else 0
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(os.getpid(), flush=True)
    time.sleep(60)

sys.exit(run_command(main))
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_one_line(sent: signal.Signals) -> None:
    command = [sys.executable, "-c", INTERRUPTED.format(forks=False)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        os.kill(int(process.stdout.readline()), sent)
        _, errors = process.communicate(timeout=LIMIT_S)
    assert errors.split() == ["interrupted"]
    assert process.returncode == 130


def test_a_forked_worker_ends_without_a_traceback() -> None:
    command = [sys.executable, "-c", INTERRUPTED.format(forks=True)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        os.kill(int(process.stdout.readline()), signal.SIGTERM)
        _, errors = process.communicate(timeout=LIMIT_S)
    assert errors == ""
    assert process.returncode == 128 + signal.SIGTERM


def test_workers_that_start_meanwhile_ignore_interrupts() -> None:
    with ignoring_interrupts():
        code = "import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"True"
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_the_output_is_whole_where_it_is_read(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND.format(lines=1000), str(tmp_path / "result")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.stdout == "".join(f"line {number}\n" for number in range(1000))
    assert (done.returncode, done.stderr) == (3, "")


def test_every_command_goes_on_without_a_reader() -> None:
    commands = [
        path
        for package in PACKAGES
        for path in sources(package).values()
        if '__name__ == "__main__"' in path.read_text()
        and path.name not in ("node.py", "cli.py")
        and path.parent.name != "ros"
    ]
    assert len(commands) > 20
    assert not [path for path in commands if "run_command(main)" not in path.read_text()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_noted_and_raise_nothing(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with noting_signals() as noted:
        assert not noted.is_set()
        os.kill(os.getpid(), number)
        assert noted.wait(10.0)
    assert signal.getsignal(number) == before
