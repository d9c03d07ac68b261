# SPDX-License-Identifier: Apache-2.0
"""The launch files and their configuration files.

The former run under the real ``launch`` and ``launch_ros``, where a full ROS 2 is sourced.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from perception_kit.resources import package_folder
from perception_kit.ros.node_processes import (
    NODES,
    SHARING_NODES,
    BringupError,
    camera_remappings,
    chosen_nodes,
    fusion_remappings,
    several_cameras,
)

try:
    from launch import LaunchDescription, LaunchService
    from launch.actions import EmitEvent, IncludeLaunchDescription, RegisterEventHandler
    from launch.event_handlers import OnProcessStart
    from launch.events import Shutdown
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    from launch_ros.actions import Node
except ImportError:
    Node = None

NO_LAUNCH = (
    "launch and launch_ros are not installed: source a full ROS 2, or run"
    " scripts/install_launch.sh, to check the launch files"
)
needs_launch = [pytest.mark.ros, pytest.mark.skipif(Node is None, reason=NO_LAUNCH)]
LAUNCH = package_folder() / "launch"


@pytest.fixture
def other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for RViz and ``ros2``, which are not started here."""
    for path in (tmp_path / "lib" / "rviz2" / "rviz2", tmp_path / "bin" / "ros2"):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\nexec sleep 60\n")
        path.chmod(0o755)
    marker = tmp_path / "share" / "ament_index" / "resource_index" / "packages" / "rviz2"
    marker.parent.mkdir(parents=True)
    marker.touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}:{os.environ['AMENT_PREFIX_PATH']}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(10 + os.getpid() % 90))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def launch(name: str, processes: int, **arguments: str) -> dict[str, list[str]]:
    """Command lines by executable of a launch file, which ends when ``processes`` have started."""
    commands: dict[str, list[str]] = {}
    note = started_into(commands)

    def started(event: Any, context: Any) -> EmitEvent | None:
        note(event, context)
        return EmitEvent(event=Shutdown()) if len(commands) == processes else None

    assert run_launch(name, arguments, started) == 0
    return commands


def started_into(commands: dict[str, list[str]]) -> Callable[[Any, Any], None]:
    """Handler that notes the command line of each process that is started."""

    def started(event: Any, context: Any) -> None:
        commands[Path(event.cmd[0]).name] = [argument_text(argument) for argument in event.cmd]

    return started


def run_launch(name: str, arguments: dict[str, str], started: Callable[[Any, Any], Any]) -> int:
    """Exit code of a launch file."""
    service = LaunchService(argv=[])
    source = PythonLaunchDescriptionSource(str(LAUNCH / name))
    handler = RegisterEventHandler(OnProcessStart(on_start=started))
    include = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    service.include_launch_description(LaunchDescription([handler, include]))
    return service.run()


def argument_text(argument: str) -> str:
    """An argument, or the text of the parameter file that it names."""
    return Path(argument).read_text() if "launch_params" in argument else argument


