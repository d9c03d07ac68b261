# SPDX-License-Identifier: Apache-2.0
"""Images from compressed, combined and video messages; what cannot be read costs its frame only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from perception_kit.bags.bag import BagReader, open_typestore
from perception_kit.bags.camera_frames import CameraFrame, camera_frames
from perception_kit.bags.camera_streams import read_stream, stream_encoding
from perception_kit.bags.camera_topics import find_camera_topics
from perception_kit.bags.video_packets import VIDEO_PACKET

RAW_COLOR = "/cam/color/image_raw"
PACKET_FIELDS = (
    "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
    "bool is_bigendian\nuint8[] data\n"
)
RGBD_FIELDS = (
    "std_msgs/Header header\nsensor_msgs/CameraInfo rgb_camera_info\n"
    "sensor_msgs/CameraInfo depth_camera_info\nsensor_msgs/Image rgb\nsensor_msgs/Image depth\n"
)


def changed(
    source: Path, path: Path, change: Callable[[int, str, Any], Sequence[tuple[str, Any]]]
) -> Path:
    """A copy of a bag; ``change`` gives the messages for each one and its number in its topic."""
    store = open_typestore()
    with (
        BagReader(source) as reader,
        Writer(path, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
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


def frames_of(path: Path) -> list[CameraFrame]:
    with BagReader(path) as reader:
        topics = find_camera_topics(
            reader.topics, encoding_of=lambda name: stream_encoding(reader, name)
        )
        return list(camera_frames(reader, topics, 0.03))


def jpeg(message: Any) -> Any:
    data = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].ravel()
    kind = open_typestore().types["sensor_msgs/msg/CompressedImage"]
    return kind(header=message.header, format="jpeg", data=data)


@pytest.mark.parametrize("damage", ["empty", "cut off", "no picture"])
def test_a_damaged_picture_is_a_fault_of_its_frame(
    camera_bag: Callable[..., Path], tmp_path: Path, damage: str
) -> None:
    def compress(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if topic != RAW_COLOR:
            return [(topic, message)]
        picture = jpeg(message)
        if number == 1:
            kept = {"empty": 0, "cut off": 40, "no picture": 10**6}[damage]
            picture.data = picture.data[:kept] if damage != "no picture" else np.ones(99, np.uint8)
        return [(f"{topic}/compressed", picture)]

    stamps = [0, 66, 133]
    frames = frames_of(changed(camera_bag(stamps), tmp_path / "jpeg", compress))
    assert [frame.stamp_ns // 1_000_000 for frame in frames] == stamps
    assert [bool(frame.faults) for frame in frames] == [False, True, False]
    assert "no whole JPEG or PNG image" in frames[1].faults["colour image"]
    assert frames[1].color.message is None


def test_depth_as_jpeg_is_refused_by_name(camera_bag: Callable[..., Path], tmp_path: Path) -> None:
    def compress(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if "depth" not in topic or "camera_info" in topic:
            return [(topic, message)]
        picture = jpeg(message)
        picture.format = "16UC1; jpeg compressed "
        return [(f"{topic}/compressed", picture)]

    (frame,) = frames_of(changed(camera_bag([0]), tmp_path / "jpeg", compress))
    assert frame.depth is None
    assert "in which the distances are lost" in frame.faults["depth image"]


def test_a_message_of_color_depth_and_camera_information_is_taken_apart(
    camera_bag: Callable[..., Path], tmp_path: Path
) -> None:
    store = open_typestore()
    name = "realsense2_camera_msgs/msg/RGBD"
    if name not in store.types:
        store.register(get_types_from_msg(RGBD_FIELDS, name))
    parts: dict[str, Any] = {}

    def combine(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        role = "info" if "camera_info" in topic else "depth" if "depth" in topic else "rgb"
        parts[role] = message
        if len(parts) < 3:
            return []
        combined = store.types[name](
            header=parts["rgb"].header,
            rgb_camera_info=parts["info"],
            depth_camera_info=parts["info"],
            rgb=parts["rgb"],
            depth=parts["depth"],
        )
        parts.clear()
        return [("/cam/rgbd", combined)]

    source = camera_bag([0, 66])
    frames = frames_of(changed(source, tmp_path / "rgbd", combine))
    expected = frames_of(source)
    for frame, plain in zip(frames, expected, strict=True):
        for part, whole in (
            (frame.color, plain.color),
            (frame.depth, plain.depth),
            (frame.camera_info, plain.camera_info),
        ):
            assert part is not None
            assert whole is not None
            assert (part.stamp_ns, part.data) == (whole.stamp_ns, whole.data)


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


@pytest.mark.parametrize("damaged", [None, 0, 2])
def test_video_packets_are_decoded_each_with_its_stamp(
    camera_bag: Callable[..., Path], tmp_path: Path, damaged: int | None
) -> None:
    store = open_typestore()
    if VIDEO_PACKET not in store.types:
        store.register(get_types_from_msg(PACKET_FIELDS, VIDEO_PACKET))
    grays = [40, 90, 140, 190]
    packets = video([np.full((48, 64, 3), gray, np.uint8) for gray in grays])

    def encode(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if topic != RAW_COLOR:
            return [(topic, message)]
        data = bytes(100) if number == damaged else packets[number]
        packet = store.types[VIDEO_PACKET](
            header=message.header,
            width=64,
            height=48,
            encoding="libx264",
            pts=number,
            flags=0,
            is_bigendian=False,
            data=np.frombuffer(data, np.uint8),
        )
        return [(f"{topic}/ffmpeg", packet)]

    stamps = [0, 66, 133, 200]
    path = changed(camera_bag(stamps), tmp_path / "video", encode)
    with BagReader(path) as reader:
        messages = list(read_stream(reader, "/cam/color/image_raw/ffmpeg"))
    assert [message.stamp_ns // 1_000_000 for message in messages] == stamps

    bad = [number for number, message in enumerate(messages) if message.fault]
    assert bad == {None: [], 0: [0, 1, 2, 3], 2: [2]}[damaged]
    for number, message in enumerate(messages):
        if not message.fault and (damaged is None or number < damaged):
            assert abs(int(message.message.data.mean()) - grays[number]) <= 3
