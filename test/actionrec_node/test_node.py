# SPDX-License-Identifier: Apache-2.0
"""actionrec_node as a process, over DDS, with a small untrained model."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from assistant_perception.msg import ActionArray, AlarmHealth, FallAlarmArray, TrackArray
from rclpy.event_handler import SubscriptionEventCallbacks
from ros_graph import RosGraph, color_message, header, value_of
from sensor_msgs.msg import Image

from actionrec_node.classify import classify
from actionrec_node.config import RecognizerConfig
from actionrec_node.data.crops import PersonBox
from actionrec_node.networks.action_model import load_action_model
from actionrec_node.recognition.recognizer import ActionRecognizer
from perception_kit.ros.from_messages import actions_from_message
from perception_kit.ros.image import array_to_image, color_image
from perception_kit.ros.node_processes import NodeGroup
from perception_kit.ros.qos import heartbeat_qos
from perception_kit.ros.to_messages import tracks_to_message
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import TrackEstimate, TrackState
from perception_kit.videos.video_file import file_frames

pytestmark = pytest.mark.ros
NODE = "actionrec_node"
FRAME_NS = 66_666_667


@pytest.fixture(scope="module")
def group(
    graph: RosGraph, model_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeGroup]:
    parameters = {"model": str(model_path), "device": "cpu", "stride": 8, "per_person": True}
    with graph.start(NODE, parameters, tmp_path_factory.mktemp("log")) as group:
        yield group


class Camera:
    """Sends images and waits for the actions of the same stamp."""

    def __init__(self, graph: RosGraph) -> None:
        self.graph = graph
        self.actions: list[ActionArray] = graph.record(ActionArray, f"/{NODE}/actions")
        self.color = graph.publisher(Image, "/color/image_raw")

    def send(self, stamp_ns: int, seed: int = 0) -> ActionArray:
        self.actions.clear()
        self.color.publish(color_message(stamp_ns, seed))
        (response,) = self.graph.wait(lambda: list(self.actions), f"actions of {stamp_ns}")
        assert response.header == header(stamp_ns)
        return response


@pytest.fixture(scope="module")
def camera(graph: RosGraph, group: NodeGroup) -> Camera:
    return Camera(graph)


def test_results_are_those_of_the_recognizer(camera: Camera, model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, "cpu", RecognizerConfig(stride=8))
    start_ns, lengths = 100 * 10**9, []
    for number in range(20):
        stamp_ns = start_ns + number * FRAME_NS
        response = camera.send(stamp_ns, seed=number)
        expected = recognizer.push(color_image(color_message(stamp_ns, seed=number)), stamp_ns)
        assert list(response.class_names) == recognizer.class_names
        for got, want in zip(actions_from_message(response), expected, strict=True):
            assert (got.label, got.track_id) == (want.label, want.track_id)
            assert (got.clip_start_ns, got.clip_end_ns) == (want.clip_start_ns, want.clip_end_ns)
            np.testing.assert_allclose(got.class_scores, want.class_scores, atol=1e-4)
        lengths.append(len(response.actions))
    assert lengths[:15] == [0] * 15, "before the first full clip"
    assert lengths[15:] == [1] * 5
    (action,) = response.actions
    assert stamp_to_ns(action.clip_start) < stamp_to_ns(action.clip_end) <= stamp_ns


def _person(identity: int, box: np.ndarray) -> TrackEstimate:
    return TrackEstimate(
        identity, 1, "person", TrackState.CONFIRMED, 0.9, 5, 5, 0.0, 0, box, np.zeros(4)
    )


def test_with_tracks_every_person_has_an_action(
    graph: RosGraph, camera: Camera, model_path: Path
) -> None:
    tracks = graph.publisher(TrackArray, "/tracker_node/tracks")
    assert graph.set_parameter(NODE, "smoothing", 0.0).successful
    boxes = {3: np.array([10.0, 10, 40, 60]), 8: np.array([50.0, 5, 90, 70])}
    stamps = [150 * 10**9 + number * FRAME_NS for number in range(24)]
    for number, stamp_ns in enumerate(stamps):
        tracks.publish(
            tracks_to_message([_person(*item) for item in boxes.items()], header(stamp_ns))
        )
        response = camera.send(stamp_ns, seed=number)
    assert [action.track_id for action in response.actions] == [3, 8]
    recognizer = ActionRecognizer(model_path, "cpu", RecognizerConfig(smoothing=0.0))
    got = actions_from_message(response)
    first, last = stamps.index(got[0].clip_start_ns), stamps.index(got[0].clip_end_ns)
    for number in range(first, last + 1):
        image = color_image(color_message(stamps[number], seed=number))
        expected = recognizer.push(
            image, stamps[number], [PersonBox(*item) for item in boxes.items()]
        )
    for action, wanted in zip(got, expected, strict=True):
        assert (action.clip_start_ns, action.clip_end_ns) == (
            wanted.clip_start_ns,
            wanted.clip_end_ns,
        )
        np.testing.assert_allclose(action.class_scores, wanted.class_scores, atol=1e-4)


def test_a_track_of_an_unknown_state_costs_no_other(graph: RosGraph, camera: Camera) -> None:
    tracks = graph.publisher(TrackArray, "/tracker_node/tracks")
    people = [_person(identity, np.array([10.0, 10, 40, 60])) for identity in (3, 8)]
    for number in range(24):
        stamp_ns = 160 * 10**9 + number * FRAME_NS
        message = tracks_to_message(people, header(stamp_ns))
        message.tracks[0].state = 9
        tracks.publish(message)
        response = camera.send(stamp_ns, seed=number)
    assert [action.track_id for action in response.actions] == [8]
    graph.problem("track 0: track state 9 is not one of")


def test_people_beyond_the_limit_are_named(graph: RosGraph, camera: Camera) -> None:
    tracks = graph.publisher(TrackArray, "/tracker_node/tracks")
    assert graph.set_parameter(NODE, "max_people", 1).successful
    boxes = {3: np.array([10.0, 10, 20, 30]), 8: np.array([50.0, 5, 90, 70])}
    people = [_person(*item) for item in boxes.items()]
    for number in range(24):
        stamp_ns = 170 * 10**9 + number * FRAME_NS
        tracks.publish(tracks_to_message(people, header(stamp_ns)))
        response = camera.send(stamp_ns, seed=number)
    assert [action.track_id for action in response.actions] == [8]
    graph.problem("not classified, because max_people is 1: 1 (tracks 3)")
    assert graph.set_parameter(NODE, "max_people", 16).successful


def test_the_health_of_the_alarm_follows_the_images(graph: RosGraph, camera: Camera) -> None:
    health = graph.record(AlarmHealth, f"/{NODE}/alarm_health")
    tracks = graph.publisher(TrackArray, "/tracker_node/tracks")
    health.clear()
    stamp_ns = 180 * 10**9
    somebody = [_person(3, np.array([10.0, 10, 40, 60]))]
    tracks.publish(tracks_to_message(somebody, header(stamp_ns)))
    while not any(message.state == AlarmHealth.READY for message in health):
        stamp_ns += FRAME_NS
        tracks.publish(tracks_to_message([], header(stamp_ns)))
        camera.send(stamp_ns)

    # The tracks are of another time than the images.
    def send_with_old_tracks() -> None:
        nonlocal stamp_ns
        stamp_ns += FRAME_NS
        tracks.publish(tracks_to_message([], header(stamp_ns - 60 * 10**9)))
        camera.send(stamp_ns)

    health.clear()
    end_s = monotonic() + 120.0
    while not any("no tracks for" in message.reason for message in health):
        assert monotonic() < end_s, "images whose tracks are too old are watched as a whole"
        send_with_old_tracks()
    assert health[-1].state == AlarmHealth.DEGRADED

    # The camera stops.
    message = graph.wait(
        lambda: next((message for message in health if "no image for" in message.reason), None),
        "an alarm that is lost",
    )
    assert message.state == AlarmHealth.LOST
    assert message.image_age > 3.0


def test_a_video_played_as_a_topic_is_classified_as_by_the_command(
    graph: RosGraph, camera: Camera, model_path: Path, write_video: Callable[..., Path]
) -> None:
    video = write_video("v.mkv", np.arange(100) / 30, speed=20.0)
    windows = classify(load_action_model(model_path), video, stride=8)["windows"]
    assert len(windows) == 5

    assert graph.set_parameter(NODE, "smoothing", 0.0).successful
    start_ns, live = 240 * 10**9, {}
    for time, pixels in file_frames(video):
        stamp_ns = start_ns + round(time * 1e9)
        camera.actions.clear()
        camera.color.publish(array_to_image(pixels(), "rgb8", header(stamp_ns)))
        (response,) = graph.wait(lambda: list(camera.actions), f"actions at {time} s")
        for action in actions_from_message(response):
            live[round((action.clip_end_ns - start_ns) * 1e-9, 3)] = action
    assert list(live) == pytest.approx([window["end"] for window in windows], abs=0.04)
    for action, window in zip(live.values(), windows, strict=True):
        np.testing.assert_allclose(action.class_scores, list(window["scores"].values()), atol=0.01)
    assert graph.set_parameter(NODE, "smoothing", 0.15).successful


def test_alarms_that_are_on_are_published(graph: RosGraph, camera: Camera) -> None:
    published = graph.record(FallAlarmArray, f"/{NODE}/fall_alarms")
    assert graph.set_parameter(NODE, "fall_off", 0.0).successful
    assert graph.set_parameter(NODE, "fall_on", 0.01).successful
    for number in range(25):  # two clips: the first one alone raises no alarm
        camera.send(250 * 10**9 + number * FRAME_NS)
    alarms = graph.wait(
        lambda: next((message.alarms for message in published if message.alarms), None),
        "a fall alarm",
    )
    assert [(alarm.track_id, alarm.confirmed) for alarm in alarms] == [(-1, False)]
    assert stamp_to_ns(alarms[0].first_sign) < stamp_to_ns(alarms[0].raised)
    graph.problem("fall of somebody")
    assert graph.set_parameter(NODE, "fall_on", 0.75).successful
    assert graph.set_parameter(NODE, "fall_off", 0.3).successful


def test_stamps_that_go_back_start_a_new_clip(graph: RosGraph, camera: Camera) -> None:
    for number in range(17):
        response = camera.send(270 * 10**9 + number * FRAME_NS)
    assert len(response.actions) == 1
    for number in range(2):
        camera.color.publish(color_message(190 * 10**9 + number * FRAME_NS))
    assert camera.send(190 * 10**9 + 2 * FRAME_NS).actions == []
    graph.problem("stamps of 'color' went back by 80.933 s")


def test_an_image_that_cannot_be_used_costs_one_frame(graph: RosGraph, camera: Camera) -> None:
    message = color_message(300 * 10**9)
    message.encoding = "yuv444"
    camera.actions.clear()
    camera.color.publish(message)
    graph.problem("image encoding 'yuv444' is not one of rgb8")
    assert camera.actions == []
    assert camera.send(301 * 10**9).actions == []


def test_life_cycle_parameters_and_diagnostics(
    graph: RosGraph, camera: Camera, model_path: Path
) -> None:
    refused = graph.set_parameter(NODE, "stride", 2)
    assert (refused.successful, "clean the node up first" in refused.reason) == (False, True)
    status = graph.status(lambda status: value_of(status, "state") == "active", "diagnostics")
    assert (value_of(status, "model"), value_of(status, "device")) == (str(model_path), "cpu")
    assert value_of(status, "alarm_classes") == "falling"
    assert value_of(status, "people_left_out") == "0"
    assert float(value_of(status, "latency_ms/action max")) > 0
    assert (value_of(status, "clips_skipped"), value_of(status, "fall_alarms")) == ("0", "1")
    assert graph.set_parameter(NODE, "score_threshold", 0.9).successful
    assert "fall_off must not be above fall_on" in graph.set_parameter(NODE, "fall_on", 0.1).reason
    assert graph.change_state(NODE, "deactivate")
    assert graph.change_state(NODE, "cleanup")
    assert graph.set_parameter(NODE, "stride", 2).successful
    assert graph.set_parameter(NODE, "model", "").successful
    assert not graph.change_state(NODE, "configure")
    graph.problem("unconfigured: no model is set: set the parameter 'model'")
    assert graph.set_parameter(NODE, "model", str(model_path)).successful
    assert graph.change_state(NODE, "configure")
    assert graph.change_state(NODE, "activate")
    assert graph.state(NODE) == "active"


def test_an_inactive_node_says_that_the_alarm_is_lost(graph: RosGraph, camera: Camera) -> None:
    health = graph.record(AlarmHealth, f"/{NODE}/alarm_health")
    assert graph.change_state(NODE, "deactivate")
    health.clear()
    message = graph.wait(lambda: health[-1] if health else None, "alarm health")
    assert message.state == AlarmHealth.LOST
    assert message.reason.startswith("the node is inactive")
    assert graph.change_state(NODE, "activate")


def test_sigint_ends_the_node_cleanly(graph: RosGraph, camera: Camera, group: NodeGroup) -> None:
    group.processes[NODE].send_signal(signal.SIGINT)
    graph.wait(lambda: group.poll()[NODE] is not None, "the end of the node")
    assert group.stop() == {NODE: 0}
    assert "Traceback" not in Path(group.log_path(NODE)).read_text()


@pytest.mark.slow
def test_the_silence_of_a_dead_node_misses_the_deadline_of_the_alarm(
    graph: RosGraph, model_path: Path, tmp_path: Path
) -> None:
    missed, heard = [], []
    with graph.start(NODE, {"model": str(model_path), "device": "cpu"}, tmp_path) as group:
        events = SubscriptionEventCallbacks(deadline=missed.append)
        graph.node.create_subscription(
            AlarmHealth,
            f"/{NODE}/alarm_health",
            heard.append,
            heartbeat_qos(1.0),
            event_callbacks=events,
        )
        graph.wait(lambda: heard, "alarm health")
        group.processes[NODE].send_signal(signal.SIGSTOP)
        heard.clear()
        missed.clear()
        graph.wait(lambda: missed, "the missed deadline of a frozen node")
        group.processes[NODE].send_signal(signal.SIGCONT)
        graph.wait(lambda: heard, "alarm health of the node that goes on")