@pytest.mark.usefixtures("other_packages")
class TestLaunchFiles:
    """The command lines that the launch files lead to."""

    pytestmark = needs_launch

    def test_perception_starts_three_nodes_on_the_camera(self) -> None:
        commands = launch(
            "perception.launch.py",
            4,
            camera="orbbec",
            namespace="robot",
            segmentation_model="/own.safetensors",
        )
        assert sorted(commands) == sorted([*NODES, "supervisor_node"])
        pose6d = commands["pose6d_node"]
        assert {
            "__ns:=/robot",
            "depth/image_raw:=/robot/camera/depth/image_raw",
            str(LAUNCH.parent / "config" / "pose6d_node.yaml"),
        } <= set(pose6d)
        assert "segmentation_model: /own.safetensors" in "".join(pose6d)
        assert "use_sim_time: false" in "".join(pose6d)
        assert "pose_model" not in "".join(pose6d), "what is not given stays as in config/"
        assert "detections:=pose6d_node/detections" in commands["tracker_node"]

    def test_the_camera_may_have_a_namespace_of_its_own(self) -> None:
        commands = launch(
            "perception.launch.py", 4, namespace="robot", camera_namespace="/robot/head"
        )
        expected = "color/image_raw:=/robot/head/camera/color/image_raw"
        assert expected in commands["pose6d_node"]

    def test_nodes_that_are_not_started_are_not_missed(self) -> None:
        commands = launch("perception.launch.py", 3, nodes="tracker_node", video_search="true")
        parameters = "".join(commands["supervisor_node"])
        watched = [name for name in (*NODES, "video_search_node") if f"- {name}" in parameters]
        assert watched == ["tracker_node", "video_search_node"]

    @pytest.mark.parametrize("in_file", [True, False])
    def test_without_people_among_the_classes_whole_images_are_watched(
        self, in_file: bool, tmp_path: Path
    ) -> None:
        model = str(LAUNCH.parent / "models" / "ycbv" / "segmentation.safetensors")
        arguments = {"segmentation_model": model}
        if in_file:
            path = tmp_path / "own.yaml"
            values = {"segmentation_model": model}
            path.write_text(yaml.safe_dump({"pose6d_node": {"ros__parameters": values}}))
            arguments = {"params_file": str(path)}
        commands = launch("perception.launch.py", 4, **arguments)
        assert "per_person: false" in "".join(commands["actionrec_node"])

    def test_a_file_may_hold_every_parameter(self, tmp_path: Path) -> None:
        path = tmp_path / "own.yaml"
        path.write_text("/**/pose6d_node: {ros__parameters: {icp: true}}\n")
        commands = launch("perception.launch.py", 3, params_file=str(path), camera_name="head")
        pose6d = commands["pose6d_node"]
        config = str(LAUNCH.parent / "config" / "pose6d_node.yaml")
        assert pose6d.index(config) < pose6d.index(str(path)), "the later one overrides"
        assert "color/image_raw:=/camera/head/color/image_raw" in pose6d

    def test_rviz_is_started_when_asked_for(self) -> None:
        commands = launch("perception.launch.py", 6, rviz="true", namespace="robot")
        assert "__ns:=/robot" in commands["scene_node"]
        rviz = commands["rviz2"]
        assert str(LAUNCH.parent / "config" / "perception.rviz") in rviz
        assert "/tracker_node/markers:=/robot/tracker_node/markers" in rviz

    def test_every_argument_reaches_its_nodes(self, tmp_path: Path) -> None:
        own = tmp_path / "own.yaml"
        own.write_text("/**/pose6d_node: {ros__parameters: {icp: true}}\n")
        given = {
            "camera": "realsense",
            "namespace": "robot",
            "camera_namespace": "head",
            "camera_name": "eye",
            "image_transport": "compressed",
            "params_file": str(own),
            "fixed_frame": "odom",
            "tf_prefix": "robot/",
            "publish_tf": "true",
            "device": "cpu",
            "segmentation_model": "/own/segmentation.safetensors",
            "pose_model": "/own/pose.safetensors",
            "action_model": "/own/action.safetensors",
            "video_search": "true",
            "rviz": "true",
            "use_sim_time": "true",
            "nodes": ",".join(NODES),
            "watched": "",
            "namespaces": "",
        }
        declared = runpy.run_path(str(LAUNCH / "perception.launch.py"))
        assert set(given) == set(declared["ARGUMENTS"]) | set(declared["SWITCHES"])

        commands = launch("perception.launch.py", 7, **given)
        words = {name: " ".join(command) for name, command in commands.items()}
        receivers = {"pose6d_node", "actionrec_node", "video_search_node", "scene_node"}
        expected = {
            "color/image_raw:=/head/eye/color/image_raw": receivers,
            "image_transport: compressed": receivers,
            "__ns:=/robot": set(words) - {"rviz2"},
            "use_sim_time: true": set(words),
            str(own): {*NODES, "video_search_node"},
            "fixed_frame: odom": {"tracker_node"},
            "tf_prefix: robot/": {"tracker_node"},
            "publish_tf: true": {"tracker_node"},
            "device: cpu": {"pose6d_node", "actionrec_node"},
            "segmentation_model: /own/segmentation.safetensors": {"pose6d_node"},
            "pose_model: /own/pose.safetensors": {"pose6d_node", "tracker_node"},
            "model: /own/action.safetensors": {"actionrec_node"},
        }
        for text, nodes in expected.items():
            assert nodes <= {name for name, command in words.items() if text in command}, text

    def test_images_may_come_compressed(self) -> None:
        commands = launch(
            "perception.launch.py",
            7,
            rviz="true",
            video_search="true",
            image_transport="compressed",
        )
        receivers = ("pose6d_node", "actionrec_node", "video_search_node", "scene_node")
        for name in receivers:
            assert "image_transport: compressed" in "".join(commands[name])
        assert "image_transport" not in "".join(commands["tracker_node"])

    def test_without_rviz_nothing_is_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rest = os.environ["AMENT_PREFIX_PATH"].partition(":")[2]
        monkeypatch.setenv("AMENT_PREFIX_PATH", rest)
        commands: dict[str, list[str]] = {}
        arguments = {"rviz": "true"}
        assert run_launch("perception.launch.py", arguments, started_into(commands)) == 1
        assert commands == {}

    def test_a_node_that_cannot_live_ends_the_launch_with_an_error(self) -> None:
        assert run_launch("perception.launch.py", {"device": "abacus"}, lambda *_: None) == 1

    def test_the_memory_is_started_when_asked_for(self) -> None:
        commands = launch("perception.launch.py", 4, video_search="true")
        memory = commands["video_search_node"]
        assert "actions:=actionrec_node/actions" in memory
        assert str(LAUNCH.parent / "config" / "video_search_node.yaml") in memory

    def test_each_camera_has_nodes_of_its_own_and_all_have_one_fusion(self) -> None:
        started: list[list[str]] = []

        def note(event: Any, context: Any) -> EmitEvent | None:
            started.append([argument_text(argument) for argument in event.cmd])
            return EmitEvent(event=Shutdown()) if len(started) == 10 else None

        arguments = {"cameras": "front,back", "robot": "robot1", "publish_tf": "true"}
        arguments["image_transport"] = "compressed"
        assert run_launch("cameras.launch.py", arguments, note) == 0
        trackers = [" ".join(cmd) for cmd in started if Path(cmd[0]).name == "tracker_node"]
        assert sorted("__ns:=/robot1/front" in text for text in trackers) == [False, True]
        assert all("publish_tf: true" in text for text in trackers)
        assert all("fixed_frame: odom" in text for text in trackers)
        assert sorted("tf_prefix: front/" in text for text in trackers) == [False, True]
        (fusion,) = (cmd for cmd in started if Path(cmd[0]).name == "fusion_node")
        assert "__ns:=/robot1" in fusion
        assert "image_transport: compressed" in "".join(fusion)
        assert (
            "back/depth/image_raw:=/robot1/back/camera/aligned_depth_to_color/image_raw" in fusion
        )

    def test_cameras_may_share_the_processes_of_models(self) -> None:
        started: list[list[str]] = []

        def note(event: Any, context: Any) -> EmitEvent | None:
            started.append([argument_text(argument) for argument in event.cmd])
            return EmitEvent(event=Shutdown()) if len(started) == 8 else None

        given = {"cameras": "front,back", "robot": "r", "composed": "true", "device": "cpu"}
        assert run_launch("cameras.launch.py", given, note) == 0
        names = sorted(Path(command[0]).name for command in started)
        each = [*["supervisor_node"] * 3, "tracker_node", "tracker_node"]
        assert names == ["actionrec_node", "fusion_node", "pose6d_node", *each]
        supervisors = ["".join(cmd) for cmd in started if Path(cmd[0]).name == "supervisor_node"]
        assert sorted("fusion_node" in text for text in supervisors) == [False, False, True]
        assert sorted("pose6d_node" in text for text in supervisors) == [False, True, True]
        trackers = [command for command in started if Path(command[0]).name == "tracker_node"]
        assert {"__ns:=/r/front", "__ns:=/r/back"} <= {*trackers[0], *trackers[1]}

        for name, links in (
            ("pose6d_node", []),
            ("actionrec_node", ["tracks:=tracker_node/tracks"]),
        ):
            (command,) = (command for command in started if Path(command[0]).name == name)
            place = command.index("--namespaces")
            assert command[place : place + 3] == ["--namespaces", "/r/front", "/r/back"]
            assert {"color/image_raw:=camera/color/image_raw", *links} <= set(command)
            assert not any("__ns:=" in word for word in command)
            (parameters,) = (word for word in command if "device: cpu" in word)
            assert parameters.startswith("/**:"), "for the nodes of all namespaces"

    def test_replay_plays_the_bag_in_simulated_time(self) -> None:
        commands = launch("replay.launch.py", 5, bag="/data/bag", rate="0.5", loop="true")
        expected = "bag play /data/bag --clock --rate 0.5 --loop"
        assert commands["ros2"][1:] == expected.split()
        assert all("use_sim_time: true" in "".join(commands[name]) for name in NODES)


