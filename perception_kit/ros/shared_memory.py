# SPDX-License-Identifier: Apache-2.0
"""Shared memory of Fast DDS: what killed processes leave behind, and ports that are cut off.

A segment of 32 MiB for each killed node would fill the memory of a robot that is always on. Fast
DDS holds a lock on the file ``_el`` beside each of its segments and ports as long as the process
lives. A port is where others leave messages for a process.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, time

SHARED_MEMORY = Path("/dev/shm")
_SEGMENT = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}")
# A younger one may belong to a process that has not locked it yet.
_MIN_AGE_S = 10.0

# The lock on a port of the process itself, among its open files, and a port among its memory, of
# which the inode and, where the file is gone, "(deleted)" are told.
_PORT_LOCK = re.compile(r"(.*/fast(?:rtps|dds)_port(\d+))_el")
_MAPPED = re.compile(r"(\d+) +(\S*/fast(?:rtps|dds)_port\d+)( \(deleted\))?")
# Fast DDS itself replaces a port that was not served for a second; that must have time.
_CUT_OFF_S = 10.0
_PORT_BASE, _DOMAIN_GAIN, _PARTICIPANT_GAIN, _USER_OFFSET = 7400, 250, 2, 11  # of RTPS 9.6.2


def remove_orphaned_segments(folder: Path = SHARED_MEMORY) -> list[str]:
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


def port_name(domain: int, participant: int) -> str:
    """File of the port for the messages to a participant."""
    number = _PORT_BASE + _DOMAIN_GAIN * domain + _PARTICIPANT_GAIN * participant + _USER_OFFSET
    return f"fastrtps_port{number}"


def cut_off_ports() -> set[str]:
    """Ports of this process that others do not find: under their name there is other memory.

    No message arrives there. For a moment this is so whenever Fast DDS replaces a port. The lower
    ports, by which ROS tells the names of nodes, do not count.
    """
    if not SHARED_MEMORY.is_dir():  # not on Linux
        return set()
    locks = filter(None, map(_PORT_LOCK.fullmatch, _open_files()))
    found = {lock[1]: False for lock in locks if int(lock[2]) >= _PORT_BASE}
    for match in _MAPPED.finditer(Path("/proc/self/maps").read_text()):
        inode, port, deleted = match.groups()
        if port in found and not deleted:
            with suppress(FileNotFoundError):
                found[port] |= os.stat(port).st_ino == int(inode)
    return {Path(port).name for port, is_reachable in found.items() if not is_reachable}


def _open_files() -> list[str]:
    """Paths of the open files of this process."""
    paths = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            paths.append(os.readlink(descriptor))
    return paths


class CutOffError(RuntimeError):
    """This process receives nothing any more; only a new participant does."""


class PortWatch:
    """Notices that ports of this process have been cut off for 10 seconds.

    Call ``check`` every few seconds.
    """

    def __init__(
        self,
        cut_off: Callable[[], set[str]] = cut_off_ports,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._cut_off, self._clock = cut_off, clock
        self._since_s: dict[str, float] = {}

    def check(self) -> None:
        """Raise CutOffError, which names the ports."""
        now_s = self._clock()
        self._since_s = {port: self._since_s.get(port, now_s) for port in self._cut_off()}
        lost = [port for port, since_s in self._since_s.items() if now_s - since_s >= _CUT_OFF_S]
        if lost:
            raise CutOffError(
                f"nothing arrives any more: the shared memory of {', '.join(sorted(lost))} was"
                " replaced by another process, as on a machine that is too busy"
            )
