# SPDX-License-Identifier: Apache-2.0
"""Runs Rerun's servers of the page and of the data behind it.

They run as a process of their own: those of Rerun's Python package listen on all interfaces of the
machine, and a slow browser holds up whoever logs to them.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple
from urllib.parse import quote

import rerun_cli

from perception_kit.processes import ends_with_parent

# The program itself: the command of this name starts it as a child, which outlives the command.
RERUN = Path(rerun_cli.__file__).with_name("rerun")
_START_LIMIT_S, _STOP_LIMIT_S, _POLL_S = 60.0, 5.0, 0.05


class ServerError(ValueError):
    """The page cannot be served as asked; the message says why and what to do."""


class ViewerAddresses(NamedTuple):
    """Where to log to (``data``), and the ``page`` to open."""

    data: str
    page: str


@contextmanager
def serve_viewer(bind: str, port: int, web_port: int, memory: str) -> Iterator[ViewerAddresses]:
    """Serve the page and its data until the ``with`` block ends.

    The page is at ``web_port``, the data at ``port`` of the interface with the IP address ``bind``.
    At most ``memory`` (such as "1GiB") of data is kept for those who look back, or look later.
    Raises ServerError.
    """
    host = _host(bind)
    for number in (port, web_port):
        _check_free(bind, number)

    command = [str(RERUN), "--serve-web", "--bind", bind]
    command += ["--port", str(port), "--web-viewer-port", str(web_port)]
    command += ["--server-memory-limit", memory, "--cors-allow-origin", f"http://{host}:{web_port}"]
    environment = {"RUST_LOG": "error"} | os.environ
    ending = ends_with_parent(command)
    with subprocess.Popen(ending, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            for number in (port, web_port):
                _wait_for(process, bind, number)

            data = f"rerun+http://{host}:{port}/proxy"
            yield ViewerAddresses(data, f"http://{host}:{web_port}/?url={quote(data, safe='')}")
        finally:
            _end(process)


def _check_free(bind: str, port: int) -> None:
    """Raise ServerError unless the port can be listened at."""
    try:
        with socket.create_server((bind, port), family=_family(bind)):
            pass
    except OSError as error:
        raise ServerError(
            f"port {port} of '{bind}' cannot be used ({error.strerror}): choose others with --port,"
            " --web-port and --bind"
        ) from error


def _host(bind: str) -> str:
    """Host of the interface in a URL: the name of this machine for all of them."""
    try:
        address = ip_address(bind)
    except ValueError as error:
        raise ServerError(
            f"'{bind}' is no IP address: give that of one of this machine's interfaces, or 0.0.0.0"
            " for all"
        ) from error
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{bind}]" if address.version == 6 else bind


def _family(bind: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in bind else socket.AF_INET


def _wait_for(process: subprocess.Popen, bind: str, port: int) -> None:
    """Return when the process listens at the port. Raises ServerError where it does not."""
    end_s = monotonic() + _START_LIMIT_S
    while monotonic() < end_s and process.poll() is None:
        with socket.socket(_family(bind)) as client:
            client.settimeout(1.0)
            if client.connect_ex((bind, port)) == 0:
                return
        sleep(_POLL_S)

    state = "does not listen"
    if process.poll() is not None:
        state = f"ended with return code {process.returncode}"
    raise ServerError(
        f"Rerun's server {state} at port {port} of '{bind}'; its own message stands above"
    )


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