@pytest.mark.parametrize("camera", ["realsense", "azure_kinect", "orbbec"])
def test_a_camera_preset_names_every_input(camera: str) -> None:
    remappings = camera_remappings(camera)
    assert sorted(remappings) == ["color/camera_info", "color/image_raw", "depth/image_raw"]
    assert all(topic.startswith("/") for topic in remappings.values())


@pytest.mark.parametrize(
    ("arguments", "topic"),
    [
        ({}, "/camera/camera/color/image_raw"),
        ({"namespace": "robot1"}, "/robot1/camera/color/image_raw"),
        ({"namespace": "/robot2/"}, "/robot2/camera/color/image_raw"),
        ({"camera_namespace": "head"}, "/head/camera/color/image_raw"),
        (
            {"namespace": "robot1", "camera_namespace": "robot1/camera"},
            "/robot1/camera/camera/color/image_raw",
        ),
    ],
)
def test_each_robot_listens_to_its_own_camera(arguments: dict[str, str], topic: str) -> None:
    assert camera_remappings("realsense", **arguments)["color/image_raw"] == topic


def test_the_drivers_name_of_the_camera_may_be_another() -> None:
    topics = camera_remappings("realsense", camera_name="head")
    assert topics["color/image_raw"] == "/camera/head/color/image_raw"
    assert topics["depth/image_raw"] == "/camera/head/aligned_depth_to_color/image_raw"
    assert camera_remappings("orbbec", camera_name="head")["color/camera_info"] == (
        "/head/color/camera_info"
    )
    with pytest.raises(BringupError, match="'azure_kinect' has no camera_name"):
        camera_remappings("azure_kinect", camera_name="head")


