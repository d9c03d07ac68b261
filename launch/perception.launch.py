# SPDX-License-Identifier: Apache-2.0
"""Starts the three perception nodes on a running camera.

``ros2 launch assistant_perception perception.launch.py camera:=realsense``
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from perception_kit.resources import PACKAGE, package_folder
from perception_kit.ros.node_processes import (
    LINKS,
    NODE_ENVIRONMENT,
    NODES,
    OPTIONAL_NODES,
    camera_remappings,
    process_environment,
)

RVIZ_TOPICS = (
    "scene_node/overlay",
    "scene_node/points",
    "scene_node/markers",
    "pose6d_node/markers",
    "tracker_node/markers",
)

# Launch arguments: default and description
ARGUMENTS = {
    "camera": ("realsense", "preset in config/cameras, or a .yaml file like those"),
    "namespace": ("", "namespace of all nodes"),
    "camera_namespace": (
        "",
        "namespace of the camera's topics; empty: that of the nodes, else the preset's",
    ),
    "device": ("", "cpu, cuda, cuda:N or auto; empty: as in config/"),
    "segmentation_model": ("", "segmentation model file; empty: as in config/"),
    "pose_model": ("", "pose model file; empty: as in config/"),
    "action_model": ("", "action model file; empty: as in config/"),
}
SWITCHES = {
    "video_search": "remember what is seen: video_search_node",
    "rviz": "show the results in RViz",
    "use_sim_time": "take the time from /clock",
}


def generate_launch_description() -> LaunchDescription:
    """Arguments, settings of the processes, and the nodes."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    switches = [
        DeclareLaunchArgument(
            name, default_value="false", choices=["true", "false"], description=description
        )
        for name, description in SWITCHES.items()
    ]

    environment = [
        SetEnvironmentVariable(name, value) for name, value in process_environment().items()
    ]
    return LaunchDescription([*arguments, *switches, *environment, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes for the values of the arguments. Raises BringupError for an unknown camera."""
    given = {name: LaunchConfiguration(name).perform(context) for name in (*ARGUMENTS, *SWITCHES)}
    namespace, use_sim_time = given["namespace"], given["use_sim_time"] == "true"
    camera = camera_remappings(given["camera"], namespace, given["camera_namespace"])

    # What is given overrides config/.
    own = {
        "pose6d_node": {
            "segmentation_model": given["segmentation_model"],
            "pose_model": given["pose_model"],
            "device": given["device"],
        },
        "tracker_node": {"pose_model": given["pose_model"]},
        "actionrec_node": {"model": given["action_model"], "device": given["device"]},
    }

    nodes = []
    chosen = [*NODES, *(OPTIONAL_NODES if given["video_search"] == "true" else ())]
    for name in chosen:
        parameters = {parameter: value for parameter, value in own.get(name, {}).items() if value}
        config = package_folder() / "config" / f"{name}.yaml"
        node = Node(
            package=PACKAGE,
            executable=name,
            name=name,
            namespace=namespace,
            parameters=[str(config), parameters | {"use_sim_time": use_sim_time}],
            remappings=list((camera | LINKS.get(name, {})).items()),
            additional_env=NODE_ENVIRONMENT.get(name, {}),
            output="screen",
        )
        nodes.append(node)
    if given["rviz"] != "true":
        return nodes

    scene = Node(
        package=PACKAGE,
        executable="scene_node",
        name="scene_node",
        namespace=namespace,
        parameters=[{"use_sim_time": use_sim_time}],
        remappings=list(camera.items()),
        output="screen",
    )
    return [*nodes, scene, _rviz(namespace, camera, use_sim_time)]


def _rviz(namespace: str, camera: dict[str, str], use_sim_time: bool) -> Node:
    """RViz, whose configuration names the nodes' topics without a namespace."""
    prefix = f"/{namespace.strip('/')}" if namespace else ""
    results = [(f"/{topic}", f"{prefix}/{topic}") for topic in RVIZ_TOPICS]
    inputs = [(f"/{topic}", target) for topic, target in camera.items()]
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(package_folder() / "config" / "perception.rviz")],
        parameters=[{"use_sim_time": use_sim_time}],
        remappings=[*results, *inputs],
        output="screen",
    )
