# SPDX-License-Identifier: Apache-2.0
"""Ports to serve pages at."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A TCP port that nobody on this machine listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
