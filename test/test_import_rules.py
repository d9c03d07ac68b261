# SPDX-License-Identifier: Apache-2.0
"""Imports run downwards, and only nodes and the ROS adapters know of ROS."""

from __future__ import annotations

import sys

import pytest
from python_imports import PACKAGES, imported, libraries_of, loaded_by, sources

# perception_kit from the bottom up: a room imports from its own row and the rows above it.
LAYERS = (
    (
        "types",
        "alarm_classes",
        "budgets",
        "closing",
        "colors",
        "boxes",
        "geometry",
        "image_checks",
        "json_output",
        "parameters",
        "resources",
        "processes",
        "stamps",
        "partial_file",
        "short_text",
        "picture_files",
    ),
    ("state_file", "temporary"),
    ("camera_config", "depth_scale"),
    ("arguments", "drawing", "fusion", "metrics", "networks"),
    ("datasets", "training", "videos"),
    ("bags", "ros"),
    ("synth", "evaluation"),
    ("report", "view"),
    ("doctor", "replay"),
    ("average", "bringup", "cli", "compare", "halve", "play"),  # commands
)
LEVEL = {room: level for level, row in enumerate(LAYERS) for room in row}
ROS = {"rclpy", "assistant_perception", "launch", "launch_ros"}
HEAVY = {"torch", "open3d", "trimesh", "rclpy"}
SLOW_TO_IMPORT = {
    "distributed",
    "fastapi",
    "lancedb",
    "lightning",
    "matplotlib",
    "plotly",
    "pyarrow",
    "pycocotools",
    "rerun",
    "scipy",
    "sklearn",
    "torchvision",
    "uvicorn",
}
KNOWS_ROS = ("perception_kit.ros",)  # beside the node.py of each package


def room_of(module: str) -> str:
    """The room of perception_kit that a module lies in."""
    return module.split(".")[1]


def test_every_room_has_a_level() -> None:
    rooms = {room_of(name) for name in sources("perception_kit") if "." in name}
    assert rooms == set(LEVEL)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_downwards(package: str) -> None:
    modules = sources(*PACKAGES)
    upwards = []
    for name, path in sources(package).items():
        for target in imported(path):
            if target not in modules or target in PACKAGES:
                continue
            to = target.partition(".")[0]
            if package == "perception_kit" and to == package and "." in name:
                if LEVEL[room_of(target)] > LEVEL[room_of(name)]:
                    upwards.append(f"{name} imports {target}")
            elif to not in (package, "perception_kit"):
                upwards.append(f"{name} imports {target}")
    assert not upwards


def test_rooms_do_not_import_each_other() -> None:
    modules = sources("perception_kit")
    edges = {
        (room_of(name), room_of(target))
        for name, path in modules.items()
        for target in imported(path)
        if target in modules and "." in name and "." in target
    }
    assert not {(a, b) for a, b in edges if a != b and (b, a) in edges}


def test_algorithms_know_nothing_of_ros() -> None:
    knowing = {
        f"{name} imports {target}"
        for name, path in sources(*PACKAGES).items()
        if not name.endswith(("_node.node", "video_search.node")) and not name.startswith(KNOWS_ROS)
        for target in imported(path)
        if target.partition(".")[0] in ROS
    }
    assert not knowing


@pytest.mark.parametrize(
    "command",
    [
        "actionrec_node.classify",
        "actionrec_node.clips",
        "actionrec_node.convert",
        "actionrec_node.evaluate",
        "actionrec_node.export",
        "actionrec_node.quantize",
        "actionrec_node.sweep",
        "actionrec_node.train",
        "actionrec_node.up_fall",
        "perception_kit.average",
        "perception_kit.compare",
        "perception_kit.halve",
        "perception_kit.replay.__main__",
        "perception_kit.synth.__main__",
        "pose6d_node.allow_bfloat16",
        "pose6d_node.convert",
        "pose6d_node.evaluate",
        "pose6d_node.export",
        "pose6d_node.find_people",
        "pose6d_node.train_pose",
        "pose6d_node.train_segmentation",
        "pose6d_node.update_objects",
        "video_search.find",
        "video_search.forget",
        "video_search.index",
        "video_search.serve",
    ],
)
def test_the_help_of_a_command_does_not_wait_for_what_it_runs(command: str) -> None:
    slow = HEAVY | SLOW_TO_IMPORT
    assert {name: by for name, by in libraries_of([command]).items() if name in slow} == {}


@pytest.mark.parametrize(
    "command",
    [
        "perception_kit.doctor.__main__",
        "video_search.find",
        "video_search.forget",
        "video_search.index",
        "video_search.serve",
    ],
)
def test_a_command_that_works_without_ros_imports_nothing_of_it(command: str) -> None:
    found = libraries_of([command])
    of_ros = {name: by for name, by in found.items() if name in ROS or name.endswith("_msgs")}
    assert of_ros == {}


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        (
            "from tracker_node import DeepSort, TrackerConfig",
            HEAVY,
        ),
        (
            "import perception_kit, pose6d_node, actionrec_node",
            HEAVY,
        ),
        ("from pose6d_node import PoseEstimator, Segmenter", {"rclpy"}),
        ("from actionrec_node import ActionRecognizer", {"rclpy"}),
    ],
)
@pytest.mark.slow
def test_an_import_loads_only_what_it_needs(statement: str, unwanted: set[str]) -> None:
    assert not loaded_by(statement, sys.executable) & unwanted
