# SPDX-License-Identifier: Apache-2.0
"""The end of a node's process, and several nodes in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ros_graph import DOMAIN_ID

from perception_kit.resources import package_folder
from perception_kit.ros.node_processes import namespace_remappings, write_state_parameters
from perception_kit.ros.restarts import UNUSABLE_PARAMETERS

pytestmark = pytest.mark.ros

# A node whose timer does what a binding does when a signal comes while it converts a message.
_PROGRAM = """
import os, signal, sys
from rclpy.node import Node
from perception_kit.ros.run_node import run_node

class Converting(Node):
    def __init__(self):
        super().__init__("converting")
        self.create_timer(0.01, self.convert)

    def convert(self):
        try:
            if {signaled}:
                os.kill(os.getpid(), signal.SIGINT)
                sum(range(100_000))  # the handler runs here
        except BaseException:
            pass
        raise RuntimeError("Unable to convert call argument '0' to Python object")

sys.exit(run_node(Converting))
"""


@pytest.mark.parametrize("signaled", [True, False])
def test_only_an_error_that_a_signal_caused_is_no_failure(signaled: bool) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(signaled=signaled)],
        env=os.environ | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode == 0) == signaled, ended.stderr
    assert ("Traceback" in ended.stderr) != signaled
    said = "ends as asked, in the middle of: RuntimeError: Unable to convert call argument '0'"
    assert (said in ended.stderr) == signaled


@pytest.mark.parametrize(
    ("domain", "arguments", "fault"),
    [
        ("abc", [], "ROS_DOMAIN_ID is 'abc', expected 0 to 232"),
        ("999", [], "ROS_DOMAIN_ID is '999', expected 0 to 232"),
        ("7", ["--params-file", "/nowhere.yaml"], "Error opening YAML file"),
        ("7", ["-p", "a:=[1,"], "Couldn't parse parameter override rule"),
        ("7", ["--what"], "unknown ROS arguments ['--what']"),
    ],
)
def test_what_no_restart_mends_is_told_by_the_exit_code(
    domain: str, arguments: list[str], fault: str
) -> None:
    program = "import sys; from perception_kit.ros.run_node import run_node;"
    program += "sys.exit(run_node(lambda: None, ['--ros-args', *sys.argv[1:]]))"
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"ROS_DOMAIN_ID": domain},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == UNUSABLE_PARAMETERS, ended.stderr
    assert "cannot start: " in ended.stderr
    assert fault in ended.stderr
    assert "Traceback" not in ended.stderr


# Nodes that say what they are called, listen to and remember, and end when all of them have.
_SEVERAL = """
import sys
import rclpy
from rclpy.node import Node
from std_msgs.msg import Empty
from perception_kit.ros.run_node import run_in_namespaces

said = []

class Saying(Node):
    def __init__(self, namespace):
        super().__init__("actionrec_node", namespace=namespace)
        self.topic = self.create_subscription(Empty, "color/image_raw", print, 1).topic_name
        self.file = self.declare_parameter("state_file", "").value
        self.create_timer(0.01, self.say)

    def say(self):
        if self not in said:
            print("said", self.get_fully_qualified_name(), self.topic, self.file)
            said.append(self)
        if len(said) == int(sys.argv[1]):
            rclpy.shutdown()

sys.exit(run_in_namespaces(Saying, sys.argv[2:]))
"""


def said_by(number: int, *arguments: str) -> list[str]:
    """Lines of the nodes of one process, in the order of their names.

    Not those of Fast DDS, which complains there of what killed processes left behind.
    """
    command = [sys.executable, "-c", _SEVERAL, str(number), *arguments]
    environment = os.environ | {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(DOMAIN_ID),
    }
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    return sorted(line.removeprefix("said ") for line in lines if line.startswith("said "))


def test_one_process_has_a_node_for_each_camera(tmp_path: Path) -> None:
    namespaces = ["robot/left", "robot/right"]
    path = write_state_parameters("actionrec_node", namespaces, tmp_path)
    camera = [f"{name}:={topic}" for name, topic in namespace_remappings("orbbec", "eye").items()]
    remappings = [word for rule in camera for word in ("-r", rule)]
    own = ["--namespaces", "/robot/left", "/robot/right"]
    # As launched: what is of one namespace overrides what is of all.
    config = package_folder() / "config" / "actionrec_node.yaml"
    files = ["--params-file", str(config), "--params-file", str(path)]
    assert said_by(2, *own, "--ros-args", *remappings, *files) == [
        f"/robot/{side}/actionrec_node /robot/{side}/eye/color/image_raw"
        f" {tmp_path}/actionrec_node_{number}.json"
        for number, side in enumerate(("left", "right"))
    ]


def test_without_the_option_the_namespace_is_that_of_ros() -> None:
    (line,) = said_by(1, "--ros-args", "-r", "__ns:=/robot")
    assert line.split() == ["/robot/actionrec_node", "/robot/color/image_raw"]
