# SPDX-License-Identifier: Apache-2.0
"""Starts the nodes for each of several cameras of one robot, and the fusion of their tracks.

``ros2 launch assistant_perception cameras.launch.py cameras:=front,back fixed_frame:=odom``

The nodes of a camera run in the namespace of its name, where they expect its driver, too. It has
the arguments of ``perception.launch.py``, which then hold for all cameras.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from perception_kit.resources import PACKAGE, package_folder
from perception_kit.ros.node_processes import (
    NODES,
    SHARING_NODES,
    fusion_remappings,
    several_cameras,
)

RESTART_DELAY_S = 2.0
# Launch arguments: default and description
ARGUMENTS = {
    "cameras": (None, "names of the cameras, separated by commas: the namespaces of their nodes"),
    "robot": ("", "namespace of all that, for several robots"),
    "camera": ("realsense", "preset in config/cameras, or a .yaml file like those"),
    "fixed_frame": ("odom", "TF frame in which positions of all cameras are compared"),
    "image_transport": (
        "",
        "raw, or compressed: colour on …/compressed, depth on …/compressedDepth; empty: as in"
        " config/",
    ),
    "use_sim_time": ("false", "take the time from /clock"),
}
COMPOSED = "composed"


def generate_launch_description() -> LaunchDescription:
    """The nodes of each camera, and the fusion."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    composed = DeclareLaunchArgument(
        COMPOSED,
        default_value="false",
        choices=["true", "false"],
        description="one process for the pose6d_node of all cameras, and one for their"
        " actionrec_node, each with one copy of its models",
    )
    return LaunchDescription([*arguments, composed, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes for the values of the arguments.

    Raises BringupError for fewer than two cameras, one that occurs twice, and an unknown preset.
    """
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    cameras, robot = several_cameras(given["cameras"]), given["robot"].strip("/")
    composed = LaunchConfiguration(COMPOSED).perform(context) == "true"
    shared = SHARING_NODES if composed else ()
    own = ",".join(name for name in NODES if name not in shared)

    # Arguments of an included file hold for those after it, too, unless they are given again.
    nodes: list[LaunchDescriptionEntity] = []
    for name in cameras:
        namespace = f"{robot}/{name}".strip("/")
        # TF has no namespaces: the name of the camera comes before those of its tracks.
        arguments = {"namespace": namespace, "tf_prefix": f"{name}/", "nodes": own}
        watched = {"watched": ",".join(NODES), "namespaces": ""}
        nodes.append(_perception(given, {**arguments, **watched}))
    if composed:
        namespaces = ",".join(f"{robot}/{name}".strip("/") for name in cameras)
        nodes.append(_perception(given, {"namespaces": namespaces, "nodes": ",".join(shared)}))
    return [*nodes, _fusion(cameras, robot, given), _supervisor(robot, given)]


def _perception(given: Mapping[str, str], arguments: Mapping[str, str]) -> LaunchDescriptionEntity:
    """Nodes of one camera, or those that all cameras share."""
    source = PythonLaunchDescriptionSource(str(Path(__file__).with_name("perception.launch.py")))
    for_all = {
        key: given[key] for key in ("camera", "fixed_frame", "image_transport", "use_sim_time")
    }
    own = {"camera_namespace": "", **for_all, **arguments}
    return IncludeLaunchDescription(source, launch_arguments=own.items())


def _fusion(cameras: list[str], robot: str, given: Mapping[str, str]) -> Node:
    """The node that joins the tracks of all cameras."""
    transport = {"image_transport": given["image_transport"]} if given["image_transport"] else {}
    return Node(
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
                **transport,
            },
        ],
        remappings=list(fusion_remappings(given["camera"], robot, cameras).items()),
        output="screen",
        respawn=True,
        respawn_delay=RESTART_DELAY_S,
    )


def _supervisor(robot: str, given: Mapping[str, str]) -> Node:
    """What says on ``/diagnostics`` that the fusion is gone."""
    return Node(
        package=PACKAGE,
        executable="supervisor_node",
        name="supervisor_node",
        namespace=robot,
        parameters=[
            {"nodes": ["fusion_node"], "use_sim_time": given["use_sim_time"] == "true"},
        ],
        output="screen",
        respawn=True,
        respawn_delay=RESTART_DELAY_S,
    )
