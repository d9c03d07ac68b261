# SPDX-License-Identifier: Apache-2.0
"""Commands that open pools or servers listen to this machine alone unless asked otherwise."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest
from ports import free_port
from python_imports import ROOT
from sockets import listening_hosts

LIMIT_S = 240.0


@contextmanager
def command(log: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of this repository, which ends quietly at SIGTERM."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()


def hosts_when(process: subprocess.Popen[bytes], count: int) -> set[str]:
    """The addresses at which a command listens as soon as it has ``count`` sockets."""
    end_s = monotonic() + LIMIT_S
    while monotonic() < end_s and process.poll() is None:
        hosts = listening_hosts(process.pid)
        if len(hosts) >= count:
            return set(hosts)
        sleep(0.1)
    raise AssertionError(f"no {count} listening sockets in {LIMIT_S:.0f} s")


def test_the_workers_of_a_command_listen_to_this_machine() -> None:
    """Of ``index --workers``, for one."""
    pytest.importorskip("distributed", reason="Dask is not installed: run 'make setup'")
    from perception_kit.replay.cluster import local_client

    before = listening_hosts()
    with local_client(2) as client:
        client.wait_for_workers(2)
        hosts = listening_hosts()
        assert len(hosts) > len(before)
        assert set(hosts) == {"127.0.0.1"}
    assert listening_hosts() == before


def test_the_page_of_a_library_is_for_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="the search is not installed: run 'make setup'")
    from video_search import Library

    library = Library.create(tmp_path / "library")
    with command(tmp_path / "log", "video_search.serve", library.uri, "--port", "0") as process:
        assert hosts_when(process, 1) == {"127.0.0.1"}


@pytest.mark.ros
def test_the_page_of_the_viewer_is_for_this_machine(tmp_path: Path) -> None:
    ports = ["--port", str(free_port()), "--web-port", str(free_port())]
    with command(tmp_path / "log", "perception_kit.view", "--serve", *ports) as process:
        assert hosts_when(process, 2) == {"127.0.0.1"}
