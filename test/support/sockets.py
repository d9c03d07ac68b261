# SPDX-License-Identifier: Apache-2.0
"""TCP sockets at which a process listens."""

from __future__ import annotations

import os
from contextlib import suppress
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
