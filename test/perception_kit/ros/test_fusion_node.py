# SPDX-License-Identifier: Apache-2.0
"""fusion_node over DDS: two cameras with the same nodes, TF by a stand-in for ``tf2_ros``."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from assistant_perception.msg import FusedTrackArray, InstanceDetectionArray, TrackArray
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.parameter import Parameter
from rclpy.time import Time
from ros_graph import RosGraph, depth_message, header, info_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from perception_kit.ros import camera_motion, fusion_node
from perception_kit.ros.fusion_node import FusionNode
from perception_kit.ros.image import image_to_array
from perception_kit.ros.to_messages import detections_to_message, tracks_to_message
from perception_kit.types import Instance, TrackEstimate, TrackState

pytestmark = pytest.mark.ros
SECOND = 10**9
PLACES = {"left": (0.0, 0.0, 0.0), "right": (0.5, 0.0, 0.0)}
"""Of the cameras in the common frame, whose axes are theirs."""
BOX = np.array([40, 20, 60, 50], np.float32)
STILL = np.zeros(4, np.float32)


class UnknownTransform(Exception):
    """Stands for ``tf2_ros.TransformException``."""


class FakeBuffer:
    """Knows where the cameras are, but those in ``lost``."""

    lost: ClassVar[set[str]] = set()
    moved: ClassVar[dict[str, float]] = {}

    def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
        if target != "map" or source in self.lost:
            raise UnknownTransform(f"'{source}' is not known in '{target}'")
        x, y, z = PLACES[source]
        x += self.moved.get(source, 0.0)
        transform = Transform(translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(w=1.0))
        return TransformStamped(transform=transform)


def cup(track_id: int, x: float) -> TrackEstimate:
    """A cup with a pose, at ``x`` of the camera."""
    track = TrackEstimate(track_id, 1, "cup", TrackState.CONFIRMED, 0.9, 5, 5, 0.0, 0, BOX, STILL)
    track.position, track.velocity = np.array([x, 0.0, 1.0]), np.zeros(3)
    return track


class Cameras:
    """Sends the tracks of a camera, and waits for the identities after them."""

    def __init__(self, graph: RosGraph, node: FusionNode) -> None:
        self.graph, self.node = graph, node
        self.fused: list[FusedTrackArray] = graph.record(FusedTrackArray, "/fusion_node/tracks")
        self.tracks = {
            name: graph.publisher(TrackArray, f"/{name}/tracker_node/tracks") for name in PLACES
        }

    def send(self, camera: str, stamp_ns: int, *tracks: TrackEstimate) -> FusedTrackArray:
        self.fused.clear()
        message = tracks_to_message(tracks, header(stamp_ns))
        message.header.frame_id = camera
        self.tracks[camera].publish(message)
        (fused,) = self.graph.wait(lambda: list(self.fused), f"identities after {camera}")
        assert (fused.camera, fused.header.frame_id) == (camera, "map")
        assert fused.header.stamp == message.header.stamp
        return fused

    @contextmanager
    def sending(self, camera: str, stamp_ns: int, *tracks: TrackEstimate) -> Iterator[None]:
        """Send one frame again and again, each after the answer to the one before.

        What the node says of a frame holds for seconds, which a busy machine may miss.
        """
        message = tracks_to_message(tracks, header(stamp_ns))
        message.header.frame_id = camera
        sent = 0
        self.fused.clear()

        def send_next() -> None:
            nonlocal sent
            if len(self.fused) == sent:
                self.tracks[camera].publish(message)
                sent += 1

        self.graph.background = send_next
        yield
        self.graph.background = None
        self.graph.wait(lambda: len(self.fused) == sent, f"the last answer to {camera}")


@pytest.fixture
def cameras(
    graph: RosGraph, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Cameras]:
    """With the parameters that a test may give by its mark."""
    fakes = {
        "Buffer": FakeBuffer,
        "TransformListener": lambda buffer, node: None,
        "TransformException": UnknownTransform,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(camera_motion, name, fake, raising=False)
    given = getattr(request, "param", {})
    # A busy machine takes seconds from one frame to the next.
    own = {"tf_wait": 0.05, "max_clock_difference": 60.0, **given}
    values = {"cameras": list(PLACES), "fixed_frame": "map", **own}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = FusionNode(context=graph.node.context, parameter_overrides=overrides)
    graph.node.executor.add_node(node)
    yield Cameras(graph, node)
    FakeBuffer.lost = set()
    FakeBuffer.moved = {}
    graph.node.executor.remove_node(node)
    node.destroy_node()


def test_two_cameras_share_identities_and_each_goes_on_alone(cameras: Cameras) -> None:
    # An object that both see
    stamp = 100 * SECOND
    (left,) = cameras.send("left", stamp, cup(3, 0.5)).tracks
    (both,) = cameras.send("right", stamp, cup(8, 0.02)).tracks
    assert (left.id, list(left.cameras), list(left.track_ids)) == (1, ["left"], [3])
    assert (both.id, list(both.cameras), list(both.track_ids)) == (1, ["left", "right"], [3, 8])
    assert (both.class_name, both.has_position, both.has_orientation) == ("cup", True, False)
    assert both.pose.pose.position.x == pytest.approx(0.51, abs=0.01)

    # A camera whose TF is not known is alone, by name; the other goes on.
    FakeBuffer.lost = {"right"}
    alone = cameras.send("right", stamp + SECOND // 10, cup(8, 0.02), cup(9, 0.4))
    with cameras.sending("right", stamp + SECOND // 10, cup(8, 0.02)):
        cameras.graph.problem("'right' goes on alone: TF: 'right' is not known")
    assert list(alone.alone) == ["right"]
    assert "'right' is not known in 'map'" in alone.reasons[0]
    assert [track.id for track in alone.tracks] == [1]
    after = cameras.send("left", stamp + SECOND // 10, cup(3, 0.5), cup(4, 0.9))
    assert [(track.id, list(track.cameras)) for track in after.tracks] == [
        (1, ["left", "right"]),
        (2, ["left"]),
    ]

    # Its place is known again: what it has followed meanwhile is what the other sees there.
    FakeBuffer.lost = set()
    again = cameras.send("right", stamp + SECOND // 5, cup(8, 0.02), cup(9, 0.4))
    assert list(again.alone) == []
    assert [list(track.track_ids) for track in again.tracks] == [[3, 8], [4, 9]]

    # Another clock, and a recording that starts again
    strange = cameras.send("right", stamp + 900 * SECOND, cup(8, 0.02))
    assert "the stamps of 'right' are" in strange.reasons[0]
    first = cameras.send("left", stamp - 50 * SECOND, cup(1, 0.5))
    assert [track.id for track in first.tracks] == [1]
    assert list(first.tracks[0].cameras) == ["left"]


@pytest.mark.parametrize("cameras", [{"tf_wait": 5.0}], indirect=True)
def test_tracks_wait_for_late_tf_while_the_other_camera_goes_on(cameras: Cameras) -> None:
    FakeBuffer.lost = {"left"}
    stamp = 300 * SECOND
    message = tracks_to_message([cup(3, 0.5)], header(stamp))
    message.header.frame_id = "left"
    cameras.tracks["left"].publish(message)
    cameras.graph.wait(lambda: cameras.node.inputs["left"].last_arrival_ns, "tracks of left")
    (right,) = cameras.send("right", stamp, cup(8, 0.02)).tracks
    assert list(right.cameras) == ["right"]

    cameras.fused.clear()
    FakeBuffer.lost = set()
    (late,) = cameras.graph.wait(lambda: list(cameras.fused), "the frame that waited")
    assert (late.camera, list(late.alone)) == ("left", [])
    (both,) = late.tracks
    assert set(both.cameras) == {"left", "right"}


def test_a_camera_that_jumps_is_alone_for_a_frame(cameras: Cameras) -> None:
    stamp = 400 * SECOND
    cameras.send("left", stamp, cup(3, 0.5))
    cameras.send("right", stamp, cup(8, 0.02))
    FakeBuffer.moved = {"right": 2.0}
    jumped = cameras.send("right", stamp + SECOND // 10, cup(8, 0.02))
    assert list(jumped.alone) == ["right"]
    assert "TF of 'right' jumps by 2.00 m" in jumped.reasons[0]
    with cameras.sending("right", stamp + SECOND // 10, cup(8, 0.02)):
        cameras.graph.problem("'right' goes on alone: TF of 'right' jumps")
    assert cameras.send("left", stamp + SECOND // 10, cup(3, 0.5)).tracks[0].track_ids[0] == 3
    assert list(cameras.send("right", stamp + SECOND // 5, cup(8, 0.02)).alone) == []


def test_a_clock_an_hour_ahead_costs_the_others_nothing(cameras: Cameras) -> None:
    """It is the reason that is named, not that TF knows no such time."""
    stamp, hour = 500 * SECOND, 3600 * SECOND
    cameras.send("left", stamp, cup(3, 0.5))
    cameras.send("left", stamp + SECOND // 10)  # out of view
    FakeBuffer.lost = {"right"}
    for number in range(3):
        strange = cameras.send("right", stamp + hour + number * SECOND // 10, cup(8, 0.02))
    assert list(strange.alone) == ["right"]
    assert re.search(r"the stamps of 'right' are 3[56]\d\d\.\d s ahead", strange.reasons[0])
    known = cameras.send("left", stamp + SECOND // 2, cup(4, 0.5))
    again = cameras.send("left", stamp + 2 * SECOND, cup(4, 0.5))
    of_left = [
        track for frame in (known, again) for track in frame.tracks if "left" in track.cameras
    ]
    assert {track.id for track in of_left} == {1}, "what left the view is still known"


def test_cameras_that_see_nothing_in_common_and_those_that_are_missing_are_named(
    cameras: Cameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras.send("left", 600 * SECOND, cup(3, 0.5))
    cameras.graph.problem("'right': nothing received on '/right/tracker_node/tracks'")
    monkeypatch.setattr(fusion_node, "_NO_OVERLAP_NS", 0)
    monkeypatch.setattr(fusion_node, "_SILENT_NS", 1000 * SECOND)
    apart = cameras.send("right", 600 * SECOND, cup(8, -2.0))
    assert all(len(track.cameras) == 1 for track in apart.tracks)
    assert list(apart.alone) == []
    cameras.graph.problem("active; seen by two cameras: nothing for")


def compressed_depth(stamp_ns: int) -> CompressedImage:
    """A depth image as compressedDepth's PNG, behind its header."""
    message = depth_message(stamp_ns)
    png = cv2.imencode(".png", image_to_array(message))[1].tobytes()
    data = array("B", bytes(12) + png)
    return CompressedImage(header=message.header, format="16UC1; compressedDepth png", data=data)


