# SPDX-License-Identifier: Apache-2.0
"""The command on bags and on a running graph."""

from __future__ import annotations

import json
import os
import sys
import threading
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from ros_graph import (
    DOMAIN_ID,
    HEIGHT,
    WIDTH,
    RosGraph,
    color_message,
    depth_message,
    header,
    info_message,
)
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CameraInfo, CompressedImage

from perception_kit.bags.bag import open_typestore
from perception_kit.doctor.__main__ import main
from perception_kit.resources import package_folder
from perception_kit.ros.image import image_to_array
from perception_kit.ros.image_transport import image_topic
from perception_kit.ros.qos import input_qos, latched_qos
from perception_kit.ros.to_messages import detections_to_message
from perception_kit.ros.transport import PROFILE_VARIABLES
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import Instance

TOPICS = {
    "color": "/cam/color/image_raw",
    "depth": "/cam/aligned_depth_to_color/image_raw",
    "camera_info": "/cam/color/camera_info",
    "ground_truth": "/ground_truth/detections",
}
MAKERS = {"color": color_message, "depth": depth_message, "camera_info": info_message}
BEST_EFFORT = Qos(
    QosHistory.KEEP_LAST,
    5,
    QosReliability.BEST_EFFORT,
    QosDurability.VOLATILE,
    QosTime(0, 0),
    QosTime(0, 0),
    QosLiveliness.AUTOMATIC,
    QosTime(0, 0),
    False,
)


def recorded(message: Any) -> Any:
    """A ROS message as rosbags has it."""
    package = type(message).__module__.partition(".")[0]
    type_name = f"{package}/msg/{type(message).__name__}"
    return open_typestore().deserialize_cdr(serialize_message(message), type_name)


@pytest.fixture
def make_bag(tmp_path: Path) -> Callable[..., Path]:
    """Writes 20 frames at 20 Hz.

    ``change(role, message)`` breaks them, and may return None to leave a message out.
    """

    def write(
        change: Callable[[str, Any], Any] = lambda role, message: message,
        more: Mapping[str, Callable[[int], Any]] = MappingProxyType({}),
    ) -> Path:
        path, store = tmp_path / "bag", open_typestore()
        options = {"typestore": store, "offered_qos_profiles": [BEST_EFFORT]}
        connections: dict[str, Any] = {}

        version = Writer.VERSION_LATEST
        with Writer(path, version=version, storage_plugin=StoragePlugin.MCAP) as writer:
            for stamp_ns in range(10**9, 2 * 10**9, 50_000_000):
                for role, make in {**MAKERS, **more}.items():
                    message = change(role, make(stamp_ns))
                    if message is None:
                        continue

                    content = recorded(message)
                    type_name = content.__msgtype__
                    if role not in connections:
                        connections[role] = writer.add_connection(
                            TOPICS[role], type_name, **options
                        )
                    data = store.serialize_cdr(content, type_name)
                    writer.write(connections[role], stamp_ns, data)
        return path

    return write


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Exit code, and the names of the findings."""
    code = main([*arguments, "--json", "-"])
    return code, [finding["name"] for finding in json.loads(capsys.readouterr().out)["findings"]]


def without_calibration(role: str, message: Any) -> Any:
    """A change of a bag's messages."""
    if role == "camera_info":
        message.k = [0.0] * 9
    return message


