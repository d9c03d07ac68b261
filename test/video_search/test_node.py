# SPDX-License-Identifier: Apache-2.0
"""video_search_node as a process, over DDS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assistant_perception.msg import ActionArray, InstanceDetectionArray, Moment, TrackArray
from assistant_perception.srv import Find, Forget
from ros_graph import FRAME_ID, RosGraph, color_message, header, value_of
from sensor_msgs.msg import Image

from perception_kit.ros.node_processes import NodeGroup
from perception_kit.ros.to_messages import (
    actions_to_message,
    detections_to_message,
    ns_to_stamp,
    tracks_to_message,
)
from perception_kit.types import ActionEstimate, Instance, TrackEstimate, TrackState
from video_search import Library

pytestmark = pytest.mark.ros
NODE = "video_search_node"
SECOND = 1_000_000_000
FRAME_NS = SECOND // 10
BOX = np.array([10, 20, 40, 60], np.float32)


def instance(name: str) -> Instance:
    """A detection that fills its box."""
    return Instance(1, name, 0.9, BOX, np.ones((40, 30), bool), (10, 20))


def track(name: str, number: int) -> TrackEstimate:
    """A confirmed track of the first detection, 1.5 m before the camera."""
    return TrackEstimate(
        number, 1, name, TrackState.CONFIRMED, 0.9, 9, 9, 0.0, 0, BOX, np.zeros(4, np.float32),
        position=np.array([0.1, 0.2, 1.5]), position_covariance=np.eye(3),
        velocity=np.zeros(3), velocity_covariance=np.eye(3),
    )  # fmt: skip


class Robot:
    """Sends results as the three nodes do, and asks the memory."""

    def __init__(self, graph: RosGraph, library: Path) -> None:
        self.graph, self.library = graph, library
        self.color = graph.publisher(Image, "/color/image_raw")
        self.detections = graph.publisher(InstanceDetectionArray, "/pose6d_node/detections")
        self.tracks = graph.publisher(TrackArray, "/tracker_node/tracks")
        self.actions = graph.publisher(ActionArray, "/actionrec_node/actions")

    def see(self, stamp_ns: int, name: str, number: int, action: str = "") -> None:
        """Show one tracked thing in one image, which may do something."""
        self.color.publish(color_message(stamp_ns))
        self.graph.spin(0.05)
        top = header(stamp_ns)
        self.detections.publish(detections_to_message([instance(name)], top, 96, 72))
        self.tracks.publish(tracks_to_message([track(name, number)], top))
        scores = np.array([0.9, 0.1], np.float32)
        doing = [ActionEstimate(action, 0.9, scores, stamp_ns, stamp_ns, number)] if action else []
        self.actions.publish(actions_to_message(doing, ["falling", "walking"], top))

    def find(self, query: str, since_ns: int = 0, limit: int = 0) -> Find.Response:
        request = Find.Request(query=query, since=ns_to_stamp(since_ns), limit=limit)
        return self.graph.call(Find, f"/{NODE}/find", request)

    def forget(self, **given: Any) -> Forget.Response:
        return self.graph.call(Forget, f"/{NODE}/forget", Forget.Request(**given))

    def found(self, query: str, **filters: Any) -> list[Moment]:
        """The moments, once there are any: what was sent may still be on its way."""

        def ask() -> list[Moment]:
            response = self.find(query, **filters)
            assert response.success, response.message
            return response.moments

        return self.graph.wait(ask, f"moments of {query}")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memory") / "library"


@pytest.fixture(scope="module")
def group(
    graph: RosGraph, library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeGroup]:
    parameters = {"library": str(library), "store": "thumbnails"}
    with graph.start(NODE, parameters, tmp_path_factory.mktemp("log")) as group:
        yield group


@pytest.fixture(scope="module")
def robot(graph: RosGraph, group: NodeGroup, library: Path) -> Robot:
    return Robot(graph, library)


def test_where_did_i_last_see_the_mug(robot: Robot) -> None:
    start_ns = 1_000 * SECOND
    for number in range(5):
        robot.see(start_ns + number * FRAME_NS, "mug", 3)
    robot.graph.wait(
        lambda: robot.found("last mug")[0].end.sec * SECOND
        + robot.found("last mug")[0].end.nanosec >= start_ns + 4 * FRAME_NS,
        "the last frame",
    )  # fmt: skip
    (moment,) = robot.found("last mug")
    assert (moment.label, moment.kind, moment.track_id) == ("mug", "track", 3)
    assert moment.start == ns_to_stamp(start_ns)
    assert moment.header.frame_id == FRAME_ID
    assert moment.has_position
    assert moment.position.z == pytest.approx(1.5)
    np.testing.assert_array_equal(moment.box, BOX)
    assert bytes(moment.thumbnail[:2]) == b"\xff\xd8"
    assert moment.uri.startswith(f"live:/{NODE} ")
    assert moment.reasons


def test_since_and_limit_narrow_the_answer(robot: Robot) -> None:
    start_ns = 2_000 * SECOND
    for number in range(3):
        robot.see(start_ns + number * 10 * SECOND, "bowl", 10 + number)
    robot.see(start_ns + 21 * SECOND, "spoon", 20)
    robot.found("spoon")
    assert len(robot.find("bowl").moments) == 3
    assert len(robot.find("bowl", limit=2).moments) == 2
    late = robot.find("bowl", since_ns=start_ns + 20 * SECOND).moments
    assert [moment.track_id for moment in late] == [12]


def test_a_fall_is_remembered_with_the_person(robot: Robot) -> None:
    stamp_ns = 3_000 * SECOND
    robot.see(stamp_ns, "person", 31)
    robot.see(stamp_ns + FRAME_NS, "person", 31, action="falling")
    robot.see(stamp_ns + 2 * FRAME_NS, "person", 31)
    moment = robot.found("falling")[0]
    assert (moment.kind, moment.label, moment.track_id) == ("action", "falling", 31)
    assert moment.position.z == pytest.approx(1.5)


def test_an_unknown_word_is_answered_with_a_reason(robot: Robot) -> None:
    response = robot.find("zeppelin")
    assert response.success
    assert list(response.moments) == []
    assert "zeppelin" in response.message


def test_what_is_forgotten_is_in_no_file(robot: Robot) -> None:
    stamp_ns = 4_000 * SECOND
    robot.see(stamp_ns, "zyxdiary", 77)
    robot.see(stamp_ns + FRAME_NS, "zyxdiary", 77)
    robot.found("zyxdiary")
    refused = robot.forget()
    assert not refused.success
    assert "say what to forget" in refused.message

    response = robot.forget(track_id=77)
    assert response.success
    assert response.count >= 1
    assert list(robot.find("zyxdiary").moments) == []
    files = [path for path in robot.library.rglob("*") if path.is_file()]
    assert not [path for path in files if b"zyxdiary" in path.read_bytes()]


def test_time_that_goes_back_begins_another_session(robot: Robot) -> None:
    robot.see(5_000 * SECOND, "kettle", 1)
    for number in range(3):  # so many agree on the new time
        robot.see(4_500 * SECOND + number * SECOND // 10, "kettle", 1)
    robot.graph.wait(lambda: len(robot.find("kettle").moments) == 2, "both kettles")
    first, second = robot.find("kettle").moments
    assert first.source != second.source


def test_diagnostics_say_what_is_stored(robot: Robot) -> None:
    status = robot.graph.status(
        lambda status: NODE in status.name and "size_mb" in {pair.key for pair in status.values},
        "diagnostics of the memory",
    )
    assert value_of(status, "stores") == "thumbnails"
    assert float(value_of(status, "size_mb")) >= 0
    assert value_of(status, "tags_lost") == "0"


def test_a_stopped_node_has_written_all(robot: Robot, group: NodeGroup) -> None:
    robot.see(6_000 * SECOND, "towel", 50)
    robot.found("towel")
    assert robot.graph.change_state(NODE, "deactivate")
    assert robot.graph.change_state(NODE, "cleanup")
    assert robot.graph.state(NODE) == "unconfigured"
    assert group.stop() == {NODE: 0}
    library = Library.open(robot.library)
    assert {source.state for source in library.sources()} == {"done"}
    assert "towel" in library.labels()


def test_a_folder_that_is_no_library_keeps_it_unconfigured(graph: RosGraph, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with graph.start(NODE, {"library": str(tmp_path)}, tmp_path / "log"):
        status = graph.problem("is no library and not empty")
        assert status.message.startswith("unconfigured")
