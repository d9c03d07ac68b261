# SPDX-License-Identifier: Apache-2.0
"""tracker_node as a process, over DDS."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from assistant_perception.msg import InstanceDetectionArray, ObjectPoseArray, TrackArray
from rclpy.node import Node
from ros_graph import FRAME_ID, RosGraph, header, value_of
from visualization_msgs.msg import Marker, MarkerArray

from perception_kit.ros.node_processes import NodeGroup
from perception_kit.ros.qos import result_qos
from perception_kit.ros.to_messages import detections_to_message, poses_to_message
from perception_kit.types import Instance, PoseEstimate, TrackState

pytestmark = pytest.mark.ros
NODE = "tracker_node"
FRAME_NS = 33_333_333


def cup(x: float) -> Instance:
    """A detected cup whose box starts at ``x``."""
    box = np.array([x, 20, x + 20, 50], np.float32)
    return Instance(
        1, "cup", 0.9, box, np.ones((30, 20), bool), (int(x), 20), np.eye(4, dtype=np.float32)[0]
    )


def cup_pose(z: float) -> PoseEstimate:
    """Pose of the first detection."""
    return PoseEstimate(
        0, 1, "cup", np.eye(3), np.array([0.1, 0.0, z]), 0.9, np.array([0.08, 0.08, 0.1])
    )


class Camera:
    """Sends detections and poses, and waits for the tracks of the same stamp."""

    def __init__(self, graph: RosGraph) -> None:
        self._graph = graph
        self.tracks: list[TrackArray] = graph.record(TrackArray, f"/{NODE}/tracks")
        self.detections = graph.publisher(InstanceDetectionArray, "/pose6d_node/detections")
        self.poses = graph.publisher(ObjectPoseArray, "/pose6d_node/poses")

    def send(
        self, stamp_ns: int, instances: list[Instance], poses: list[PoseEstimate] | None = None
    ) -> TrackArray:
        self.tracks.clear()
        self.detections.publish(detections_to_message(instances, header(stamp_ns), 96, 72))
        response = self.response(f"tracks of {stamp_ns}")
        assert response.header == header(stamp_ns)
        if poses is not None:
            self.poses.publish(poses_to_message(poses, header(stamp_ns)))
        return response

    def response(self, what: str) -> TrackArray:
        (response,) = self._graph.wait(lambda: list(self.tracks), what)
        return response


@pytest.fixture(scope="module")
def group(graph: RosGraph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeGroup]:
    with graph.start(NODE, {}, tmp_path_factory.mktemp("log")) as group:
        yield group


@pytest.fixture(scope="module")
def camera(graph: RosGraph, group: NodeGroup) -> Camera:
    return Camera(graph)


def test_tracks_carry_values_header_and_late_poses(graph: RosGraph, camera: Camera) -> None:
    start = 100 * 10**9
    for number in range(6):
        response = camera.send(
            start + number * FRAME_NS, [cup(10 + number)], [cup_pose(0.5 + 0.01 * number)]
        )
        graph.spin(0.1)  # the poses arrive
    (track,) = response.tracks
    assert response.header.frame_id == FRAME_ID
    assert (track.id, track.class_id, track.class_name) == (1, 1, "cup")
    assert track.state == TrackState.CONFIRMED
    assert (track.age, track.hits, track.detection_id, track.time_since_update) == (6, 6, 0, 0.0)
    np.testing.assert_allclose(track.box, cup(15).box, atol=1.0)
    assert track.box_velocity[0] == pytest.approx(30, abs=10)
    assert track.has_position
    assert track.pose.pose.position.z == pytest.approx(0.55, abs=0.02)
    assert track.twist.twist.linear.z == pytest.approx(0.3, abs=0.15)
    assert track.has_orientation
    assert track.pose.pose.orientation.w == pytest.approx(1.0, abs=1e-3)
    assert np.count_nonzero(np.diag(np.reshape(track.pose.covariance, (6, 6)))) == 6
    assert np.count_nonzero(np.diag(np.reshape(track.twist.covariance, (6, 6)))) == 6


def test_a_frame_without_detections_steps_the_tracks(camera: Camera) -> None:
    start = 200 * 10**9
    for number in range(4):
        camera.send(start + number * FRAME_NS, [cup(10)])
    (track,) = camera.send(start + 4 * FRAME_NS, []).tracks
    assert (track.state, track.detection_id) == (TrackState.LOST, -1)
    assert track.time_since_update == pytest.approx(FRAME_NS * 1e-9)
    assert camera.send(start + 10**10, []).tracks == []


def deletions(arrays: list[MarkerArray]) -> list[Marker]:
    """The markers that remove all others."""
    markers = (marker for array in arrays for marker in array.markers)
    return [marker for marker in markers if marker.action == Marker.DELETEALL]


def test_stamps_that_go_back_start_over(graph: RosGraph, camera: Camera) -> None:
    markers = graph.record(MarkerArray, f"/{NODE}/markers")
    camera.send(300 * 10**9, [cup(10)])
    for number in range(2):
        stamp_ns = 295 * 10**9 + number * FRAME_NS
        camera.detections.publish(detections_to_message([cup(50)], header(stamp_ns), 96, 72))
    response = camera.send(295 * 10**9 + 2 * FRAME_NS, [cup(50)])
    assert [track.id for track in response.tracks] == [1]
    graph.wait(lambda: deletions(markers), "markers that are deleted")
    graph.problem("went back by 4.933 s")


def test_one_frame_of_another_clock_does_not_cost_the_tracks(camera: Camera) -> None:
    start = 320 * 10**9
    for number in range(4):
        before = camera.send(start + number * FRAME_NS, [cup(10)])
    for stray_ns in (17 * 10**9, 2_000_000_000 * 10**9):
        camera.detections.publish(detections_to_message([cup(50)], header(stray_ns), 96, 72))
    after = camera.send(start + 4 * FRAME_NS, [cup(10)])
    assert [track.id for track in after.tracks] == [track.id for track in before.tracks]


def test_two_publishers_on_one_input_are_named(graph: RosGraph, camera: Camera) -> None:
    other = Node("second_detector", context=graph.node.context)
    publisher = other.create_publisher(
        InstanceDetectionArray, "/pose6d_node/detections", result_qos()
    )
    graph.problem("2 publishers on '/pose6d_node/detections': /second_detector, /test")
    other.destroy_publisher(publisher)
    other.destroy_node()


def test_a_frame_that_was_overtaken_is_dropped(graph: RosGraph, camera: Camera) -> None:
    start = 350 * 10**9
    before = camera.send(start, [cup(10)]).tracks[0].id
    camera.detections.publish(detections_to_message([cup(50)], header(start - FRAME_NS), 96, 72))
    graph.problem("after a newer one is dropped")
    assert camera.send(start + FRAME_NS, [cup(10)]).tracks[0].id == before


def test_a_parameter_changes_at_run_time_or_says_why_not(graph: RosGraph, camera: Camera) -> None:
    assert graph.set_parameter(NODE, "n_init", 1).successful
    assert camera.send(400 * 10**9, [cup(10)]).tracks[0].state == TrackState.CONFIRMED
    assert graph.set_parameter(NODE, "n_init", 3).successful
    refused = graph.set_parameter(NODE, "max_iou_distance", 1.5)
    assert not refused.successful
    assert "1.5" in refused.reason


def test_a_parameter_that_forgets_the_tracks_removes_their_markers(
    graph: RosGraph, camera: Camera
) -> None:
    markers = graph.record(MarkerArray, f"/{NODE}/markers")
    camera.send(450 * 10**9, [cup(10)])
    assert graph.set_parameter(NODE, "gallery_size", 50).successful
    assert [track.id for track in camera.send(450 * 10**9 + FRAME_NS, [cup(10)]).tracks] == [1]
    graph.wait(lambda: deletions(markers), "markers that are deleted")


def test_poses_that_arrive_before_their_detections_wait_for_them(
    graph: RosGraph, camera: Camera
) -> None:
    start = 500 * 10**9
    camera.poses.publish(poses_to_message([cup_pose(0.7)], header(start)))
    graph.spin(0.3)
    (track,) = camera.send(start, [cup(10)]).tracks
    assert track.pose.pose.position.z == pytest.approx(0.7, abs=0.01)


def test_a_damaged_pose_costs_no_other(graph: RosGraph, camera: Camera) -> None:
    start = 550 * 10**9
    message = poses_to_message(
        [cup_pose(0.7), replace(cup_pose(0.9), detection_index=1)], header(start)
    )
    message.poses[0].pose.orientation.w = 0.0
    camera.poses.publish(message)
    graph.spin(0.3)
    damaged, whole = camera.send(start, [cup(10), cup(60)]).tracks
    assert not damaged.has_position
    assert whole.pose.pose.position.z == pytest.approx(0.9, abs=0.01)
    status = graph.status(lambda status: status.name == f"/{NODE}: perception", "diagnostics")
    assert "pose 0: rotation is not" in value_of(status, "poses_not_used")


def test_a_fixed_frame_needs_tf2(graph: RosGraph, camera: Camera) -> None:
    if find_spec("tf2_ros") is not None:
        pytest.skip("tf2_ros is installed")
    assert graph.set_parameter(NODE, "fixed_frame", "odom").successful
    assert len(camera.send(560 * 10**9, [cup(10)]).tracks) == 1
    graph.problem("needs tf2_ros")
    assert graph.set_parameter(NODE, "fixed_frame", "").successful
    assert len(camera.send(570 * 10**9, [cup(10)]).tracks) == 1


def test_a_damaged_mask_does_not_matter(camera: Camera) -> None:
    message = detections_to_message([cup(10)], header(600 * 10**9), 96, 72)
    message.detections[0].mask = message.detections[0].mask[:7]
    camera.tracks.clear()
    camera.detections.publish(message)
    assert len(camera.response("tracks of a detection with half a mask").tracks) == 1


def test_an_unusable_detection_is_named_and_costs_no_other(graph: RosGraph, camera: Camera) -> None:
    bad = replace(cup(10), box=np.full(4, np.nan, np.float32))
    (track,) = camera.send(610 * 10**9, [bad, cup(60)]).tracks
    assert track.detection_id == 1
    graph.problem("detections not used: detection 0: box")


def test_diagnostics_show_rates_and_latency(graph: RosGraph, camera: Camera) -> None:
    camera.send(700 * 10**9, [cup(10)])
    status = graph.status(lambda status: status.name == f"/{NODE}: perception", "diagnostics")
    assert value_of(status, "state") == "active"
    assert float(value_of(status, "rate_hz/output/tracks")) > 0
    assert float(value_of(status, "latency_ms/tracking p50")) > 0
    assert int(value_of(status, "frames_processed")) > 0


def test_life_cycle(graph: RosGraph, camera: Camera) -> None:
    assert graph.state(NODE) == "active"
    assert not graph.change_state(NODE, "configure"), (
        "a transition that an active node does not have"
    )
    assert graph.change_state(NODE, "deactivate")
    assert graph.change_state(NODE, "cleanup")
    assert graph.state(NODE) == "unconfigured"
    assert graph.change_state(NODE, "configure")
    assert graph.change_state(NODE, "activate")
    fresh = Camera(graph)
    assert [track.id for track in fresh.send(800 * 10**9, [cup(10)]).tracks] == [1]


def test_sigint_ends_the_node_cleanly(graph: RosGraph, group: NodeGroup) -> None:
    group.processes[NODE].send_signal(signal.SIGINT)
    assert group.stop() == {NODE: 0}
    assert "Traceback" not in Path(group.log_path(NODE)).read_text()


def test_in_a_replay_poses_count_from_the_next_frame_on_whenever_they_come(
    graph: RosGraph, tmp_path: Path
) -> None:
    with graph.start(NODE, {"early_poses": False}, tmp_path):
        camera = Camera(graph)
        start = 900 * 10**9
        camera.poses.publish(poses_to_message([cup_pose(0.7)], header(start)))
        graph.spin(0.3)
        (track,) = camera.send(start, [cup(10)]).tracks
        assert not track.has_position
        (track,) = camera.send(start + FRAME_NS, [cup(10)]).tracks
        assert track.pose.pose.position.z == pytest.approx(0.7, abs=0.01)
