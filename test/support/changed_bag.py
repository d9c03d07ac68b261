# SPDX-License-Identifier: Apache-2.0
"""Copies of small bags as other drivers and transports would have recorded them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from perception_kit.bags.bag import BagReader, open_typestore
from perception_kit.bags.theora_packets import THEORA_PACKET
from perception_kit.bags.video_packets import VIDEO_PACKET

Change = Callable[[int, str, Any], Sequence[tuple[str, Any]]]
RGBD = "realsense2_camera_msgs/msg/RGBD"
PACKET_FIELDS = (
    "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
    "bool is_bigendian\nuint8[] data\n"
)
THEORA_FIELDS = (
    "std_msgs/Header header\nuint8[] data\nint32 b_o_s\nint32 e_o_s\nint64 granulepos\n"
    "int64 packetno\n"
)
RGBD_FIELDS = (
    "std_msgs/Header header\nsensor_msgs/CameraInfo rgb_camera_info\n"
    "sensor_msgs/CameraInfo depth_camera_info\nsensor_msgs/Image rgb\nsensor_msgs/Image depth\n"
)


def changed(
    source: Path,
    path: Path,
    change: Change,
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: tuple[CompressionMode, CompressionFormat] | None = None,
) -> Path:
    """A copy of a bag; ``change`` gives the messages for each one and its number in its topic."""
    store = open_typestore()
    with (
        BagReader(source) as reader,
        ExitStack() as stack,
    ):
        writer = Writer(path, version=Writer.VERSION_LATEST, storage_plugin=storage)
        if compression is not None:
            writer.set_compression(*compression)
        stack.enter_context(writer)
        count: dict[str, int] = {}
        connections: dict[str, Any] = {}
        for item in reader.messages(reader.topics):
            number = count[item.topic] = count.get(item.topic, -1) + 1
            for topic, message in change(number, item.topic, item.message):
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=store)
                data = store.serialize_cdr(message, kind)
                writer.write(connections[topic], item.stamp_ns, data)
    return path


def combine_rgbd() -> Change:
    """All of a frame in one RGBD message, as RealSense's driver publishes it."""
    kind = _registered(RGBD, RGBD_FIELDS)
    parts: dict[str, Any] = {}

    def combine(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        role = "info" if "camera_info" in topic else "depth" if "depth" in topic else "rgb"
        parts[role] = message
        if len(parts) < 3:
            return []
        combined = kind(
            header=parts["rgb"].header,
            rgb_camera_info=parts["info"],
            depth_camera_info=parts["info"],
            rgb=parts["rgb"],
            depth=parts["depth"],
        )
        parts.clear()
        return [("/cam/rgbd", combined)]

    return combine


def video_packet(header: Any, data: bytes) -> Any:
    """A packet of H.264 as ffmpeg_image_transport publishes it."""
    return _registered(VIDEO_PACKET, PACKET_FIELDS)(
        header=header,
        width=64,
        height=48,
        encoding="libx264",
        pts=0,
        flags=0,
        is_bigendian=False,
        data=np.frombuffer(data, np.uint8),
    )


def theora_packets(file: Path) -> tuple[list[bytes], list[bytes]]:
    """The three headers, and a packet for each picture, of a theora video."""
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        together = bytes(stream.codec_context.extradata or b"")
        pictures = [bytes(packet) for packet in container.demux(stream)][:-1]  # the last one ends

    headers = []
    while together:
        end = 2 + int.from_bytes(together[:2], "big")
        headers.append(together[2:end])
        together = together[end:]
    return headers, pictures


def theora_message(header: Any, data: bytes, number: int) -> Any:
    """A packet as theora_image_transport publishes it; ``number`` counts headers and pictures."""
    return _registered(THEORA_PACKET, THEORA_FIELDS)(
        header=header,
        data=np.frombuffer(data, np.uint8),
        b_o_s=int(number == 0),
        e_o_s=0,
        granulepos=0,
        packetno=number,
    )


def _registered(name: str, fields: str) -> Any:
    store = open_typestore()
    if name not in store.types:
        store.register(get_types_from_msg(fields, name))
    return store.types[name]


def video(pictures: Sequence[np.ndarray]) -> list[bytes]:
    """H.264 packets, one for each picture, without delay."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 64, 48, "yuv420p"
    codec.time_base = Fraction(1, 30)
    codec.options = {"tune": "zerolatency", "preset": "veryfast"}
    packets = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets
