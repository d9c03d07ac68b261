# SPDX-License-Identifier: Apache-2.0
"""Removes the shared memory that Fast DDS processes leave behind when they are killed.

A segment of 32 MiB for each killed node would fill the memory of a robot that is always on. Fast
DDS holds a lock on the file ``_el`` beside each of its segments as long as the process lives.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from time import time

_SEGMENT = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}")
# A younger one may belong to a process that has not locked it yet.
_MIN_AGE_S = 10.0


def remove_orphaned_segments(folder: Path = Path("/dev/shm")) -> list[str]:
    """Remove this user's segments whose process is gone; returns their names."""
    removed: list[str] = []
    if not folder.is_dir():
        return removed
    for segment in folder.iterdir():
        lock = segment.with_name(f"{segment.name}_el")
        with suppress(OSError):  # another process was faster
            if _SEGMENT.fullmatch(segment.name) and _is_orphaned(segment, lock):
                segment.unlink()
                lock.unlink()
                removed.append(segment.name)
    return removed


def _is_orphaned(segment: Path, lock: Path) -> bool:
    """Whether nobody holds the lock of a segment. Raises OSError where there is none."""
    status = segment.stat()
    if status.st_uid != os.getuid() or time() - status.st_mtime < _MIN_AGE_S:
        return False
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
