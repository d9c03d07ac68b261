# SPDX-License-Identifier: Apache-2.0
"""What a node whose own work hangs or fails says of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_graph import DOMAIN_ID, RosGraph, color_message
from sensor_msgs.msg import Image

from perception_kit.processes import ends_with_parent
from perception_kit.ros.node_processes import NodeGroup

pytestmark = pytest.mark.ros
FRAME_NS = 33_333_333

# Hangs in an image of the height 72, and fails in any other.
PROGRAM = """
import sys, threading
from dataclasses import dataclass
from perception_kit.ros.inputs import Input
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.run_node import run_node
from sensor_msgs.msg import Image

@dataclass(frozen=True)
class Config:
    pass

class HangingNode(PerceptionNode[Config]):
    def __init__(self):
        super().__init__("hanging_node", Config, leader="color")
    def load(self): pass
    def unload(self): pass
    def inputs(self):
        return [Input("color", Image, "color"), Input("extra", Image, "extra", required=False)]
    def process(self, frame):
        if frame.messages["color"].height == 72:
            threading.Event().wait()
        raise ValueError("the image is too small")

sys.exit(run_node(HangingNode, ["--ros-args", "-p", "result_deadline:=0.5"]))
"""


@pytest.fixture
def group(tmp_path: Path) -> Iterator[NodeGroup]:
    environment = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN_ID)}
    command = ends_with_parent([sys.executable, "-c", PROGRAM])
    with (tmp_path / "hanging_node.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stderr=log)
    group = NodeGroup({"hanging_node": process}, tmp_path)
    yield group
    process.kill()
    group.stop()


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(("height", "reason"), [(72, ""), (8, "the image is too small")])
def test_frames_without_results_are_an_error(graph: RosGraph, height: int, reason: str) -> None:
    color = graph.publisher(Image, "/color")
    stamps_ns = iter(range(10**9, 10**12, FRAME_NS))

    def feed() -> None:
        message = color_message(next(stamps_ns))
        message.height = height
        color.publish(message)

    graph.background = feed
    status = graph.status(lambda status: "although frames come" in status.message, "an error")
    graph.background = None
    assert status.level == DiagnosticStatus.ERROR
    assert reason in status.message
    graph.node.destroy_publisher(color)


@pytest.mark.usefixtures("group")
def test_an_optional_input_whose_publisher_is_gone_is_stale(graph: RosGraph) -> None:
    ending = ": input extra"
    extra = graph.publisher(Image, "/extra")
    stamps_ns = iter(range(10**9, 10**12, FRAME_NS))
    graph.background = lambda: extra.publish(color_message(next(stamps_ns)))
    graph.status(lambda status: status.level == DiagnosticStatus.OK, "an input", ending)
    status = graph.problem("nothing received on '/color'")  # the other one has come for 2 s
    assert status.level == DiagnosticStatus.ERROR
    graph.background = None
    graph.node.destroy_publisher(extra)
    status = graph.status(
        lambda status: status.level == DiagnosticStatus.STALE, "a stale input", ending
    )
    assert status.message == "the publisher of '/extra' is gone"
