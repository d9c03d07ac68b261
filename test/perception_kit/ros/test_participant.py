# SPDX-License-Identifier: Apache-2.0
"""A node that is started again has ports of its own, and one that is cut off says so and ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from xml.etree import ElementTree

import pytest
from full_disk import full_disk
from ros_graph import DOMAIN_ID, RosGraph, color_message
from sensor_msgs.msg import Image

from perception_kit.processes import ends_with_parent
from perception_kit.resources import package_folder
from perception_kit.ros.participant import free_participant, own_ports, with_participant
from perception_kit.ros.restarts import CUT_OFF
from perception_kit.ros.shared_memory import SHARED_MEMORY, CutOffError, PortWatch, port_name
from perception_kit.ros.transport import PROFILE_VARIABLES

PROFILE = package_folder() / "config" / "fastdds.xml"

# Prints "got" for each image.
PROGRAM = """
import sys
from rclpy.node import Node
from sensor_msgs.msg import Image
from perception_kit.ros.qos import input_qos
from perception_kit.ros.run_node import run_node

class Listener(Node):
    def __init__(self):
        super().__init__("listener")
        receive = lambda message: print("got", flush=True)
        self.create_subscription(Image, "/ports/image", receive, input_qos("best_effort"))

sys.exit(run_node(Listener, []))
"""


def test_ports_that_somebody_left_are_passed_over(tmp_path: Path) -> None:
    first = free_participant(7, 100, tmp_path)
    assert free_participant(7, 100, tmp_path) == first
    (tmp_path / port_name(7, first)).touch()
    second = free_participant(7, 100, tmp_path)
    assert second != first
    assert free_participant(8, 100, tmp_path) == first, "of another domain"
    assert {free_participant(7, start, tmp_path) for start in range(99)} <= set(range(8, 32))


def test_without_a_free_port_one_is_taken_all_the_same(tmp_path: Path) -> None:
    for number in range(120):
        (tmp_path / port_name(0, number)).touch()
    assert 8 <= free_participant(0, 5, tmp_path) < 32


def test_the_number_stands_in_the_default_participant_alone() -> None:
    root = ElementTree.fromstring(with_participant(PROFILE, 17))
    numbers = [e.text for e in root.iter() if e.tag.endswith("}participantID")]
    assert numbers == ["17"]
    texts = [
        {e.tag: e.text for e in r.iter()} for r in (root, ElementTree.parse(PROFILE).getroot())
    ]
    del texts[0][f"{root.tag[: root.tag.find('}') + 1]}participantID"]
    assert texts[0] == texts[1], "nothing else has changed"


def test_the_profile_of_the_environment_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in PROFILE_VARIABLES:
        monkeypatch.setenv(variable, str(PROFILE))
    with own_ports():
        (path,) = {os.environ[variable] for variable in PROFILE_VARIABLES}
        assert "participantID" in Path(path).read_text()
    assert {os.environ[variable] for variable in PROFILE_VARIABLES} == {str(PROFILE)}
    assert not Path(path).exists()


@pytest.mark.parametrize("content", [None, "<profiles"], ids=["missing", "no XML"])
def test_a_profile_that_cannot_be_read_stays(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.xml"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(PROFILE_VARIABLES[0], str(path))
    with own_ports():
        assert os.environ[PROFILE_VARIABLES[0]] == str(path)


def test_a_full_disk_keeps_no_node_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROFILE_VARIABLES[0], str(PROFILE))
    with full_disk(room=0), own_ports():
        assert os.environ[PROFILE_VARIABLES[0]] == str(PROFILE)


def test_ports_must_be_cut_off_for_a_while() -> None:
    now_s, ports = [0.0], {"fastrtps_port7411"}
    watch = PortWatch(lambda: ports, lambda: now_s[0])
    watch.check()
    now_s[0] = 9.0
    watch.check()
    ports.clear()
    watch.check()  # Fast DDS has replaced it
    ports.add("fastrtps_port7411")
    now_s[0] = 15.0
    watch.check()
    now_s[0] = 25.0
    with pytest.raises(CutOffError, match="memory of fastrtps_port7411 was replaced"):
        watch.check()


class Process:
    """The program, in the domain of the tests."""

    def __init__(self, log: Path) -> None:
        environment = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN_ID)}
        command = ends_with_parent([sys.executable, "-c", PROGRAM])
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)

    def ports(self) -> set[str]:
        """Names of its ports in shared memory."""
        files = Path("/proc", str(self.process.pid), "fd").iterdir()
        names = (re.fullmatch(r".*/(fastrtps_port\d+)_el", os.readlink(file)) for file in files)
        return {name[1] for name in names if name}


@pytest.mark.ros
def test_a_killed_node_gets_other_ports_and_images_again(graph: RosGraph, tmp_path: Path) -> None:
    image = graph.node.create_publisher(Image, "/ports/image", 10)
    graph.background = lambda: image.publish(color_message(1))
    seen: set[str] = set()
    for number in range(3):
        listener = Process(tmp_path / f"{number}.log")
        graph.wait(lambda log=listener.log: "got" in log.read_text(), "an image")
        user_ports = {port for port in listener.ports() if int(port[13:]) >= 7400}
        assert len(user_ports) == 1
        assert not user_ports & seen
        seen |= user_ports
        listener.process.kill()
        listener.process.wait()
    graph.background = None


@pytest.mark.ros
def test_a_node_that_is_cut_off_says_so_and_ends(graph: RosGraph, tmp_path: Path) -> None:
    image = graph.node.create_publisher(Image, "/ports/image", 10)
    graph.background = lambda: image.publish(color_message(1))
    listener = Process(tmp_path / "log")
    graph.wait(lambda: "got" in listener.log.read_text(), "an image")
    graph.background = None

    for port in listener.ports():  # also that of ROS's names
        (SHARED_MEMORY / port).unlink()
    end_s = monotonic() + 120.0
    while listener.process.poll() is None and monotonic() < end_s:
        sleep(0.1)
    assert listener.process.poll() == CUT_OFF
    assert "nothing arrives any more: the shared memory of" in listener.log.read_text()
