# SPDX-License-Identifier: Apache-2.0
"""Starts the nodes for each of several cameras of one robot, and the fusion of their tracks.

``ros2 launch assistant_perception cameras.launch.py cameras:=front,back fixed_frame:=odom``

The nodes of a camera run in the namespace of its name, where they expect its driver, too. It has
the arguments of ``perception.launch.py``, which then hold for all cameras.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from perception_kit.resources import PACKAGE, package_folder
from perception_kit.ros.node_processes import fusion_remappings, several_cameras

RESTART_DELAY_S = 2.0
# Launch arguments: default and description
ARGUMENTS = {
    "cameras": (None, "names of the cameras, separated by commas: the namespaces of their nodes"),
    "robot": ("", "namespace of all that, for several robots"),
    "camera": ("realsense", "preset in config/cameras, or a .yaml file like those"),
    "fixed_frame": ("odom", "TF frame in which positions of all cameras are compared"),
    "use_sim_time": ("false", "take the time from /clock"),
}


def generate_launch_description() -> LaunchDescription:
    """The nodes of each camera, and the fusion."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes for the values of the arguments.

    Raises BringupError for fewer than two cameras, one that occurs twice, and an unknown preset.
    """
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    cameras, robot = several_cameras(given["cameras"]), given["robot"].strip("/")
    source = PythonLaunchDescriptionSource(str(Path(__file__).with_name("perception.launch.py")))

    # TF has no namespaces: the name of the camera comes before those of its tracks.
    nodes: list[LaunchDescriptionEntity] = []
    for camera in cameras:
        own = {
            "namespace": f"{robot}/{camera}".strip("/"),
            "camera_namespace": "",
            "tf_prefix": f"{camera}/",
            "fixed_frame": given["fixed_frame"],
            "camera": given["camera"],
            "use_sim_time": given["use_sim_time"],
        }
        nodes.append(IncludeLaunchDescription(source, launch_arguments=own.items()))

    fusion = Node(
        package=PACKAGE,
        executable="fusion_node",
        name="fusion_node",
        namespace=robot,
        parameters=[
            str(package_folder() / "config" / "fusion_node.yaml"),
            {
                "cameras": cameras,
                "fixed_frame": given["fixed_frame"],
                "use_sim_time": given["use_sim_time"] == "true",
            },
        ],
        remappings=list(fusion_remappings(given["camera"], robot, cameras).items()),
        output="screen",
        respawn=True,
        respawn_delay=RESTART_DELAY_S,
    )
    return [*nodes, fusion]
