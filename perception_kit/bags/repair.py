# SPDX-License-Identifier: Apache-2.0
"""What an MCAP file is, and the end of those whose recording was cut off by a loss of power.

Format: https://mcap.dev/spec. A record is one byte of operation code, eight bytes of length and its
content.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

_MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")
_LENGTH = struct.Struct("<I")
_HEADER, _FOOTER, _DATA_END = 0x01, 0x02, 0x0F
_LONGEST_PROFILE = 100
_ROS2_ENCODINGS = (b"ros2msg", b"ros2idl")
_SEARCHED = 2**20  # bytes, in which a file's definitions begin or are repeated
# No checksum in the data's end, and no summary in the footer: a reader then scans the records.
_END = _RECORD.pack(_DATA_END, 4) + bytes(4) + _RECORD.pack(_FOOTER, 20) + bytes(20) + _MAGIC


def mcap_profile(path: Path) -> str | None:
    """The profile in the header, such as ``ros2``; None for what does not begin as MCAP does."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        head = file.read(_RECORD.size + _LENGTH.size)
        if len(head) < _RECORD.size + _LENGTH.size or head[0] != _HEADER:
            return None
        (length,) = _LENGTH.unpack_from(head, _RECORD.size)
        return file.read(min(length, _LONGEST_PROFILE)).decode(errors="replace")


def mentions_ros2(path: Path) -> bool:
    """Whether the definitions at the beginning or the end of an MCAP file are ROS 2's."""
    with path.open("rb") as file:
        ends = file.read(_SEARCHED)
        file.seek(-min(_SEARCHED, path.stat().st_size), 2)
        ends += file.read()
    return any(encoding in ends for encoding in _ROS2_ENCODINGS)


def write_with_profile(path: Path, copy: Path, profile: str) -> None:
    """Copy an MCAP file, with another profile in its header.

    The header stays as long as it was, so that what the index says holds: the name of the library
    that wrote the file gets as much shorter. Raises ValueError where that is too short.
    """
    start = len(_MAGIC) + _RECORD.size
    with path.open("rb") as file:
        file.seek(len(_MAGIC))
        _, length = _RECORD.unpack(file.read(_RECORD.size))
    rest = length - 2 * _LENGTH.size - len(profile)
    if rest < 0:
        raise ValueError(f"its header has no room for the profile '{profile}'")

    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        file.seek(start)
        file.write(_LENGTH.pack(len(profile)) + profile.encode())
        file.write(_LENGTH.pack(rest) + b" " * rest)


def is_unfinished(path: Path) -> bool:
    """Whether ``path`` begins as an MCAP file and does not end as one."""
    with path.open("rb") as file:
        if path.suffix != ".mcap" or file.read(len(_MAGIC)) != _MAGIC:
            return False
        file.seek(-min(len(_MAGIC), path.stat().st_size), 2)
        return file.read() != _MAGIC


def write_finished(path: Path, finished: Path) -> int:
    """Copy the whole records of an unfinished MCAP file to a new file, and end that.

    Returns the number of bytes that were left out.
    """
    length = _whole_records(path)
    with path.open("rb") as source, finished.open("wb") as target:
        shutil.copyfileobj(source, target)
        target.truncate(length)
        target.seek(length)
        target.write(_END)
    return path.stat().st_size - length


def _whole_records(path: Path) -> int:
    """Offset at which the last whole record of the file's data ends."""
    size, end = path.stat().st_size, len(_MAGIC)

    with path.open("rb") as file:
        while True:
            file.seek(end)
            head = file.read(_RECORD.size)
            if len(head) < _RECORD.size:
                return end

            operation, length = _RECORD.unpack(head)
            if operation in (_FOOTER, _DATA_END) or end + _RECORD.size + length > size:
                return end
            end += _RECORD.size + length