def test_a_good_bag_is_well(
    make_bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bag = str(make_bag())
    assert run(capsys, "--bag", bag) == (0, [])
    assert main(["--bag", bag]) == 0
    text = capsys.readouterr().out
    assert "96x72 rgb8, 20.0 a second, 20 messages" in text
    assert "All is well." in text


def test_a_fault_in_a_bag_is_named_with_what_to_do(
    make_bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bag = str(make_bag(without_calibration))
    assert run(capsys, "--bag", bag) == (1, ["intrinsics-missing"])
    assert main(["--bag", bag]) == 1
    assert "→ calibrate the camera" in capsys.readouterr().out


def test_without_ros_the_doctor_says_so_and_looks_at_the_rest_of_a_bag(
    make_bag: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bag = str(make_bag(without_calibration))
    monkeypatch.setitem(sys.modules, "rclpy", None)
    assert run(capsys) == (1, ["ros-missing"])
    assert run(capsys, "--bag", bag) == (1, ["ros-missing", "intrinsics-missing"])


def test_a_bag_without_depth(
    make_bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bag = str(make_bag(lambda role, message: None if role == "depth" else message))
    assert run(capsys, "--bag", bag) == (1, ["topic-missing"])
    wrong = ["--color-topic", "/nothing", "--depth-topic", TOPICS["camera_info"]]
    assert run(capsys, "--bag", bag, *wrong)[1] == ["topic-missing", "topic-type"]


def test_findings_in_a_file_do_not_replace_the_text(
    make_bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "findings"
    bag = str(make_bag(lambda role, message: None if role == "depth" else message))
    assert main(["--bag", bag, "--json", str(path)]) == 1
    assert "1 fault found." in capsys.readouterr().out
    (finding,) = json.loads(path.read_text())["findings"]
    assert sorted(finding) == ["advice", "name", "what"]


def compressed(role: str, message: Any) -> Any:
    """The colour image as a JPEG."""
    return compressed_image(role, message) if role == "color" else message


def compressed_image(role: str, message: Any) -> CompressedImage:
    """Colour as a JPEG, depth as compressedDepth's PNG behind its header of 12 bytes."""
    ending, kind, head = {
        "color": (".jpg", "jpeg", b""),
        "depth": (".png", "16UC1; compressedDepth png", bytes(12)),
    }[role]
    data = head + cv2.imencode(ending, image_to_array(message))[1].tobytes()
    return CompressedImage(header=message.header, format=kind, data=array("B", data))


def test_compressed_images_of_a_bag_are_read_as_a_replay_does(
    make_bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "--bag", str(make_bag(compressed))) == (0, [])


def test_one_damaged_picture_of_a_bag_is_counted(
    make_bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    count = 0

    def damage(role: str, message: Any) -> Any:
        nonlocal count
        picture = compressed(role, message)
        if role == "color":
            count += 1
            picture.data = picture.data[: 40 if count == 7 else None]
        return picture

    bag = str(make_bag(damage))
    assert run(capsys, "--bag", bag) == (1, ["image-data"])
    assert main(["--bag", bag]) == 1
    text = capsys.readouterr().out
    assert "colour: 1 of 20 messages of '/cam/color/image_raw': " in text
    assert "no whole JPEG or PNG image" in text


def test_the_unit_of_depth_is_judged_by_the_size_of_known_objects(
    make_bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Mugs of 0.13 m, 8 pixels wide, that the depth puts at 8 m instead of at 0.8 m."""

    def add_ground_truth(role: str, message: Any) -> Any:
        return (
            depth_message(stamp_to_ns(message.header.stamp), meters=8.0)
            if (role == "depth")
            else message
        )

    box = np.array([40, 30, 49, 39], np.float32)
    mug = Instance(1, "mug", 1.0, box, np.ones((9, 9), bool), (40, 30))
    makers = {
        "ground_truth": lambda stamp_ns: detections_to_message(
            [mug], header(stamp_ns), WIDTH, HEIGHT
        )
    }
    bag = str(make_bag(add_ground_truth, makers))
    assert run(capsys, "--bag", bag) == (1, ["depth-scale"])
    assert run(capsys, "--bag", bag, "--depth-scale", "0.0001") == (0, [])


def test_recorded_qos_that_the_nodes_would_not_fit(
    make_bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = run(capsys, "--bag", str(make_bag()), "--input-reliability", "reliable")
    assert (code, set(found)) == (1, {"qos-incompatible"})


@pytest.mark.parametrize(
    "arguments",
    [["--bag", "/nowhere"], ["--camera", "webcam"]],
    ids=["no bag", "no such preset"],
)
def test_bad_use_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("doctor: ")


def test_real_bags_are_well(shared_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = package_folder() / "models" / "ycbv"
    own = ["--segmentation-model", str(models / "segmentation.safetensors")]
    own += ["--pose-model", str(models / "pose.safetensors")]
    for bag in sorted((shared_dir / "data" / "rgbd_bag").iterdir()):
        assert run(capsys, "--bag", str(bag), *own) == (0, [])


@contextmanager
def driver(
    graph: RosGraph, broken: bool, is_info_latched: bool, transport: str = "raw"
) -> Iterator[None]:
    """A camera that publishes at 20 Hz; the depth of a broken one is of zeros, and 7 s old.

    Latched camera information comes once.
    """
    types = {role: image_topic(TOPICS[role], role, transport) for role in ("color", "depth")}
    types["camera_info"] = CameraInfo, TOPICS["camera_info"]
    publishers = {
        role: graph.node.create_publisher(kind, topic, input_qos("best_effort"))
        for role, (kind, topic) in types.items()
    }
    sent_always = {**publishers}
    if is_info_latched:
        graph.node.destroy_publisher(sent_always.pop("camera_info"))
        publishers["camera_info"] = graph.node.create_publisher(
            CameraInfo, TOPICS["camera_info"], latched_qos()
        )
        publishers["camera_info"].publish(info_message(5))
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(0.05):
            stamp_ns = graph.node.get_clock().now().nanoseconds
            for role in sent_always:
                message = MAKERS[role](stamp_ns)
                if broken and role == "depth":
                    message = depth_message(stamp_ns - 7 * 10**9, meters=0.0)
                if transport == "compressed" and role != "camera_info":
                    message = compressed_image(role, message)
                sent_always[role].publish(message)

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    stop.set()
    thread.join()

    for publisher in publishers.values():
        graph.node.destroy_publisher(publisher)


@pytest.mark.ros
@pytest.mark.parametrize(
    ("broken", "is_info_latched", "expected"),
    [
        (False, False, set()),
        (False, True, set()),
        (True, False, {"depth-empty", "stamp-gap", "stamp-clock"}),
    ],
)
def test_the_running_graph(
    graph: RosGraph,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    broken: bool,
    is_info_latched: bool,
    expected: set[str],
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN_ID))
    own = str(package_folder() / "config" / "fastdds.xml")
    monkeypatch.setenv(PROFILE_VARIABLES[0], os.environ.get(PROFILE_VARIABLES[0], own))
    with driver(graph, broken, is_info_latched):
        code, found = run(capsys, "--seconds", "2")
    assert set(found) - {"rate-uneven"} == expected, "the machine may be too busy for a steady rate"
    assert broken == bool(expected)
    assert code == bool(found)


@pytest.mark.ros
def test_compressed_images_of_the_running_graph(
    graph: RosGraph, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN_ID))
    with driver(graph, broken=False, is_info_latched=False, transport="compressed"):
        assert main(["--seconds", "2"]) == 1
    text = capsys.readouterr().out
    assert "/cam/color/image_raw/compressed  96x72 bgr8" in text
    assert "/cam/aligned_depth_to_color/image_raw/compressedDepth  96x72 16UC1" in text
    assert "image-transport: images come compressed alone: the color on" in text
    assert "--image-transport compressed" in text


@pytest.mark.ros
def test_a_node_on_other_topics_than_the_camera(
    graph: RosGraph,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN_ID))
    with graph.start("tracker_node", {}, tmp_path):
        graph.wait(lambda: graph.node.count_subscribers("/pose6d_node/detections"), "the tracker")
        code, found = run(capsys, "--camera", "realsense", "--seconds", "1")
    assert code == 1
    assert {"topic-missing", "input-unconnected"} <= set(found)