@pytest.mark.parametrize(
    ("cameras", "depth"),
    [
        ({}, (Image, "image_raw", depth_message)),
        (
            {"image_transport": "compressed"},
            (CompressedImage, "image_raw/compressedDepth", compressed_depth),
        ),
    ],
    ids=["raw", "compressed"],
    indirect=["cameras"],
)
def test_people_have_places_by_depth(
    cameras: Cameras, depth: tuple[type, str, Callable[[int], Any]]
) -> None:
    graph, person_id = cameras.graph, {}
    depth_type, topic, make_depth = depth
    detections = {
        name: graph.publisher(InstanceDetectionArray, f"/{name}/pose6d_node/detections")
        for name in PLACES
    }
    depths = {name: graph.publisher(depth_type, f"/{name}/depth/{topic}") for name in PLACES}
    infos = {name: graph.publisher(CameraInfo, f"/{name}/color/camera_info") for name in PLACES}
    person = Instance(9, "person", 0.9, BOX, np.ones((30, 20), bool), (40, 20))
    track = TrackEstimate(5, 9, "person", TrackState.CONFIRMED, 0.9, 5, 5, 0.0, 0, BOX, STILL)
    for number in range(10):
        for name in PLACES:
            stamp = 200 * SECOND + number * SECOND // 10
            detections[name].publish(detections_to_message([person], header(stamp), 96, 72))
            depths[name].publish(make_depth(stamp))
            infos[name].publish(info_message(stamp))
            graph.spin(0.05)
            fused = cameras.send(name, stamp, track)
            person_id[name] = [entry.id for entry in fused.tracks if name in entry.cameras]
    (person_track,) = fused.tracks
    assert person_id == {"left": [1], "right": [1]}
    assert list(person_track.cameras) == ["left", "right"]
    assert person_track.has_position
