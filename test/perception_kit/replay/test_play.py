# SPDX-License-Identifier: Apache-2.0
"""A recording comes as from a camera: its topics, its pace, and stamps of now."""

from __future__ import annotations

from pathlib import Path
from time import time_ns
from typing import Any

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from perception_kit import play
from perception_kit.ros.to_messages import ns_to_stamp
from perception_kit.stamps import stamp_to_ns

INTERVAL_S = 1 / 15


class Client:
    """Stands for the node that publishes."""

    def __init__(self, name: str) -> None:
        self.sent: list[tuple[str, bytes, float]] = []
        clients.append(self)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def add_publisher(self, type_name: str, topic: str) -> None:
        self.sent.append((topic, type_name.encode(), 0.0))

    def publish(self, topic: str, data: bytes, deadline_s: float) -> None:
        self.sent.append((topic, data, clock.now_s))

    def of(self, topic: str) -> list[Any]:
        """The messages of a topic, and when they were sent."""
        kind = CameraInfo if topic.endswith("camera_info") else Image
        return [
            (deserialize_message(data, kind), sent_s)
            for name, data, sent_s in self.sent
            if name == topic and sent_s
        ]


clients: list[Client] = []


class Clock:
    """Time that passes by sleeping alone."""

    now_s = 100.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


clock = Clock()


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    clients.clear()
    monkeypatch.setattr(play, "GraphClient", Client)
    monkeypatch.setattr(play, "monotonic", lambda: clock.now_s)
    monkeypatch.setattr(play, "sleep", clock.sleep)


def test_a_recording_comes_as_from_a_camera(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before_ns = time_ns()
    assert play.main([str(scene), "--camera-name", "head", "--rate", "2"]) == 0
    (camera,) = clients
    color = camera.of("/camera/head/color/image_raw")
    depth = camera.of("/camera/head/aligned_depth_to_color/image_raw")
    info = camera.of("/camera/head/color/camera_info")
    assert (len(color), len(depth), len(info)) == (6, 6, 6)
    assert (color[0][0].width, depth[0][0].encoding) == (160, "16UC1")

    stamps = [stamp_to_ns(message.header.stamp) for message, _ in color]
    assert before_ns <= stamps[0] <= stamps[-1] <= time_ns()
    assert stamps == [stamp_to_ns(message.header.stamp) for message, _ in depth]
    seconds = [sent_s - color[0][1] for _, sent_s in color]
    twice_as_fast = [index * INTERVAL_S / 2 for index in range(6)]
    assert seconds == pytest.approx(twice_as_fast, abs=1e-3)
    assert "play: 6 images, the latest 0 ms behind" in capsys.readouterr().out


@pytest.mark.parametrize("stamp_ns", [0, 1, 1_700_000_000_123_456_789])
def test_only_the_stamp_of_a_message_changes(stamp_ns: int) -> None:
    header = Header(frame_id="camera", stamp=ns_to_stamp(5_000_000_007))
    message = CameraInfo(header=header, width=640, d=[0.1, 0.2])
    changed = deserialize_message(play.with_stamp(serialize_message(message), stamp_ns), CameraInfo)
    assert stamp_to_ns(changed.header.stamp) == stamp_ns
    message.header.stamp = changed.header.stamp
    assert changed == message


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [(["/no/bag"], "play: "), (["/no/bag", "--camera", "webcam"], "camera 'webcam' is neither")],
)
def test_what_cannot_be_played_is_named(
    arguments: list[str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play.main(arguments) == 2
    assert fault in capsys.readouterr().err
