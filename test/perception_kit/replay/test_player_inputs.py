# SPDX-License-Identifier: Apache-2.0
"""Every kind of input that docs/evaluation.md lists reaches a subscriber of the player."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

import rclpy
from changed_bag import Change, changed, combine_rgbd, video, video_packet
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros1_bag import write_ros1_bag
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rvl_encoder import encode_rvl
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.bags.bag import open_typestore
from perception_kit.replay.domain import free_domain
from perception_kit.replay.player import Player
from perception_kit.replay.replay_input import ReplayInput
from perception_kit.replay.settings import ReplaySettings
from perception_kit.ros.qos import result_qos

pytestmark = pytest.mark.ros

GRAY, METERS, FX = 90, 0.9, 64.0  # of the bags of `camera_bag`
LIMIT_S = 60
MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3
ZSTD = CompressionFormat.ZSTD


class Subscriber:
    """A node that listens as pose6d_node does, to the player of a domain."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=player.client.domain_id)
        self._node = Node("pose6d_node", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.received: dict[str, Any] = {}
        kinds = {
            "/color/image_raw": Image,
            "/depth/image_raw": Image,
            "/color/camera_info": CameraInfo,
        }
        for topic, kind in kinds.items():
            self._node.create_subscription(kind, topic, self._keep(topic), result_qos())
        while not all(player.client.count_listeners(topic) for topic in kinds):
            self._executor.spin_once(0.05)

    def _keep(self, topic: str) -> Callable[[Any], None]:
        return lambda message: self.received.__setitem__(topic, message)

    def receive(self, settings: ReplaySettings) -> tuple[Image, Image, CameraInfo]:
        """Colour, depth and camera information of the last frame of a replay."""
        with ReplayInput(settings) as source:
            frames = list(source.frames())
        assert frames
        assert not any(frame.faults for frame in frames)
        self.received.clear()
        end_s = monotonic() + LIMIT_S
        self._player.publish(frames[-1], end_s)
        while len(self.received) < 3 and monotonic() < end_s:
            self._executor.spin_once(0.1)
        self._player.forget(frames[-1])
        return tuple(self.received[topic] for topic in sorted(self.received, key=_ORDER.index))

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()


_ORDER = ["/color/image_raw", "/depth/image_raw", "/color/camera_info"]


@pytest.fixture(scope="module")
def subscriber() -> Iterator[Subscriber]:
    with free_domain() as domain, Player(domain) as player:
        subscriber = Subscriber(player)
        yield subscriber
        subscriber.close()


def settings_of(bag: Path, **options: Any) -> ReplaySettings:
    model = Path("not read.safetensors")
    return ReplaySettings(bag, bag / "out", model, model, model, **options)


def check(received: tuple[Image, Image, CameraInfo], settings: ReplaySettings) -> None:
    """The arrays are those that were recorded."""
    color, depth, info = received
    camera = settings.camera("/cam/color/image_raw")
    rgb = camera.color(color)
    assert rgb.shape == (48, 64, 3)
    assert np.abs(rgb.astype(int) - GRAY).max() <= 3
    np.testing.assert_allclose(camera.depth(depth), np.full((48, 64), METERS), rtol=0.01)
    assert camera.intrinsics(info, color).fx == FX


def same(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
    return [(topic, message)]


STORAGE: dict[str, dict[str, Any]] = {
    "sqlite3": {"storage": SQLITE},
    "sqlite3, zstd by file": {"storage": SQLITE, "compression": (CompressionMode.FILE, ZSTD)},
    "sqlite3, zstd by message": {
        "storage": SQLITE,
        "compression": (CompressionMode.MESSAGE, ZSTD),
    },
    "MCAP": {"storage": MCAP},
    "MCAP, zstd by file": {"storage": MCAP, "compression": (CompressionMode.FILE, ZSTD)},
    "MCAP, zstd by message": {"storage": MCAP, "compression": (CompressionMode.MESSAGE, ZSTD)},
    "MCAP, zstd by chunk": {"storage": MCAP, "compression": (CompressionMode.STORAGE, ZSTD)},
}


@pytest.mark.parametrize("case", STORAGE)
def test_storage(
    subscriber: Subscriber, camera_bag: Callable[..., Path], tmp_path: Path, case: str
) -> None:
    settings = settings_of(changed(camera_bag([0, 66]), tmp_path / "bag", same, **STORAGE[case]))
    check(subscriber.receive(settings), settings)


def without_end(folder: Path) -> Path:
    (path,) = folder.glob("*.mcap")
    path.write_bytes(path.read_bytes()[:-40])
    return path


def without_metadata(folder: Path) -> Path:
    (folder / "metadata.yaml").unlink()
    return folder


FILES: dict[str, tuple[StoragePlugin, Callable[[Path], Path]]] = {
    "an .mcap file": (MCAP, lambda folder: next(folder.glob("*.mcap"))),
    "a .db3 file": (SQLITE, lambda folder: next(folder.glob("*.db3"))),
    "an .mcap file that was cut off": (MCAP, without_end),
    "a folder without metadata": (MCAP, without_metadata),
}


@pytest.mark.parametrize("case", FILES)
def test_files(
    subscriber: Subscriber, camera_bag: Callable[..., Path], tmp_path: Path, case: str
) -> None:
    storage, path_of = FILES[case]
    folder = changed(camera_bag([0, 66]), tmp_path / "bag", same, storage=storage)
    settings = settings_of(path_of(folder))
    check(subscriber.receive(settings), settings)


def test_a_ros_1_bag(
    subscriber: Subscriber, camera_bag: Callable[..., Path], tmp_path: Path
) -> None:
    settings = settings_of(write_ros1_bag(camera_bag([0, 66]), tmp_path / "old.bag"))
    check(subscriber.receive(settings), settings)


def compressed(message: Any, form: str, data: bytes) -> Any:
    kind = open_typestore().types["sensor_msgs/msg/CompressedImage"]
    return kind(header=message.header, format=form, data=np.frombuffer(data, np.uint8))


def image_like(message: Any, pixels: np.ndarray, encoding: str) -> Any:
    pixels = np.ascontiguousarray(pixels)
    data = pixels.reshape(-1).view(np.uint8)
    kind = open_typestore().types["sensor_msgs/msg/Image"]
    height, width = message.height, message.width
    step = data.size // len(pixels)
    return kind(message.header, height, width, encoding, 0, step, data)


RGB = np.full((48, 64, 3), GRAY, np.uint8)
MILLIMETERS = np.full((48, 64), round(METERS * 1000), np.uint16)
COLORS: dict[str, Callable[[Any], tuple[str, Any]]] = {
    "JPEG": lambda message: (
        "/compressed",
        compressed(message, "rgb8; jpeg compressed bgr8", encoded(".jpg", RGB)),
    ),
    "PNG": lambda message: (
        "/compressed",
        compressed(message, "rgb8; png compressed bgr8", encoded(".png", RGB)),
    ),
    "H.264 packets": lambda message: ("/ffmpeg", video_packet(message.header, *video([RGB]))),
    "zstd": lambda message: ("/zstd", compressed(message, "zstd", zstd(RGB, "rgb8"))),
    "bgr8": lambda message: ("", image_like(message, RGB, "bgr8")),
    "mono8": lambda message: ("", image_like(message, RGB[..., 0], "mono8")),
    "uyvy": lambda message: (
        "",
        image_like(message, cv2.cvtColor(RGB, cv2.COLOR_RGB2YUV_UYVY), "uyvy"),
    ),
    "yuv422_yuy2": lambda message: (
        "",
        image_like(message, cv2.cvtColor(RGB, cv2.COLOR_RGB2YUV_YUY2), "yuv422_yuy2"),
    ),
    "Bayer": lambda message: ("", image_like(message, RGB[..., 0], "bayer_grbg8")),
    "8UC3": lambda message: ("", image_like(message, RGB, "8UC3")),
}
DEPTHS: dict[str, Callable[[Any], tuple[str, Any]]] = {
    "mono16": lambda message: ("", image_like(message, MILLIMETERS, "mono16")),
    "32FC1": lambda message: (
        "",
        image_like(message, np.full((48, 64), METERS, np.float32), "32FC1"),
    ),
    "16-bit PNG": lambda message: (
        "/compressed",
        compressed(message, "16UC1; png compressed", encoded(".png", MILLIMETERS)),
    ),
    "compressedDepth of 16UC1": lambda message: (
        "/compressedDepth",
        compressed(message, "16UC1; compressedDepth png", bytes(12) + encoded(".png", MILLIMETERS)),
    ),
    "compressedDepth of 32FC1": lambda message: (
        "/compressedDepth",
        compressed(message, "32FC1; compressedDepth png", quantized()),
    ),
    "zstd": lambda message: ("/zstd", compressed(message, "zstd", zstd(MILLIMETERS, "16UC1"))),
    "compressedDepth by RVL": lambda message: (
        "/compressedDepth",
        compressed(
            message,
            "16UC1; compressedDepth rvl",
            bytes(12) + struct.pack("<ii", 64, 48) + encode_rvl(MILLIMETERS),
        ),
    ),
}


def encoded(ending: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(ending, pixels)[1].tobytes()


def zstd(pixels: np.ndarray, encoding: str) -> bytes:
    """As the transport of that name compresses raw images: by zlib."""
    size = struct.pack("<IIBII", *pixels.shape[:2], 0, pixels.strides[0], len(encoding))
    return size + encoding.encode() + gzip.compress(pixels.tobytes())


def quantized() -> bytes:
    """As image_transport compresses metres: A / depth + B."""
    a, b = 100.0, -9.0
    values = np.full((48, 64), round(a / METERS + b), np.uint16)
    return struct.pack("<iff", 0, a, b) + encoded(".png", values)


def replacing(topic_part: str, make: Callable[[Any], tuple[str, Any]]) -> Change:
    def change(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if topic != f"/cam/{topic_part}/image_raw":
            return [(topic, message)]
        ending, replaced = make(message)
        return [(topic + ending, replaced)]

    return change


@pytest.mark.parametrize("case", COLORS)
def test_color(
    subscriber: Subscriber, camera_bag: Callable[..., Path], tmp_path: Path, case: str
) -> None:
    bag = changed(camera_bag([0, 66]), tmp_path / "bag", replacing("color", COLORS[case]))
    settings = settings_of(bag, color_encoding="bgr8" if case == "8UC3" else "")
    check(subscriber.receive(settings), settings)


@pytest.mark.parametrize("case", DEPTHS)
def test_depth(
    subscriber: Subscriber, camera_bag: Callable[..., Path], tmp_path: Path, case: str
) -> None:
    change = replacing("aligned_depth_to_color", DEPTHS[case])
    settings = settings_of(changed(camera_bag([0, 66]), tmp_path / "bag", change))
    check(subscriber.receive(settings), settings)


def test_depth_in_other_units(
    subscriber: Subscriber, camera_bag: Callable[..., Path], tmp_path: Path
) -> None:
    change = replacing(
        "aligned_depth_to_color",
        lambda message: ("", image_like(message, MILLIMETERS * 4, "16UC1")),
    )
    bag = changed(camera_bag([0, 66]), tmp_path / "bag", change)
    settings = settings_of(bag, depth_scale=0.00025)
    check(subscriber.receive(settings), settings)


def test_one_message_for_all(
    subscriber: Subscriber, camera_bag: Callable[..., Path], tmp_path: Path
) -> None:
    settings = settings_of(changed(camera_bag([0, 66]), tmp_path / "bag", combine_rgbd()))
    check(subscriber.receive(settings), settings)


def test_a_camera_file(
    subscriber: Subscriber, camera_bag: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(
        "image_width: 64\nimage_height: 48\n"
        "camera_matrix: {rows: 3, cols: 3, data: [64, 0, 32, 0, 64, 24, 0, 0, 1]}\n"
    )
    bag = changed(
        camera_bag([0, 66]),
        tmp_path / "bag",
        lambda number, topic, message: [] if "camera_info" in topic else [(topic, message)],
    )
    settings = settings_of(bag, camera_info=path)
    check(subscriber.receive(settings), settings)


@pytest.mark.parametrize("stamps", [[0], [40, 300]], ids=["once", "with other stamps"])
def test_camera_information_that_is_not_of_each_frame(
    subscriber: Subscriber, camera_bag: Callable[..., Path], stamps: list[int]
) -> None:
    settings = settings_of(camera_bag([0, 100, 200, 300], camera_info=stamps))
    received = subscriber.receive(settings)
    check(received, settings)
    assert received[2].header.stamp == received[0].header.stamp
