# SPDX-License-Identifier: Apache-2.0
"""actionrec_node as a process, over DDS, with a small untrained model."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from assistant_perception.msg import ActionArray
from ros_graph import RosGraph, color_message, header, value_of
from sensor_msgs.msg import Image

from actionrec_node.recognizer import ActionRecognizer
from perception_kit.ros.bringup import NodeGroup
from perception_kit.ros.convert import actions_from_message, stamp_to_ns
from perception_kit.ros.image import color_image

pytestmark = pytest.mark.ros
NODE = "actionrec_node"
FRAME_NS = 66_666_667


@pytest.fixture(scope="module")
def group(graph: RosGraph, model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeGroup]:
    with graph.start(NODE, {"model": str(model_path), "device": "cpu", "stride": 8}, tmp_path_factory.mktemp("log")) as group:
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
        (answer,) = self.graph.wait(lambda: list(self.actions), f"actions of {stamp_ns}")
        assert answer.header == header(stamp_ns)
        return answer


@pytest.fixture(scope="module")
def camera(graph: RosGraph, group: NodeGroup) -> Camera:
    return Camera(graph)


def test_results_are_those_of_the_recognizer(camera: Camera, model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, "cpu", stride=8)
    start_ns, lengths = 100 * 10**9, []
    for number in range(20):
        stamp_ns = start_ns + number * FRAME_NS
        answer = camera.send(stamp_ns, seed=number)
        expected = recognizer.push(color_image(color_message(stamp_ns, seed=number)), stamp_ns)
        assert list(answer.class_names) == recognizer.class_names
        for got, want in zip(actions_from_message(answer), expected, strict=True):
            assert (got.label, got.track_id) == (want.label, want.track_id)
            assert (got.clip_start_ns, got.clip_end_ns) == (want.clip_start_ns, want.clip_end_ns)
            np.testing.assert_allclose(got.class_scores, want.class_scores, atol=1e-4)
        lengths.append(len(answer.actions))
    assert lengths[:15] == [0] * 15, "before the first full clip"
    assert lengths[15:] == [1] * 5
    assert stamp_to_ns(answer.actions[0].clip_start) < stamp_to_ns(answer.actions[0].clip_end) <= stamp_ns


def test_stamps_that_go_back_start_a_new_clip(graph: RosGraph, camera: Camera) -> None:
    for number in range(17):
        answer = camera.send(200 * 10**9 + number * FRAME_NS)
    assert len(answer.actions) == 1
    assert camera.send(190 * 10**9).actions == []
    graph.problem("stamps of 'color' went back by 11.067 s")


def test_an_image_that_cannot_be_used_costs_one_frame(graph: RosGraph, camera: Camera) -> None:
    message = color_message(300 * 10**9)
    message.encoding = "yuv422"
    camera.actions.clear()
    camera.color.publish(message)
    graph.problem("image encoding 'yuv422' is not one of rgb8")
    assert camera.actions == []
    assert camera.send(301 * 10**9).actions == []


def test_life_cycle_parameters_and_diagnostics(graph: RosGraph, camera: Camera, model_path: Path) -> None:
    refused = graph.set_parameter(NODE, "stride", 2)
    assert (refused.successful, "clean the node up first" in refused.reason) == (False, True)
    status = graph.status(lambda status: value_of(status, "state") == "active", "diagnostics")
    assert (value_of(status, "model"), value_of(status, "device")) == (str(model_path), "cpu")
    assert float(value_of(status, "latency_ms/action max")) > 0
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


def test_sigint_ends_the_node_cleanly(graph: RosGraph, camera: Camera, group: NodeGroup) -> None:
    os.kill(group.process_id(NODE), signal.SIGINT)
    graph.wait(lambda: group.poll()[NODE] is not None, "the end of the node")
    assert group.stop() == {NODE: 0}
    assert "Traceback" not in Path(group.log_path(NODE)).read_text()
