# SPDX-License-Identifier: Apache-2.0
"""TCP sockets at which processes listen."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

_LISTEN = "0A"  # state in /proc/net/tcp


def listening_sockets(process: int | None = None) -> list[str]:
    """Addresses, as /proc/net/tcp writes them, at which a process (None: this one) listens."""
    folder = Path("/proc", str(process or os.getpid()))
    inodes = set()
    for descriptor in (folder / "fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            inodes.add(os.readlink(descriptor).removeprefix("socket:[").rstrip("]"))

    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in (folder / "net" / table).read_text().splitlines()[1:]
    ]
    return [row[1] for row in rows if row[3] == _LISTEN and row[9] in inodes]


def listening_hosts(process: int | None = None) -> list[str]:
    """IP addresses at which a process (None: this one), and those it has started, listen."""
    hosts = []
    for member in process_tree(process or os.getpid()):
        with suppress(OSError):  # it has ended
            for address in listening_sockets(member):
                words = bytes.fromhex(address.partition(":")[0])
                numbers = struct.unpack(f"={len(words) // 4}I", words)
                packed = struct.pack(f">{len(numbers)}I", *numbers)
                hosts.append(str(ip_address(packed)))
    return hosts


def process_tree(process: int) -> Iterator[int]:
    """A process and its descendants."""
    yield process
    with suppress(OSError):
        for thread in Path("/proc", str(process), "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from process_tree(int(child))
