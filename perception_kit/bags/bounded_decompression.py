# SPDX-License-Identifier: Apache-2.0
"""Decompression of recordings up to a limit, whatever size they declare.

``rosbags`` unpacks all that is there: a few kilobytes of zeros become gigabytes.
"""

from __future__ import annotations

import bz2
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from tempfile import gettempdir
from types import SimpleNamespace
from typing import Any, BinaryIO

from rosbags.rosbag1 import reader as rosbag1_reader
from rosbags.rosbag2 import reader as rosbag2_reader
from rosbags.rosbag2 import storage_mcap

from perception_kit.bags.mcap_budget import MAX_CHUNK_BYTES

# Make decompressors as of ``bz2``; the others are those that rosbags has.
_BZ2: Callable[[], Any] = bz2.BZ2Decompressor
_LZ4: Callable[[], Any] = import_module("lz4.frame").LZ4FrameDecompressor
_ZSTD_MODULE: Any = vars(storage_mcap)["zstd"]
_ZSTD: Callable[[], Any] = _ZSTD_MODULE.ZstdDecompressor


def expanded(make: Callable[[], Any], data: bytes, limit: int) -> bytes:
    """What ``data``, one or more frames of the kind that ``make`` decompresses, expand to.

    Raises ValueError for more than ``limit`` bytes, before memory is taken for them, and for data
    that are cut off.
    """
    parts: list[bytes] = []
    room = limit
    while data:
        decompressor = make()
        parts.append(decompressor.decompress(data, room + 1))
        room -= len(parts[-1])
        if room < 0:
            raise ValueError(f"compressed data expand to more than {limit} bytes")
        if not decompressor.eof:
            raise ValueError("compressed data are cut off")
        data = decompressor.unused_data or b""
    return b"".join(parts)


class _UpTo:
    """Reads ``file`` up to ``limit`` bytes; raises ValueError where there are more."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file, self._limit, self._room = file, limit, limit

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        data = self._file.read(size)
        self._room -= len(data)
        if self._room < 0:
            raise ValueError(
                f"compressed data expand to more than {self._limit} bytes, half of what is free in"
                f" '{gettempdir()}': free some space there, or set TMPDIR to another folder"
            )
        return data


@contextmanager
def _open_file(file: BinaryIO, mode: str) -> Iterator[_UpTo]:
    """A compressed file that is unpacked to the folder of temporary files."""
    with _ZSTD_MODULE.open(file, mode) as unpacked:
        yield _UpTo(unpacked, shutil.disk_usage(gettempdir()).free // 2)


def bound_decompression() -> None:
    """Let ``rosbags`` decompress chunks and messages by ``expanded``, and whole files to the disk.

    They take at most half of what is free there.
    """

    def of_mcap(make: Callable[[], Any]) -> Callable[[bytes, int], bytes]:
        return lambda data, size: expanded(make, data, min(size, MAX_CHUNK_BYTES))

    def of_ros1(make: Callable[[], Any]) -> Callable[[bytes], bytes]:
        return lambda data: expanded(make, data, MAX_CHUNK_BYTES)

    def of_message(data: bytes) -> bytes:
        return expanded(_ZSTD, bytes(data), MAX_CHUNK_BYTES)

    vars(rosbag2_reader)["zstd"] = SimpleNamespace(open=_open_file, decompress=of_message)
    storage_mcap.DECOMPRESSORS.update(lz4=of_mcap(_LZ4), zstd=of_mcap(_ZSTD))
    rosbag1_reader.decompressors.update(lz4=of_ros1(_LZ4), bz2=of_ros1(_BZ2))
