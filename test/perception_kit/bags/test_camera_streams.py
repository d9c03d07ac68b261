# SPDX-License-Identifier: Apache-2.0
"""Images from compressed, combined and video messages; what cannot be read costs its frame only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from changed_bag import (
    changed,
    combine_rgbd,
    theora_message,
    theora_packets,
    video,
    video_packet,
)

from perception_kit.bags.bag import BagReader, open_typestore
from perception_kit.bags.camera_frames import CameraFrame, camera_frames
from perception_kit.bags.camera_streams import read_stream, stream_encoding
from perception_kit.bags.camera_topics import find_camera_topics

RAW_COLOR = "/cam/color/image_raw"
# Five pictures of 64x48 px whose middle is gray, with a red, a green and a blue corner; the fourth
# repeats the third.
THEORA = Path(__file__).with_name("theora.ogv")
THEORA_GRAYS = (40, 90, 140, 140, 190)


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
    source = camera_bag([0, 66])
    frames = frames_of(changed(source, tmp_path / "rgbd", combine_rgbd()))
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


@pytest.mark.parametrize("damaged", [None, 0, 2])
def test_video_packets_are_decoded_each_with_its_stamp(
    camera_bag: Callable[..., Path], tmp_path: Path, damaged: int | None
) -> None:
    grays = [40, 90, 140, 190]
    packets = video([np.full((48, 64, 3), gray, np.uint8) for gray in grays])
    if damaged is not None:
        packets[damaged] = bytes(100)

    def encode(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if topic != RAW_COLOR:
            return [(topic, message)]
        return [(f"{topic}/ffmpeg", video_packet(message.header, packets[number]))]

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


LOST = "packets before it were lost"
NO_HEADERS = "the headers of the theora video were not recorded"


@pytest.mark.parametrize(
    ("left_out", "faults"),
    [
        ([], [None] * 5),
        ([0], [NO_HEADERS] * 5),
        ([4], [None, LOST, LOST, LOST]),
        ([6], [None, None, None, LOST]),
    ],
    ids=["all", "a header", "the second picture", "the repeated picture"],
)
def test_theora_packets_are_decoded_each_with_its_stamp(
    camera_bag: Callable[..., Path], tmp_path: Path, left_out: list[int], faults: list[str | None]
) -> None:
    headers, pictures = theora_packets(THEORA)

    def encode(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if topic != RAW_COLOR:
            return [(topic, message)]
        packets = {3 + number: pictures[number]}
        if number == 0:
            packets = dict(enumerate(headers)) | packets
        return [
            (f"{topic}/theora", theora_message(message.header, data, count))
            for count, data in packets.items()
            if count not in left_out
        ]

    path = changed(camera_bag([0, 66, 133, 200, 266]), tmp_path / "video", encode)
    with BagReader(path) as reader:
        messages = list(read_stream(reader, f"{RAW_COLOR}/theora"))
    kept = [number for number in range(5) if 3 + number not in left_out]
    assert [message.stamp_ns // 1_000_000 for message in messages] == [
        (0, 66, 133, 200, 266)[number] for number in kept
    ]

    for number, message, fault in zip(kept, messages, faults, strict=True):
        if fault:
            assert fault in message.fault
            continue
        pixels = message.message.data.reshape(48, 64, 3).astype(int)
        expected = {(24, 30): [THEORA_GRAYS[number]] * 3, (5, 5): [200, 30, 30]}
        expected |= {(43, 5): [30, 200, 30], (43, 60): [30, 30, 200]}
        for place, color in expected.items():
            assert np.abs(pixels[place] - color).max() <= 6
