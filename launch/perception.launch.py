# SPDX-License-Identifier: Apache-2.0
"""Starts the three perception nodes on a running camera, and keeps them alive.

``ros2 launch assistant_perception perception.launch.py camera:=realsense``

A node that dies is started again, up to a limit; then the launch ends with exit code 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit, OnShutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from perception_kit.resources import PACKAGE, package_folder
from perception_kit.ros.node_processes import (
    LINKS,
    NODE_ENVIRONMENT,
    NODES,
    OPTIONAL_NODES,
    BringupError,
    camera_remappings,
    process_environment,
    with_state_files,
)
from perception_kit.temporary import temporary_folder

RESTART_DELAY_S = 2.0
RESTARTS = 5  # of one node

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
    "camera_name": ("", "camera_name that the driver was started with; empty: the preset's"),
    "params_file": (
        "",
        "YAML file of node parameters, of all that config/ has; what it leaves out stays as in"
        " config/, and the arguments below override it",
    ),
    "image_transport": (
        "",
        "raw, or compressed: colour on …/compressed, depth on …/compressedDepth; empty: as in"
        " config/",
    ),
    "device": ("", "cpu, cuda, cuda:N or auto; empty: as in config/"),
    "segmentation_model": ("", "segmentation model file; empty: as in config/"),
    "pose_model": ("", "pose model file; empty: as in config/"),
    "action_model": ("", "action model file; empty: as in config/"),
    "fixed_frame": (
        "",
        "TF frame that stands still, such as odom, where the camera moves; empty: as in config/",
    ),
    "tf_prefix": ("", "put before the names of TF frames of tracks; empty: as in config/"),
}
SWITCHES = {
    "publish_tf": "a TF frame for each track with a pose",
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
    """The nodes for the values of the arguments.

    Raises BringupError for an unknown camera, and where RViz is asked for but not installed:
    nothing is started then.
    """
    given = {name: LaunchConfiguration(name).perform(context) for name in (*ARGUMENTS, *SWITCHES)}
    namespace, use_sim_time = given["namespace"], given["use_sim_time"] == "true"
    if given["rviz"] == "true":
        _check_rviz()
    camera = camera_remappings(
        given["camera"], namespace, given["camera_namespace"], given["camera_name"]
    )
    own_file = [given["params_file"]] if given["params_file"] else []

    # What is given overrides config/.
    own = {
        "pose6d_node": {
            "segmentation_model": given["segmentation_model"],
            "pose_model": given["pose_model"],
            "device": given["device"],
        },
        "tracker_node": {
            "pose_model": given["pose_model"],
            "fixed_frame": given["fixed_frame"],
            "tf_prefix": given["tf_prefix"],
            "publish_tf": given["publish_tf"] == "true",
        },
        "actionrec_node": {"model": given["action_model"], "device": given["device"]},
        "video_search_node": {},
    }
    transport = {"image_transport": given["image_transport"]} if given["image_transport"] else {}
    for name in ("pose6d_node", "actionrec_node", "video_search_node"):
        own[name] |= transport

    # Restarted nodes go on from their last state.
    folders = ExitStack()
    own = with_state_files(own, folders.enter_context(temporary_folder("state")))
    end = OnShutdown(on_shutdown=lambda event, context: folders.close())

    nodes: list[LaunchDescriptionEntity] = [RegisterEventHandler(end)]
    chosen = [*NODES, *(OPTIONAL_NODES if given["video_search"] == "true" else ())]
    for name in chosen:
        parameters = {parameter: value for parameter, value in own.get(name, {}).items() if value}
        config = package_folder() / "config" / f"{name}.yaml"
        node = Node(
            package=PACKAGE,
            executable=name,
            name=name,
            namespace=namespace,
            parameters=[str(config), *own_file, parameters | {"use_sim_time": use_sim_time}],
            remappings=list((camera | LINKS.get(name, {})).items()),
            additional_env=NODE_ENVIRONMENT.get(name, {}),
            output="screen",
            respawn=True,
            respawn_delay=RESTART_DELAY_S,
            respawn_max_retries=RESTARTS,
        )
        nodes += [
            node,
            RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_limit(name))),
        ]

    supervisor = Node(
        package=PACKAGE,
        executable="supervisor_node",
        name="supervisor_node",
        namespace=namespace,
        parameters=[{"use_sim_time": use_sim_time}],
        output="screen",
        respawn=True,
        respawn_delay=RESTART_DELAY_S,
    )
    nodes.append(supervisor)
    if given["rviz"] != "true":
        return nodes

    scene = Node(
        package=PACKAGE,
        executable="scene_node",
        name="scene_node",
        namespace=namespace,
        parameters=[{"use_sim_time": use_sim_time} | transport],
        remappings=list(camera.items()),
        output="screen",
    )
    return [*nodes, scene, _rviz(namespace, camera, use_sim_time)]


def _limit(name: str) -> Callable[[ProcessExited, LaunchContext], None]:
    """Handler that ends the launch when a node has ended more often than it is restarted.

    An exception out of a handler ends the launch with exit code 1; a Shutdown event would give 0.
    """
    endings = 0

    def ended(event: ProcessExited, context: LaunchContext) -> None:
        nonlocal endings
        endings += 1
        if context.is_shutdown:
            return
        code = event.returncode
        if code == os.EX_CONFIG or endings > RESTARTS:
            raise RuntimeError(f"{name} ended {endings} times, now with exit code {code}: given up")

    return ended


def _check_rviz() -> None:
    """Raise BringupError where RViz is not installed."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError as error:
        raise BringupError(
            "rviz:=true needs the package rviz2, which is not installed: install"
            " ros-$ROS_DISTRO-rviz2, or leave rviz:=true away"
        ) from error


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
