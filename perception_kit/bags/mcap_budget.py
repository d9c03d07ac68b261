# SPDX-License-Identifier: Apache-2.0
"""How much memory the chunks of an MCAP file ask for, before any is decompressed."""

from __future__ import annotations

import struct
from pathlib import Path

_MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")
_CHUNK = 0x06
_SIZE = struct.Struct("<QQQ")  # first and last time, and the size of the content
# rosbag2 writes chunks of less than 1 MiB, but for a larger message, which has one of its own.
MAX_CHUNK_BYTES = 512 * 2**20


def oversized_chunk(path: Path) -> int | None:
    """Size in bytes that the first chunk beyond ``MAX_CHUNK_BYTES`` declares; None without one.

    None also for what is no MCAP file.
    """
    end = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        position = len(_MAGIC)
        while position + _RECORD.size <= end:
            file.seek(position)
            operation, length = _RECORD.unpack(file.read(_RECORD.size))
            if operation == _CHUNK and length >= _SIZE.size:
                head = file.read(_SIZE.size)
                if len(head) == _SIZE.size and (size := _SIZE.unpack(head)[2]) > MAX_CHUNK_BYTES:
                    return size
            position += _RECORD.size + length
    return None
