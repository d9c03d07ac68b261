# SPDX-License-Identifier: Apache-2.0
"""Starts the perception nodes on a recorded bag.

``ros2 launch assistant_perception replay.launch.py bag:=PATH rate:=1.0 loop:=false``

It has the arguments of ``perception.launch.py``, too. For measurements use ``python -m
perception_kit.replay``, which waits for the nodes.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration


def generate_launch_description() -> LaunchDescription:
    """The nodes in simulated time, and the player that gives it."""
    nodes = PythonLaunchDescriptionSource(str(Path(__file__).with_name("perception.launch.py")))
    simulated = {"use_sim_time": "true"}

    bag = DeclareLaunchArgument("bag", description="rosbag2 folder or file")
    rate = DeclareLaunchArgument(
        "rate", default_value="1.0", description="factor of the recorded speed"
    )
    loop = DeclareLaunchArgument(
        "loop",
        default_value="false",
        choices=["true", "false"],
        description="start again at the end",
    )
    include = IncludeLaunchDescription(nodes, launch_arguments=simulated.items())
    return LaunchDescription([bag, rate, loop, include, OpaqueFunction(function=_player)])


def _player(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """``ros2 bag play`` with /clock."""
    bag, rate, loop = (
        LaunchConfiguration(name).perform(context) for name in ("bag", "rate", "loop")
    )
    command = ["ros2", "bag", "play", bag, "--clock", "--rate", rate]
    if loop == "true":
        command.append("--loop")
    return [ExecuteProcess(cmd=command, output="screen")]
