# SPDX-License-Identifier: Apache-2.0
"""Each fault is made and recognised by its name, and no other is found."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from ros_graph import HEIGHT, WIDTH, color_message, depth_message, header, info_message
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.camera_config import CameraConfig
from perception_kit.doctor.diagnosis import diagnose
from perception_kit.doctor.observation import Link, Observation, observe_message
from perception_kit.networks.model_file import save_model
from perception_kit.ros.image import array_to_image
from perception_kit.ros.qos import qos_mismatch
from perception_kit.ros.transport import PROFILE_VARIABLES

BEST_EFFORT = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)
SECOND = 10**9


def link(topic: str, publisher: str, subscriber: str, *profiles: QoSProfile) -> Link:
    """With the profiles that the publisher offers and the subscriber requests."""
    return Link(topic, publisher, subscriber, qos_mismatch(*profiles))


def names(seen: Observation) -> list[str]:
    findings = diagnose(seen)
    assert all(len(finding.what) > 10 and len(finding.advice) > 10 for finding in findings)
    return sorted({finding.name for finding in findings})


def test_nothing_is_found_where_nothing_is_wrong(healthy: Observation) -> None:
    assert diagnose(healthy) == []


def set_depth(seen: Observation, encoding: str, value: float) -> None:
    dtype = {"16UC1": np.uint16, "32FC1": np.float32}[encoding]
    message = depth_message(0)
    message.encoding, message.step = encoding, WIDTH * np.dtype(dtype).itemsize
    message.data = array("B", np.full((HEIGHT, WIDTH), value, dtype).tobytes())
    seen.topics["depth"].sample = message


def set_info(seen: Observation, **values: object) -> None:
    message: CameraInfo = info_message(0)
    for name, value in values.items():
        setattr(message, name, value)
    seen.topics["camera_info"].sample = message


def set_color(seen: Observation, **values: object) -> None:
    message: Image = color_message(0)
    for name, value in values.items():
        setattr(message, name, value)
    seen.topics["color"].sample = message


def set_types(seen: Observation, role: str, *types: str) -> None:
    topic = seen.topics[role]
    topic.types, topic.sample, topic.stamps_ns, topic.frame_ids = types, None, [], set()


def silence(seen: Observation, role: str) -> None:
    set_types(seen, role, *seen.topics[role].types)


def shift(seen: Observation, role: str, change: Callable[[list[int]], list[int]]) -> None:
    seen.topics[role].stamps_ns = change(seen.topics[role].stamps_ns)


def all_stamps(seen: Observation, change: Callable[[list[int]], list[int]]) -> None:
    for role in seen.topics:
        shift(seen, role, change)


def compress(seen: Observation, *roles: str) -> None:
    for role in roles:
        seen.topics[role].transport = "compressed"


def delayed(stamps: list[int], delay_ns: int) -> list[int]:
    return [stamp + delay_ns for stamp in stamps]


def set_clock_back(seen: Observation) -> None:
    seen.simulated_time = False
    seen.topics["color"].delays_s.append(7.0)


def lose_large_images(seen: Observation) -> None:
    silence(seen, "color")
    k = [3800.0, 0, 2000.0, 0, 3800.0, 1500.0, 0, 0, 1.0]
    set_info(seen, width=4000, height=3000, k=k)


def sparse_depth(seen: Observation) -> None:
    message = depth_message(0)
    pixels = np.zeros((HEIGHT, WIDTH), np.uint16)
    pixels[:5, :5] = 900
    message.data = array("B", pixels.tobytes())
    seen.topics["depth"].sample = message


CAMERA_FAULTS = {
    "topic not found": (
        "topic-missing",
        lambda seen: setattr(seen, "not_found", "no topic is the depth image"),
    ),
    "topic nobody publishes": ("topic-missing", lambda seen: set_types(seen, "depth")),
    "compressed colour": (
        "topic-type",
        lambda seen: set_types(seen, "color", "sensor_msgs/msg/CompressedImage"),
    ),
    "video packets": (
        "topic-type",
        lambda seen: set_types(seen, "color", "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"),
    ),
    "point cloud as depth": (
        "topic-type",
        lambda seen: set_types(seen, "depth", "sensor_msgs/msg/PointCloud2"),
    ),
    "silent driver": ("nothing-received", lambda seen: silence(seen, "depth")),
    "colour that is not read": ("image-data", lambda seen: set_color(seen, encoding="yuv444")),
    "channels without names": ("image-data", lambda seen: set_color(seen, encoding="8UC3")),
    "short colour": ("image-data", lambda seen: set_color(seen, data=array("B", bytes(100)))),
    "depth as a picture": (
        "depth-encoding",
        lambda seen: setattr(seen.topics["depth"].sample, "encoding", "8UC1"),
    ),
    "no depth": ("depth-empty", lambda seen: set_depth(seen, "32FC1", np.nan)),
    "metres as 16UC1": ("depth-unit", lambda seen: set_depth(seen, "16UC1", 1)),
    "millimetres as 32FC1": ("depth-unit", lambda seen: set_depth(seen, "32FC1", 800.0)),
    "tenths of millimetres": ("depth-range", lambda seen: set_depth(seen, "16UC1", 30_000)),
    "depth with holes": ("depth-sparse", sparse_depth),
    "depth not aligned": (
        "image-size",
        lambda seen: setattr(seen.topics["depth"], "sample", depth_message(0, width=48)),
    ),
    "info of another size": (
        "camera-info-size",
        lambda seen: set_info(seen, width=640, height=480),
    ),
    "K of zeros": ("intrinsics-missing", lambda seen: set_info(seen, k=[0.0] * 9)),
    "K of another resolution": (
        "intrinsics-implausible",
        lambda seen: set_info(seen, k=[610.0, 0, 320, 0, 610.0, 240, 0, 0, 1.0]),
    ),
    "K in metres": (
        "intrinsics-implausible",
        lambda seen: set_info(seen, k=[2.0, 0, WIDTH / 2, 0, 2.0, HEIGHT / 2, 0, 0, 1.0]),
    ),
    "K of another aspect": (
        "intrinsics-implausible",
        lambda seen: set_info(seen, k=[80.0, 0, 48.0, 0, 110.0, 36.0, 0, 0, 1.0]),
    ),
    "lens distortion": (
        "lens-distortion",
        lambda seen: set_info(seen, d=[0.1, 0.0, 0.0, 0.0, 0.0], distortion_model="plumb_bob"),
    ),
    "depth of its own frame": (
        "frame-id",
        lambda seen: setattr(seen.topics["depth"].sample.header, "frame_id", "camera_depth"),
    ),
    "frame of the time before tf2": (
        "frame-id",
        lambda seen: setattr(seen.topics["depth"], "frame_ids", {"/camera"}),
    ),
    "no frame": ("frame-id", lambda seen: seen.topics["color"].frame_ids.add("")),
}
TIMING_FAULTS = {
    "no stamps": ("stamp-zero", lambda seen: all_stamps(seen, lambda stamps: [0] * len(stamps))),
    "frames sent twice": (
        "stamp-duplicate",
        lambda seen: all_stamps(seen, lambda stamps: sorted([*stamps, *stamps[:5]])),
    ),
    "a bag that loops": (
        "stamp-backward",
        lambda seen: all_stamps(seen, lambda stamps: stamps + stamps),
    ),
    "another clock": ("stamp-clock", set_clock_back),
    "depth is late": (
        "stamp-gap",
        lambda seen: shift(seen, "depth", lambda stamps: delayed(stamps[::2], 40_000_000)),
    ),
    "depth of another day": (
        "stamp-gap",
        lambda seen: shift(seen, "depth", lambda stamps: delayed(stamps, 86_400 * SECOND)),
    ),
    "slow camera": (
        "rate-low",
        lambda seen: all_stamps(seen, lambda stamps: [stamp * 8 for stamp in stamps]),
    ),
    "slower than the clips": (
        "rate-low",
        lambda seen: all_stamps(seen, lambda stamps: [stamp * 3 for stamp in stamps]),
    ),
    "lost images": (
        "rate-uneven",
        lambda seen: all_stamps(seen, lambda stamps: stamps[:15] + stamps[28:]),
    ),
}


def delay_depth(seen: Observation, seconds: float) -> None:
    for role, delay_s in (("color", 0.01), ("depth", 0.01 + seconds)):
        seen.topics[role].delays_s = [delay_s] * len(seen.topics[role].stamps_ns)


def note(seen: Observation, role: str, *messages: object) -> None:
    """What the topic of ``role`` has sent, instead of what it has."""
    topic = seen.topics[role]
    topic.stamps_ns, topic.depths = [], []
    for number, message in enumerate(messages):
        observe_message(seen.camera, role, topic, 10**9 + number * 50_000_000, message)


def half_of_the_images_are_smaller(seen: Observation, with_camera_info: bool) -> None:
    small = array_to_image(np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8), "rgb8", header(0))
    depth = array_to_image(np.full((HEIGHT // 2, WIDTH // 2), 900, np.uint16), "16UC1", header(0))
    info = info_message(0)
    if with_camera_info:
        info = info_message(0, fx=40.0)
        info.width, info.height, info.k[4] = WIDTH // 2, HEIGHT // 2, 40.0
        info.k[2], info.k[5] = WIDTH / 4, HEIGHT / 4
    note(seen, "color", *[color_message(0)] * 20, *[small] * 20)
    note(seen, "depth", *[depth_message(0)] * 20, *[depth] * 20)
    note(seen, "camera_info", *[info_message(0)] * 20, *[info] * 20)


def measure(seen: Observation, factor: float) -> None:
    """Masks of mugs (0.133 m) as wide as most of a mug, by a depth that is wrong by a factor."""
    seen.widths = [("mug", 0.11 * factor)] * 5


ONE_OF_MANY = {
    "one colour image is cut short": (
        "image-data",
        "1 of 40 messages of '/camera/color'",
        lambda seen: note(
            seen,
            "color",
            *[color_message(0)] * 39,
            Image(header=header(0), width=4, height=4, encoding="rgb8", step=12),
        ),
    ),
    "one depth image is empty": (
        "depth-empty",
        "1 of 40 messages of '/camera/depth'",
        lambda seen: note(seen, "depth", *[depth_message(0)] * 39, depth_message(0, meters=0.0)),
    ),
    "the size changes": (
        "size-changes",
        "96x72 rgb8 from 0.0 s on, then 48x36 rgb8 from 1.0 s on",
        lambda seen: half_of_the_images_are_smaller(seen, with_camera_info=True),
    ),
    "depth in tenths of millimetres": (
        "depth-scale",
        "probably 10 times too large (units of 0.1 mm read as millimetres)",
        lambda seen: measure(seen, 10.0),
    ),
    "depth in quarters of millimetres": (
        "depth-scale",
        "probably 4 times too large (units of 0.25 mm read as millimetres)",
        lambda seen: measure(seen, 4.0),
    ),
    "late depth": (
        "depth-late",
        "depth arrives 0.7 s after",
        lambda seen: delay_depth(seen, 0.7),
    ),
    "depth that is too late": (
        "depth-late",
        "keeps colour images for 2 s, so there are no poses",
        lambda seen: delay_depth(seen, 3.0),
    ),
}


@pytest.mark.parametrize(
    ("name", "text", "make"), [pytest.param(*fault, id=key) for key, fault in ONE_OF_MANY.items()]
)
def test_what_only_some_messages_have_is_found_and_counted(
    healthy: Observation, name: str, text: str, make: Callable[[Observation], object]
) -> None:
    make(healthy)
    (finding,) = diagnose(healthy)
    assert finding.name == name
    assert text in finding.what


def test_camera_information_must_fit_every_size_of_the_images(healthy: Observation) -> None:
    half_of_the_images_are_smaller(healthy, with_camera_info=False)
    assert names(healthy) == ["camera-info-size", "size-changes"]


def test_camera_information_of_a_region_is_judged_without_images(healthy: Observation) -> None:
    silence(healthy, "color")
    info = info_message(0)
    info.binning_x = info.binning_y = 2
    healthy.topics["camera_info"].sample = info
    assert names(healthy) == ["nothing-received"]


def test_given_units_and_matrices_are_used(healthy: Observation) -> None:
    set_depth(healthy, "16UC1", 30_000)
    assert names(healthy) == ["depth-range"]
    healthy.config = CameraConfig(depth_scale=0.0001)
    assert names(healthy) == []

    set_info(healthy, d=[0.1, 0.0, 0.0, 0.0, 0.0], p=[80.0, 0, 48, 0, 0, 80, 36, 0, 0, 0, 1, 0])
    assert names(healthy) == ["lens-distortion"]
    healthy.config = CameraConfig(depth_scale=0.0001, intrinsics="P")
    assert names(healthy) == []


TRANSPORT_FAULTS = {
    "reliability": (
        "qos-incompatible",
        lambda seen: setattr(
            seen, "links", [link("/color", "driver", "pose6d_node", BEST_EFFORT, RELIABLE)]
        ),
    ),
    "durability": (
        "qos-incompatible",
        lambda seen: setattr(
            seen, "links", [link("/tracks", "tracker_node", "rviz", RELIABLE, LATCHED)]
        ),
    ),
    "remapped to nothing": (
        "input-unconnected",
        lambda seen: setattr(seen, "unconnected", [("/pose6d_node", "/color/image_raw")]),
    ),
    "compressed alone": ("image-transport", lambda seen: compress(seen, "color", "depth")),
    "compressed colour, raw depth": ("image-transport", lambda seen: compress(seen, "color")),
    "no profile": ("dds-profile", lambda seen: setattr(seen, "environment", {})),
    "profile is gone": (
        "dds-profile",
        lambda seen: setattr(seen, "environment", {PROFILE_VARIABLES[1]: "/nowhere.xml"}),
    ),
    "4000x3000": ("image-too-large", lose_large_images),
    "unwell node": (
        "node-report",
        lambda seen: setattr(seen, "reports", {"/pose6d_node": "unconfigured: no model is set"}),
    ),
}


@pytest.mark.parametrize(
    ("name", "make"),
    [pytest.param(*fault, id=key) for key, fault in (CAMERA_FAULTS | TIMING_FAULTS).items()],
)
def test_a_fault_of_the_camera_has_its_name(
    healthy: Observation, name: str, make: Callable[[Observation], object]
) -> None:
    make(healthy)
    assert names(healthy) == [name]


@pytest.mark.parametrize(
    ("name", "make"), [pytest.param(*fault, id=key) for key, fault in TRANSPORT_FAULTS.items()]
)
def test_a_fault_of_the_transport_has_its_name(
    healthy: Observation, name: str, make: Callable[[Observation], object]
) -> None:
    make(healthy)
    assert set(names(healthy)) - {"nothing-received"} == {name}


def test_what_fits_is_not_found_incompatible(healthy: Observation) -> None:
    healthy.links = [
        link("/color", "driver", "pose6d_node", RELIABLE, BEST_EFFORT),
        link("/info", "driver", "pose6d_node", LATCHED, RELIABLE),
    ]
    assert diagnose(healthy) == []


def test_nodes_that_take_compressed_images_are_well(healthy: Observation) -> None:
    compress(healthy, "color", "depth")
    healthy.links = [
        link(healthy.topics[role].topic, "camera", "pose6d_node", RELIABLE, BEST_EFFORT)
        for role in ("color", "depth")
    ]
    assert diagnose(healthy) == []


@pytest.mark.parametrize(
    ("listened", "published", "advice"),
    [
        ("/image", "/image/compressed", "image_transport:=compressed (launch file)"),
        ("/image/compressedDepth", "/image", "without image_transport:=compressed"),
        ("/image", "/other/compressed", "start the driver"),
    ],
    ids=["compressed alone", "raw alone", "neither"],
)
def test_an_input_that_comes_another_way(
    healthy: Observation, listened: str, published: str, advice: str
) -> None:
    healthy.unconnected = [("/pose6d_node", listened)]
    healthy.published = [published]
    (finding,) = diagnose(healthy)
    assert finding.name == "input-unconnected"
    assert advice in finding.advice


def test_profiles_of_another_middleware_do_not_matter(healthy: Observation) -> None:
    healthy.environment = {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
    assert diagnose(healthy) == []


def model(folder: Path, kind: str, class_names: list[str]) -> Path:
    path = folder / f"{kind}.safetensors"
    save_model(path, kind, {"weight": torch.zeros(1)}, {"class_names": class_names})
    return path


@pytest.mark.parametrize(
    ("name", "kind", "make"),
    [
        ("model-file", "pose", lambda folder: folder / "missing.safetensors"),
        ("model-kind", "pose", lambda folder: model(folder, "segmentation", ["mug"])),
        ("class-list", "pose", lambda folder: model(folder, "pose", ["mug", "teapot"])),
        ("class-list", "segmentation", lambda folder: model(folder, "segmentation", ["person"])),
        ("class-list", "action", lambda folder: model(folder, "action", ["walking"])),
    ],
    ids=[
        "missing file",
        "segmentation given as pose",
        "pose of unknown objects",
        "other objects in the ground truth",
        "no fall",
    ],
)
def test_a_fault_of_a_model_has_its_name(
    healthy: Observation, tmp_path: Path, name: str, kind: str, make: Callable[[Path], Path]
) -> None:
    healthy.models = {**healthy.models, kind: make(tmp_path)}
    assert names(healthy) == [name]


def test_a_fall_class_of_any_name_is_an_alarm_where_the_model_says_so(
    healthy: Observation, tmp_path: Path
) -> None:
    path, metadata = tmp_path / "action.safetensors", {"class_names": ["Fall Down", "walking"]}
    healthy.models = {**healthy.models, "action": path}
    save_model(path, "action", {"weight": torch.zeros(1)}, metadata)
    assert names(healthy) == ["class-list"]
    metadata["alarm_classes"] = ["Fall Down"]
    save_model(path, "action", {"weight": torch.zeros(1)}, metadata)
    assert names(healthy) == []
