# SPDX-License-Identifier: Apache-2.0
"""Recordings of a few kilobytes that unpack to more than they say are refused."""

from __future__ import annotations

import bz2
import struct
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, storage_mcap
from rosbags.rosbag2 import Writer as Ros2Writer

from perception_kit.bags import bounded_decompression
from perception_kit.bags.bag import BagError, BagReader, open_typestore
from perception_kit.bags.bounded_decompression import expanded

lz4, zstd = import_module("lz4.frame"), vars(storage_mcap)["zstd"]
KINDS = {
    "bz2": (bz2.compress, bz2.BZ2Decompressor),
    "lz4": (lz4.compress, lz4.LZ4FrameDecompressor),
    "zstd": (zstd.compress, zstd.ZstdDecompressor),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_frames_expand_up_to_the_limit(kind: str) -> None:
    compress, make = KINDS[kind]
    data = compress(b"a" * 5000) + compress(b"b" * 3000)
    assert expanded(make, data, 8000) == b"a" * 5000 + b"b" * 3000
    with pytest.raises(ValueError, match="expand to more than 7999 bytes"):
        expanded(make, data, 7999)
    with pytest.raises(ValueError, match="cut off"):
        expanded(make, data[:-5], 8000)


@pytest.mark.parametrize("kind", ["lz4", "zstd"])
def test_a_chunk_that_holds_more_than_it_says_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.mcap"
    data = KINDS[kind][0](bytes(2**20))
    content = struct.pack("<QQQII", 0, 1, 100, 0, len(kind)) + kind.encode()
    content += struct.pack("<Q", len(data)) + data
    header = struct.pack("<i4si", 4, b"ros2", 0)
    records = struct.pack("<BQ", 1, len(header)) + header
    records += struct.pack("<BQ", 6, len(content)) + content
    records += struct.pack("<BQI", 15, 4, 0) + struct.pack("<BQQQI", 2, 20, 0, 0, 0)
    path.write_bytes(b"\x89MCAP0\r\n" + records + b"\x89MCAP0\r\n")
    with pytest.raises(BagError, match="expand to more than 100 bytes"):
        BagReader(path)


def test_a_bag_of_ros_1_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.bag"
    writer = Ros1Writer(path)
    writer.set_compression(writer.CompressionFormat.BZ2)
    with writer:
        text = "string data"
        connection = writer.add_connection("/text", "std_msgs/msg/String", msgdef=text, md5sum="*")
        writer.write(connection, 0, struct.pack("<I", 100_000) + bytes(100_000))
    monkeypatch.setattr(bounded_decompression, "MAX_CHUNK_BYTES", 50_000)
    with pytest.raises(BagError, match="expand to more than 50000 bytes"), BagReader(path) as bag:
        list(bag.raw_messages(["/text"]))


def write_compressed(folder: Path, mode: CompressionMode) -> None:
    """A rosbag2 folder with one text of 100 kB."""
    writer = Ros2Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection(
            "/text", "std_msgs/msg/String", typestore=open_typestore()
        )
        size = struct.pack("<I", 100_000)
        writer.write(connection, 0, b"\0\1\0\0" + size + bytes(100_000))


@pytest.mark.parametrize("mode", [CompressionMode.MESSAGE, CompressionMode.FILE])
def test_a_compressed_bag_is_read(mode: CompressionMode, tmp_path: Path) -> None:
    write_compressed(tmp_path / "bag", mode)
    with BagReader(tmp_path / "bag") as bag:
        (message,) = bag.raw_messages(["/text"])
        assert len(message.data) == 100_008


def test_a_message_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_compressed(tmp_path / "bag", CompressionMode.MESSAGE)
    monkeypatch.setattr(bounded_decompression, "MAX_CHUNK_BYTES", 50_000)
    with (
        pytest.raises(BagError, match="expand to more than 50000 bytes"),
        BagReader(tmp_path / "bag") as bag,
    ):
        list(bag.raw_messages(["/text"]))


def test_a_file_that_unpacks_to_more_than_the_disk_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_compressed(tmp_path / "bag", CompressionMode.FILE)
    free = SimpleNamespace(free=80_000)
    monkeypatch.setattr(bounded_decompression.shutil, "disk_usage", lambda _: free)
    with pytest.raises(BagError, match="expand to more than 40000 bytes, half of what is free"):
        BagReader(tmp_path / "bag")