def test_absolute_topics_of_a_file_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("color/image_raw: /fixed/image\ndepth/image_raw: near/depth\n")
    assert camera_remappings(str(path), "robot1") == {
        "color/image_raw": "/fixed/image",
        "depth/image_raw": "/robot1/near/depth",
    }


def test_an_unknown_camera_is_refused_with_the_choices() -> None:
    expected = r"camera 'webcam' is neither a preset \(azure_kinect, orbbec, realsense\) nor"
    with pytest.raises(BringupError, match=expected):
        camera_remappings("webcam")


def test_the_fusion_listens_to_the_depth_of_each_camera() -> None:
    topics = fusion_remappings("orbbec", "", ["front", "back"])
    assert len(topics) == 6
    assert topics["back/depth/image_raw"] == "/back/camera/depth/image_raw"


@pytest.mark.parametrize(
    ("names", "namespaces", "expected"),
    [
        ("tracker_node", "", (["tracker_node"], [])),
        (",".join(NODES), "", (list(NODES), [])),
        (
            "pose6d_node, actionrec_node",
            "/a/front,a/back",
            ([*SHARING_NODES], ["a/front", "a/back"]),
        ),
    ],
)
def test_nodes_may_be_chosen(
    names: str, namespaces: str, expected: tuple[list[str], list[str]]
) -> None:
    assert chosen_nodes(names, namespaces) == expected


@pytest.mark.parametrize(
    ("names", "namespaces"), [("camera_node", ""), ("", ""), ("tracker_node", "front,back")]
)
def test_nodes_that_cannot_be_chosen_are_named(names: str, namespaces: str) -> None:
    with pytest.raises(BringupError, match=f"nodes is '{names}': expected some of pose6d_node"):
        chosen_nodes(names, namespaces)


@pytest.mark.parametrize("names", ["front", "front,front,back", "front,,back", ""])
def test_fewer_than_two_cameras_are_refused(names: str) -> None:
    with pytest.raises(BringupError, match="expected two different names or more"):
        several_cameras(names)


def test_rviz_shows_topics_that_the_nodes_publish() -> None:
    config = yaml.safe_load((package_folder() / "config" / "perception.rviz").read_text())
    displays = config["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    drawn = {f"/scene_node/{name}" for name in ("overlay", "points", "markers")}
    assert topics == drawn | {"/color/image_raw", "/pose6d_node/markers", "/tracker_node/markers"}


def test_rviz_knows_every_name_of_its_configuration() -> None:
    known = yaml.safe_load((Path(__file__).parent / "data" / "rviz_names.yaml").read_text())
    config = yaml.safe_load((package_folder() / "config" / "perception.rviz").read_text())
    parts = [config["Panels"], config["Visualization Manager"]]
    assert set(properties(parts)) <= set(known["properties"])
    assert {kind for kind in values(parts, "Class") if kind} <= set(known["classes"])


def properties(node: Any) -> Iterator[str]:
    """The keys of a YAML tree."""
    for name, child in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(name, str):
            yield name
        if isinstance(child, dict | list):
            yield from properties(child)


def values(node: Any, key: str) -> Iterator[Any]:
    """What stands under ``key``, anywhere in a YAML tree."""
    for name, child in node.items() if isinstance(node, dict) else enumerate(node):
        if name == key:
            yield child
        elif isinstance(child, dict | list):
            yield from values(child, key)
