# SPDX-License-Identifier: Apache-2.0
"""pose6d_node as a process, over DDS, with small untrained models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from assistant_perception.msg import InstanceDetectionArray, ObjectPoseArray
from ros_graph import (
    DOMAIN_ID,
    FRAME_ID,
    HEIGHT,
    WIDTH,
    RosGraph,
    color_message,
    depth_message,
    header,
    info_message,
    value_of,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from visualization_msgs.msg import Marker, MarkerArray

from perception_kit.networks.model_file import save_model
from perception_kit.resources import package_folder
from perception_kit.ros.from_messages import detections_from_message, poses_from_message
from perception_kit.ros.image import (
    color_image,
    depth_image,
    image_to_array,
)
from perception_kit.ros.intrinsics import picture_intrinsics
from perception_kit.ros.node_processes import NodeGroup, process_environment
from perception_kit.ros.qos import latched_qos
from perception_kit.stamps import stamp_to_ns
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.pose_model_spec import PoseModelSpec
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.segmentation.network import IMAGE_MEAN, IMAGE_STD, build_network
from pose6d_node.segmentation.predictor import Segmenter

pytestmark = pytest.mark.ros
NODE = "pose6d_node"
CLASSES = ["cup", "box"]
MAX_DETECTIONS = 3


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Parameters with untrained models, of which the segmentation finds something in any image."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    network = build_network("compact", len(CLASSES))
    torch.nn.init.constant_(network.roi_heads.mask_predictor.mask_fcn_logits.bias, 5.0)
    metadata = {
        "architecture": "compact",
        "class_names": CLASSES,
        "input_size": [WIDTH, HEIGHT],
        "mean": IMAGE_MEAN,
        "std": IMAGE_STD,
        "descriptor_size": 64,
    }
    path = folder / "segmentation.safetensors"
    save_model(path, "segmentation", network.state_dict(), metadata)

    sizes = [[0.06, 0.06, 0.05], [0.1, 0.1, 0.1]]
    spec = PoseModelSpec(CLASSES, [0.1, 0.2], sizes, [[np.eye(4).tolist()]] * 2)
    PoseModel(spec, torch.rand(2, 1000, 3) * 0.1).save(folder / "pose.safetensors", {})
    return {
        "segmentation_model": str(folder / "segmentation.safetensors"),
        "pose_model": str(folder / "pose.safetensors"),
    }


@pytest.fixture(scope="module")
def group(
    graph: RosGraph, models: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeGroup]:
    parameters = {
        "score_threshold": 0.0,
        "max_detections": MAX_DETECTIONS,
        "min_confidence": 0.0,
        "device": "cpu",
    }
    with graph.start(NODE, models | parameters, tmp_path_factory.mktemp("log")) as group:
        yield group


class Camera:
    """Sends frames and records what the node makes of them."""

    def __init__(self, graph: RosGraph) -> None:
        self.graph = graph
        self.detections: list[InstanceDetectionArray] = graph.record(
            InstanceDetectionArray, f"/{NODE}/detections"
        )
        self.poses: list[ObjectPoseArray] = graph.record(ObjectPoseArray, f"/{NODE}/poses")
        self._color = graph.publisher(Image, "/color/image_raw")
        self._depth = graph.publisher(Image, "/depth/image_raw")
        self._info = graph.publisher(CameraInfo, "/color/camera_info")

    def send(self, color: Image | None, depth: Image | None, info: CameraInfo | None) -> None:
        self.detections.clear()
        self.poses.clear()
        for publisher, message in ((self._info, info), (self._depth, depth), (self._color, color)):
            if message is not None:
                publisher.publish(message)

    def send_good(self, stamp_ns: int) -> tuple[InstanceDetectionArray, ObjectPoseArray]:
        """The results of a frame in which nothing is wrong; it is sent again where it got lost."""

        def came() -> bool:
            self.send(color_message(stamp_ns), depth_message(stamp_ns), info_message(stamp_ns))
            for _ in range(100):  # a busy machine takes its time
                self.graph.spin(0.1)
                if self.detections and self.poses:
                    return True
            return False

        self.graph.wait(came, f"results of {stamp_ns}")
        assert len(self.detections) == len(self.poses) == 1
        assert self.detections[0].header == self.poses[0].header == header(stamp_ns)
        return self.detections[0], self.poses[0]


@pytest.fixture(scope="module")
def camera(graph: RosGraph, group: NodeGroup) -> Camera:
    return Camera(graph)


def test_results_are_those_of_the_algorithms(camera: Camera, models: dict[str, str]) -> None:
    stamp_ns = 100 * 10**9
    detections, poses = camera.send_good(stamp_ns)
    color, depth = color_message(stamp_ns), depth_message(stamp_ns)
    rgb = color_image(color)
    expected = Segmenter(models["segmentation_model"], "cpu", 0.0, MAX_DETECTIONS)(rgb)
    received = detections_from_message(detections)
    assert detections.header.frame_id == FRAME_ID
    assert (detections.image_width, detections.image_height) == (WIDTH, HEIGHT)
    ids = [detection.detection_id for detection in detections.detections]
    assert ids == list(range(len(expected)))
    assert len(received) == len(expected) > 0
    for got, want in zip(received, expected, strict=True):
        assert (got.class_id, got.class_name) == (want.class_id, want.class_name)
        assert got.mask_origin == want.mask_origin
        assert got.score == pytest.approx(want.score, abs=1e-4)
        np.testing.assert_array_equal(got.mask, want.mask)
        np.testing.assert_allclose(got.box, want.box, atol=0.1)
        np.testing.assert_allclose(got.descriptor, want.descriptor, atol=1e-3)

    intrinsics = picture_intrinsics(info_message(stamp_ns), color)
    estimator = PoseEstimator(models["pose_model"], "cpu", min_confidence=0.0)
    expected_poses = estimator(rgb, depth_image(depth), intrinsics, expected)
    received_poses = poses_from_message(poses)
    indices = [pose.detection_index for pose in received_poses]
    assert indices == [pose.detection_index for pose in expected_poses] != []
    for got, want in zip(received_poses, expected_poses, strict=True):
        np.testing.assert_allclose(got.translation, want.translation, atol=1e-3)
        np.testing.assert_allclose(got.rotation, want.rotation, atol=1e-3)
        np.testing.assert_allclose(got.size, want.size, atol=1e-6)


def test_a_frame_in_which_nothing_is_found_gives_empty_arrays(
    graph: RosGraph, camera: Camera
) -> None:
    assert graph.set_parameter(NODE, "score_threshold", 1.0).successful
    detections, poses = camera.send_good(200 * 10**9)
    assert (detections.detections, poses.poses) == ([], [])
    assert graph.set_parameter(NODE, "score_threshold", 0.0).successful
    assert len(camera.send_good(201 * 10**9)[0].detections) > 0


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("score_threshold", 2.0, "Max: 1.0"),
        ("refine_iterations", -1, "Min: 0"),
        ("device", "cuda:7", "clean the node up first"),
    ],
)
def test_a_parameter_change_that_is_refused_says_why(
    graph: RosGraph, camera: Camera, name: str, value: object, reason: str
) -> None:
    result = graph.set_parameter(NODE, name, value)
    assert not result.successful
    assert reason in result.reason


def shortened(message: Image) -> Image:
    message.data = message.data[:1000]
    return message


@pytest.mark.parametrize(
    ("depth", "info", "reason"),
    [
        (
            lambda stamp: renamed(depth_message(stamp), "8UC3"),
            info_message,
            "depth encoding '8UC3' has no known unit",
        ),
        (
            lambda stamp: depth_message(stamp, width=48),
            info_message,
            "depth image is 48x72, colour image 96x72",
        ),
        (
            lambda stamp: depth_message(stamp, "32FC1", np.nan),
            info_message,
            "depth image has no valid pixel",
        ),
        (
            lambda stamp: shortened(depth_message(stamp)),
            info_message,
            "holds 1000 bytes of data, expected step * height = 192 * 72",
        ),
        (
            depth_message,
            lambda stamp: info_message(stamp, fx=0.0),
            "focal lengths must be positive, got fx=0.0",
        ),
    ],
    ids=["unknown encoding", "other size", "all NaN", "short data", "fx is 0"],
)
def test_bad_depth_gives_detections_but_no_poses(
    graph: RosGraph,
    camera: Camera,
    depth: Callable[[int], Image],
    info: Callable[[int], CameraInfo],
    reason: str,
) -> None:
    stamp_ns = camera_time(graph)
    camera.send(color_message(stamp_ns), depth(stamp_ns), info(stamp_ns))
    graph.problem(reason)
    graph.wait(lambda: camera.detections, "the detections, which may come after the diagnostics")
    assert [array.header for array in camera.detections] == [header(stamp_ns)]
    assert camera.poses == []
    camera.send_good(stamp_ns + 10**8)


def renamed(message: Image, encoding: str) -> Image:
    message.encoding = encoding
    return message


def camera_time(graph: RosGraph) -> int:
    """A stamp that grows from call to call."""
    return graph.node.get_clock().now().nanoseconds


def test_a_color_image_that_is_cut_short_gives_no_result(graph: RosGraph, camera: Camera) -> None:
    def send_shortened() -> None:
        stamp_ns = camera_time(graph)
        color = shortened(color_message(stamp_ns))
        camera.send(color, depth_message(stamp_ns), info_message(stamp_ns))
        graph.spin(0.1)

    graph.background = send_shortened
    graph.problem("96x72 rgb8 image holds 1000 bytes of data")
    graph.background = None
    assert camera.detections == []
    camera.send_good(camera_time(graph))


def restart(graph: RosGraph) -> None:
    """Let the node forget all that it has received."""
    assert graph.change_state(NODE, "deactivate")
    assert graph.change_state(NODE, "activate")
    graph.wait(lambda: graph.node.count_subscribers("/color/image_raw"), "the node's inputs")
    graph.spin(0.5)


def test_the_watchdog_names_a_missing_input(graph: RosGraph, camera: Camera) -> None:
    restart(graph)
    for _ in range(2):
        stamp_ns = camera_time(graph)
        camera.send(color_message(stamp_ns), depth_message(stamp_ns), None)
        graph.spin(1.0)
    status = graph.problem("nothing received on '/color/camera_info' (1 publisher)")
    assert "'/depth" not in status.message
    assert camera.detections == []
    restart(graph)
    camera.send_good(camera_time(graph))


def send_until_processed(graph: RosGraph, camera: Camera) -> int:
    """Colour and depth of later and later stamps; returns the stamp that has results."""

    def sent() -> bool:
        stamp_ns = camera_time(graph)
        camera.send(color_message(stamp_ns), depth_message(stamp_ns), None)
        graph.spin(0.5)
        return bool(camera.detections and camera.poses)

    graph.wait(sent, "results without new camera information")
    return camera.poses[0].header.stamp.sec


def test_camera_information_holds_until_the_next(graph: RosGraph, camera: Camera) -> None:
    restart(graph)
    camera._info.publish(info_message(5))
    send_until_processed(graph, camera)
    camera.send_good(camera_time(graph))


def test_camera_information_from_before_the_node_is_received(
    graph: RosGraph, camera: Camera
) -> None:
    latched = graph.node.create_publisher(CameraInfo, "/color/camera_info", latched_qos())
    latched.publish(info_message(5))
    restart(graph)
    send_until_processed(graph, camera)
    graph.node.destroy_publisher(latched)
    camera.send_good(camera_time(graph))


def test_the_watchdog_says_that_depth_arrives_late(graph: RosGraph, camera: Camera) -> None:
    stamps: list[int] = []

    def send_until_told() -> bool:
        stamps.append(camera_time(graph))
        camera.send(color_message(stamps[-1]), None, info_message(stamps[-1]))
        if len(stamps) > 6:  # 3 s later
            camera._depth.publish(depth_message(stamps[-7]))
        graph.spin(0.5)
        return any(
            "'depth' arrives" in status.message and "is kept for 2 s" in status.message
            for status in graph._diagnostics
        )

    graph._diagnostics.clear()
    graph.wait(send_until_told, "diagnostics that say how late depth is")
    camera.send_good(camera_time(graph))


def test_depth_by_which_objects_are_too_large_is_told_until_its_unit_is_set(
    graph: RosGraph, camera: Camera
) -> None:
    """What the untrained network finds on a wall at 0.8 m is larger than any of its objects."""

    def send_until(told: bool) -> None:
        def sent() -> bool:
            camera.send_good(camera_time(graph))
            messages = [status.message for status in graph._diagnostics]
            return bool(messages) and ("times too large" in messages[-1]) == told

        graph._diagnostics.clear()
        graph.wait(sent, f"diagnostics in which a wrong unit is told: {told}")

    send_until(told=True)
    assert graph.set_parameter(NODE, "depth_scale", 0.0003).successful
    send_until(told=False)
    assert graph.set_parameter(NODE, "depth_scale", 0.0).successful


def test_the_watchdog_says_that_images_are_too_large(graph: RosGraph, camera: Camera) -> None:
    for _ in range(2):
        info = info_message(camera_time(graph))
        info.width, info.height = 4000, 3000
        camera._info.publish(info)
        graph.spin(1.0)
    status = graph.problem(
        "images of about 34 MiB do not fit into Fast DDS's shared memory of 32 MiB"
    )
    assert "nothing received on '/color/image_raw' (1 publisher)" in status.message
    camera.send_good(camera_time(graph))


def test_the_watchdog_names_the_gap_between_stamps(graph: RosGraph, camera: Camera) -> None:
    def send_until_told() -> bool:
        stamp_ns = camera_time(graph)
        camera.send(
            color_message(stamp_ns), depth_message(stamp_ns - 50_000_000), info_message(stamp_ns)
        )
        graph.spin(0.5)
        return any("0.050 s for 'depth'" in status.message for status in graph._diagnostics)

    graph._diagnostics.clear()
    graph.wait(send_until_told, "diagnostics that name the gap")
    camera.send_good(camera_time(graph))


def test_stamps_that_go_back_are_told_and_processed(graph: RosGraph, camera: Camera) -> None:
    now_ns = camera_time(graph)
    camera.send_good(now_ns)
    for number in range(2):
        stamp_ns = now_ns - 3 * 10**9 + number
        camera.send(color_message(stamp_ns), depth_message(stamp_ns), info_message(stamp_ns))
    camera.send_good(now_ns - 3 * 10**9 + 2)
    graph.problem("went back by 3.000 s")


def test_overlay_and_markers_are_made_for_subscribers(graph: RosGraph, camera: Camera) -> None:
    overlays = graph.record(Image, f"/{NODE}/overlay")
    markers = graph.record(MarkerArray, f"/{NODE}/markers")
    stamp_ns = camera_time(graph)

    def sent() -> bool:  # the node learns of a new subscriber a moment later
        camera.send_good(stamp_ns)
        return bool(overlays and any(array.markers[0].action == Marker.ADD for array in markers))

    while not sent():
        stamp_ns += 10**8

    picture = image_to_array(overlays[-1])
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert not np.array_equal(picture, color_image(color_message(stamp_ns)))
    assert all(
        marker.lifetime.sec + marker.lifetime.nanosec > 0
        for array in markers
        for marker in array.markers
        if marker.action == Marker.ADD
    )


def set_transport(graph: RosGraph, transport: str) -> None:
    """Configure the node anew, for images that come so."""
    assert graph.change_state(NODE, "deactivate")
    assert graph.change_state(NODE, "cleanup")
    assert graph.set_parameter(NODE, "image_transport", transport).successful
    assert graph.change_state(NODE, "configure")
    assert graph.change_state(NODE, "activate")


def compressed(message: Image, form: str, header_bytes: int = 0) -> CompressedImage:
    """The image as a PNG, red last, behind the header of compressedDepth."""
    pixels = image_to_array(message)
    picture = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    data = bytes(header_bytes) + cv2.imencode(".png", picture)[1].tobytes()
    return CompressedImage(header=message.header, format=form, data=array("B", data))


def test_compressed_images_give_the_same_results(graph: RosGraph, camera: Camera) -> None:
    expected = camera.send_good(camera_time(graph))
    set_transport(graph, "compressed")
    color = graph.publisher(CompressedImage, "/color/image_raw/compressed")
    depth = graph.publisher(CompressedImage, "/depth/image_raw/compressedDepth")

    def send(is_damaged: bool) -> None:
        stamp_ns = camera_time(graph)
        camera.send(color=None, depth=None, info=info_message(stamp_ns))
        message = compressed(depth_message(stamp_ns), "16UC1; compressedDepth png", 12)
        if is_damaged:
            message.data = message.data[:40]
        depth.publish(message)
        color.publish(compressed(color_message(stamp_ns), "rgb8; png compressed bgr8"))

    def sent() -> bool:
        send(is_damaged=False)
        for _ in range(20):  # a busy machine takes its time
            graph.spin(0.5)
            if camera.detections and camera.poses:
                return True
        return False

    graph.wait(sent, "results of compressed images")
    assert camera.detections[-1].detections == expected[0].detections
    assert len(camera.poses[-1].poses) == len(expected[1].poses)

    send(is_damaged=True)
    graph.problem("no poses: '/depth/image_raw/compressedDepth' holds 28 bytes of format")
    graph.wait(lambda: camera.detections, "the detections without depth")
    assert camera.poses == []
    set_transport(graph, "raw")


def test_life_cycle_and_diagnostics(
    graph: RosGraph, camera: Camera, models: dict[str, str]
) -> None:
    camera.send_good(camera_time(graph))
    status = graph.status(
        lambda status: value_of(status, "state") == "active", "diagnostics of the active node"
    )
    assert status.hardware_id == "cpu"
    assert value_of(status, "segmentation_model") == models["segmentation_model"]
    for stage in ("segmentation", "pose", "receive_to_done"):
        longest = float(value_of(status, f"latency_ms/{stage} max"))
        assert longest >= float(value_of(status, f"latency_ms/{stage} p50")) > 0

    assert graph.change_state(NODE, "deactivate")
    messages = [make(camera_time(graph)) for make in (color_message, depth_message, info_message)]
    camera.send(*messages)
    graph.spin(0.5)
    assert camera.detections == []

    # Without a pose model the node does not promise poses.
    assert graph.change_state(NODE, "cleanup")
    assert graph.set_parameter(NODE, "pose_model", "").successful
    assert graph.change_state(NODE, "configure")
    assert graph.change_state(NODE, "activate")
    assert graph.node.count_publishers(f"/{NODE}/poses") == 0


def test_sigterm_ends_the_node_cleanly(graph: RosGraph, camera: Camera, group: NodeGroup) -> None:
    group.processes[NODE].send_signal(signal.SIGTERM)
    graph.wait(lambda: group.poll()[NODE] is not None, "the end of the node")
    assert group.stop() == {NODE: 0}
    assert "Traceback" not in Path(group.log_path(NODE)).read_text()


def test_without_a_usable_model_the_node_stays_unconfigured(
    graph: RosGraph, models: dict[str, str], tmp_path: Path
) -> None:
    text_file = tmp_path / "notes.safetensors"
    text_file.write_text("not a model")
    parameters = {"segmentation_model": "", "pose_model": "", "device": "cpu"}
    with graph.start(NODE, parameters, tmp_path) as group:
        status = graph.problem("set the parameter 'segmentation_model'")
        assert status.level == status.ERROR
        assert graph.state(NODE) == "unconfigured"
        assert graph.set_parameter(NODE, "segmentation_model", str(text_file)).successful
        assert not graph.change_state(NODE, "configure")
        graph.problem("is not a safetensors model file")

        usable = models["segmentation_model"]
        assert graph.set_parameter(NODE, "segmentation_model", usable).successful
        assert graph.change_state(NODE, "configure")
        assert graph.state(NODE) == "inactive"
        assert group.stop() == {NODE: 0}


def test_one_process_serves_several_cameras(
    graph: RosGraph, models: dict[str, str], tmp_path: Path
) -> None:
    config = package_folder() / "config" / "pose6d_node.yaml"
    parameters = models | {"score_threshold": 0.0, "input_reliability": "reliable"}
    rules = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    sides = {"left": 100 * 10**9, "right": 700 * 10**9}
    command = [sys.executable, "-m", "pose6d_node.node", "--namespaces", *map("/{}".format, sides)]
    command += ["--ros-args", "--params-file", str(config), *rules]
    environment = os.environ | process_environment() | {"ROS_DOMAIN_ID": str(DOMAIN_ID)}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    with NodeGroup({NODE: process}, None):
        found: dict[str, list[InstanceDetectionArray]] = {}
        publishers = {}
        for side in sides:
            found[side] = graph.record(InstanceDetectionArray, f"/{side}/{NODE}/detections")
            for kind, topic in ((CameraInfo, "color/camera_info"), (Image, "depth/image_raw")):
                publishers[side, topic] = graph.publisher(kind, f"/{side}/{topic}")
            publishers[side, "color"] = graph.publisher(Image, f"/{side}/color/image_raw")

        # The nodes may not have found who listens to their first results.
        numbers = count()

        def send() -> None:
            if (number := next(numbers)) % 20:
                return
            for side, start_ns in sides.items():
                stamp_ns = start_ns + number * 10**7
                publishers[side, "color/camera_info"].publish(info_message(stamp_ns))
                publishers[side, "depth/image_raw"].publish(depth_message(stamp_ns))
                publishers[side, "color"].publish(color_message(stamp_ns))

        graph.background = send
        graph.wait(lambda: all(found.values()), "detections of both cameras")
        graph.background = None
    for side, start_ns in sides.items():
        detections = found[side][0]
        assert 0 <= stamp_to_ns(detections.header.stamp) - start_ns < 300 * 10**9, "its own"
        assert len(detections.detections) > 0
