# SPDX-License-Identifier: Apache-2.0
"""The page that a browser gets, and who can get it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from time import monotonic, sleep
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from ports import free_port

from perception_kit.view.rerun_scene import RerunScene
from perception_kit.view.server import ServerError, serve_viewer

LIMIT_S = 60.0


def listens(host: str, port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2.0)
        return client.connect_ex((host, port)) == 0


def test_only_the_interface_that_was_asked_for_is_served_and_nothing_is_left() -> None:
    port, web_port = free_port(), free_port()
    with serve_viewer("127.0.0.2", port, web_port, "100MB") as addresses:
        scene = RerunScene({})
        scene.connect(addresses.data)
        scene.close()
        page = urlsplit(addresses.page)
        assert (page.hostname, page.port) == ("127.0.0.2", web_port)
        assert parse_qs(page.query)["url"] == [addresses.data]
        with urlopen(addresses.page, timeout=60) as response:
            assert b"<html" in response.read()
        assert not listens("127.0.0.1", port)
        assert not listens("127.0.0.1", web_port)
    assert not listens("127.0.0.2", port)
    assert not listens("127.0.0.2", web_port)


def test_all_interfaces_are_named_by_the_machine() -> None:
    with serve_viewer("0.0.0.0", free_port(), free_port(), "100MB") as addresses:
        assert urlsplit(addresses.page).hostname == socket.gethostname().lower()


BAD = {
    # address, whether the port is free, memory, and a part of the message
    "port in use": ("127.0.0.1", False, "100MB", "cannot be used"),
    "no address": ("everywhere", True, "100MB", "'everywhere' is no IP address"),
    "address of another machine": ("192.0.2.1", True, "100MB", "cannot be used"),
    "memory without a unit": ("127.0.0.1", True, "much", "ended with return code"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_served_is_said(case: str) -> None:
    bind, is_free, memory, message = BAD[case]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = serve_viewer(
            bind, free_port() if is_free else taken.getsockname()[1], free_port(), memory
        )
        with pytest.raises(ServerError, match=message):
            server.__enter__()


KILLED = """
import os, signal, sys
from perception_kit.view.server import serve_viewer
with serve_viewer("127.0.0.1", int(sys.argv[1]), int(sys.argv[2]), "100MB"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_listens_any_more_when_the_command_was_killed() -> None:
    ports = free_port(), free_port()
    command = [sys.executable, "-c", KILLED, *map(str, ports)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    end_s = monotonic() + LIMIT_S
    while any(listens("127.0.0.1", port) for port in ports):
        assert monotonic() < end_s
        sleep(0.05)
