# SPDX-License-Identifier: Apache-2.0
"""The three perception nodes on a running camera: ``ros2 launch assistant_perception
perception.launch.py camera:=realsense``.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from perception_kit.resources import PACKAGE, package_folder
from perception_kit.ros.bringup import (
    LINKS,
    NODE_ENVIRONMENT,
    NODES,
    camera_topics,
    process_environment,
)

RVIZ_TOPICS = (
    "scene_node/overlay",
    "scene_node/points",
    "scene_node/markers",
    "pose6d_node/markers",
    "tracker_node/markers",
)


def generate_launch_description() -> LaunchDescription:
    """Arguments, settings of the processes, and the nodes."""
    as_in_config = "; empty: as in config/"
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "camera",
                default_value="realsense",
                description="preset in config/cameras, or a .yaml file like those",
            ),
            DeclareLaunchArgument(
                "namespace", default_value="", description="namespace of all nodes"
            ),
            DeclareLaunchArgument(
                "device", default_value="", description="cpu, cuda, cuda:N or auto" + as_in_config
            ),
            DeclareLaunchArgument(
                "segmentation_model",
                default_value="",
                description="segmentation model file" + as_in_config,
            ),
            DeclareLaunchArgument(
                "pose_model", default_value="", description="pose model file" + as_in_config
            ),
            DeclareLaunchArgument(
                "action_model", default_value="", description="action model file" + as_in_config
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="false",
                choices=["true", "false"],
                description="show the results in RViz",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="false",
                choices=["true", "false"],
                description="take the time from /clock",
            ),
            *(SetEnvironmentVariable(name, value) for name, value in process_environment().items()),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes for the values of the arguments. Raises BringupError for an unknown camera."""
    given = {
        name: LaunchConfiguration(name).perform(context)
        for name in (
            "camera",
            "namespace",
            "device",
            "segmentation_model",
            "pose_model",
            "action_model",
            "rviz",
            "use_sim_time",
        )
    }
    own = {
        "pose6d_node": {
            "segmentation_model": given["segmentation_model"],
            "pose_model": given["pose_model"],
            "device": given["device"],
        },
        "tracker_node": {"pose_model": given["pose_model"]},
        "actionrec_node": {"model": given["action_model"], "device": given["device"]},
    }
    use_sim_time = given["use_sim_time"] == "true"
    cameras = camera_topics(given["camera"])
    nodes = [
        Node(
            package=PACKAGE,
            executable=name,
            name=name,
            namespace=given["namespace"],
            parameters=[
                str(package_folder() / "config" / f"{name}.yaml"),
                {parameter: value for parameter, value in own.get(name, {}).items() if value}
                | {"use_sim_time": use_sim_time},
            ],
            remappings=list((cameras | LINKS.get(name, {})).items()),
            additional_env=NODE_ENVIRONMENT.get(name, {}),
            output="screen",
        )
        for name in NODES
    ]
    if given["rviz"] != "true":
        return nodes
    scene = Node(
        package=PACKAGE,
        executable="scene_node",
        name="scene_node",
        namespace=given["namespace"],
        parameters=[{"use_sim_time": use_sim_time}],
        remappings=list(cameras.items()),
        output="screen",
    )
    return [*nodes, scene, _rviz(given["namespace"], cameras, use_sim_time)]


def _rviz(namespace: str, cameras: dict[str, str], use_sim_time: bool) -> Node:
    """RViz, whose configuration names the topics without a namespace, and those of the camera as
    the nodes do.
    """
    prefix = f"/{namespace.strip('/')}" if namespace else ""
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(package_folder() / "config" / "perception.rviz")],
        parameters=[{"use_sim_time": use_sim_time}],
        remappings=[
            *((f"/{topic}", f"{prefix}/{topic}") for topic in RVIZ_TOPICS),
            *((f"/{topic}", target) for topic, target in cameras.items()),
        ],
        output="screen",
    )
