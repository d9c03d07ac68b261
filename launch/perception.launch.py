# SPDX-License-Identifier: Apache-2.0
"""Starts the three perception nodes on a running camera, and keeps them alive.

``ros2 launch assistant_perception perception.launch.py camera:=realsense``

A node that dies is started again, up to a limit; then the launch ends with exit code 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

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
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from perception_kit.resources import PACKAGE, package_folder
from perception_kit.ros.node_processes import (
    LINKS,
    NODE_ENVIRONMENT,
    NODES,
    OPTIONAL_NODES,
    STATEFUL,
    BringupError,
    camera_remappings,
    chosen_nodes,
    namespace_remappings,
    parameter_blocks,
    process_environment,
    state_folder,
    with_state_files,
    write_state_parameters,
)
from perception_kit.ros.person_class import missing_person_class, watch_whole_images

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
    "nodes": (",".join(NODES), "only these nodes, separated by commas"),
    "watched": (
        "",
        "the nodes that supervisor_node reports when they are gone, separated by commas; empty:"
        " those that are started",
    ),
    "namespaces": (
        "",
        "namespaces, separated by commas: pose6d_node and actionrec_node run for all of them in one"
        " process, with one copy of their models; empty: in the namespace",
    ),
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

    Raises BringupError for an unknown camera or node, and where RViz is asked for but not
    installed: nothing is started then.
    """
    given = {name: LaunchConfiguration(name).perform(context) for name in (*ARGUMENTS, *SWITCHES)}
    chosen, namespaces = chosen_nodes(given["nodes"], given["namespaces"])
    if namespaces:
        return _shared_nodes(chosen, namespaces, given)
    if given["rviz"] == "true":
        _check_rviz()
    camera = camera_remappings(
        given["camera"], given["namespace"], given["camera_namespace"], given["camera_name"]
    )

    folder, end = _state_folder()
    parameters = _own_parameters(chosen, given)
    if folder is not None:
        parameters = with_state_files(parameters, folder)

    nodes: list[LaunchDescriptionEntity] = [end]
    optional = OPTIONAL_NODES if given["video_search"] == "true" else ()
    for name in (*chosen, *optional):
        nodes += _perception_node(name, given, parameters.get(name, {}), camera)
    watched = given["watched"].split(",") if given["watched"] else chosen
    nodes.append(_supervisor(given, [*watched, *optional]))
    if given["rviz"] == "true":
        nodes += [_scene(given, camera), _rviz(given, camera)]
    return nodes


def _shared_nodes(
    names: Sequence[str], namespaces: Sequence[str], given: Mapping[str, str]
) -> list[LaunchDescriptionEntity]:
    """One process for each of the nodes ``names``, which runs it in each of the ``namespaces``."""
    folder, end = _state_folder()
    parameters = _own_parameters(names, given)
    camera = namespace_remappings(given["camera"], given["camera_name"])
    nodes: list[LaunchDescriptionEntity] = [end]
    for name in names:
        files = []
        if name in STATEFUL and folder is not None:
            files.append(write_state_parameters(name, namespaces, folder))
        nodes += _perception_node(name, given, parameters[name], camera, namespaces, files)
    return nodes


def _state_folder() -> tuple[Path | None, LaunchDescriptionEntity]:
    """Folder of the states from which restarted nodes go on, and what removes it in the end.

    None where there is no room for one.
    """
    folders = ExitStack()
    folder = state_folder(folders, get_logger("perception.launch").warning)
    end = OnShutdown(on_shutdown=lambda event, context: folders.close())
    return folder, RegisterEventHandler(end)


def _own_parameters(names: Sequence[str], given: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What the arguments give, by node: it overrides config/. What is empty is left out.

    Where of the nodes ``names`` one cannot find the people whom another is to watch, that is
    changed, after a warning.
    """
    own: dict[str, dict[str, Any]] = {
        "pose6d_node": {
            "segmentation_model": given["segmentation_model"],
            "pose_model": given["pose_model"],
            "device": given["device"],
            "image_transport": given["image_transport"],
        },
        "tracker_node": {
            "pose_model": given["pose_model"],
            "fixed_frame": given["fixed_frame"],
            "tf_prefix": given["tf_prefix"],
            "publish_tf": given["publish_tf"] == "true",
        },
        "actionrec_node": {
            "model": given["action_model"],
            "device": given["device"],
            "image_transport": given["image_transport"],
        },
        "video_search_node": {"image_transport": given["image_transport"]},
    }
    given_own = {
        node: {name: value for name, value in parameters.items() if value}
        for node, parameters in own.items()
    }
    if {"pose6d_node", "actionrec_node"} <= set(names):
        in_file = _file_parameters(given["params_file"])
        known = {node: in_file.get(node, {}) | values for node, values in given_own.items()}
        if fault := missing_person_class(known):
            get_logger("perception.launch").warning(watch_whole_images(given_own, fault))
    return given_own


def _file_parameters(path: str) -> dict[str, dict[str, Any]]:
    """Parameters of a file, by node; none where it cannot be read, of which its nodes tell."""
    try:
        return parameter_blocks(Path(path)) if path else {}
    except BringupError:
        return {}


def _common(given: Mapping[str, str], name: str) -> dict[str, Any]:
    """What all nodes of this package are started with."""
    return {
        "package": PACKAGE,
        "executable": name,
        "name": name,
        "namespace": given["namespace"],
        "output": "screen",
    }


def _sim_time(given: Mapping[str, str]) -> dict[str, bool]:
    return {"use_sim_time": given["use_sim_time"] == "true"}


def _perception_node(
    name: str,
    given: Mapping[str, str],
    parameters: Mapping[str, Any],
    camera: Mapping[str, str],
    namespaces: Sequence[str] = (),
    files: Sequence[Path] = (),
) -> list[LaunchDescriptionEntity]:
    """A node that is restarted, and what ends the launch when that does not help.

    With ``namespaces`` it is a process with a node in each of them. Parameters of the ``files``
    override all others.
    """
    config = package_folder() / "config" / f"{name}.yaml"
    own_file = [given["params_file"]] if given["params_file"] else []
    common = _common(given, name)
    if namespaces:
        # A namespace of the process would be that of all of its nodes.
        del common["namespace"]
        common["arguments"] = ["--namespaces", *(f"/{namespace}" for namespace in namespaces)]
    node = Node(
        **common,
        parameters=[
            str(config),
            *own_file,
            {**parameters, **_sim_time(given)},
            *map(str, files),
        ],
        remappings=list({**camera, **LINKS.get(name, {})}.items()),
        additional_env=NODE_ENVIRONMENT.get(name, {}),
        respawn=True,
        respawn_delay=RESTART_DELAY_S,
        respawn_max_retries=RESTARTS,
    )
    return [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_limit(name)))]


def _supervisor(given: Mapping[str, str], watched: list[str]) -> Node:
    """What says on ``/diagnostics`` which of the nodes ``watched`` is gone."""
    return Node(
        **_common(given, "supervisor_node"),
        parameters=[{"nodes": watched, **_sim_time(given)}],
        respawn=True,
        respawn_delay=RESTART_DELAY_S,
    )


def _scene(given: Mapping[str, str], camera: Mapping[str, str]) -> Node:
    """What draws for RViz."""
    transport = {"image_transport": given["image_transport"]} if given["image_transport"] else {}
    return Node(
        **_common(given, "scene_node"),
        parameters=[{**transport, **_sim_time(given)}],
        remappings=list(camera.items()),
    )


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


def _rviz(given: Mapping[str, str], camera: Mapping[str, str]) -> Node:
    """RViz, whose configuration names the nodes' topics without a namespace."""
    namespace = given["namespace"].strip("/")
    prefix = f"/{namespace}" if namespace else ""
    results = [(f"/{topic}", f"{prefix}/{topic}") for topic in RVIZ_TOPICS]
    inputs = [(f"/{topic}", target) for topic, target in camera.items()]
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(package_folder() / "config" / "perception.rviz")],
        parameters=[_sim_time(given)],
        remappings=[*results, *inputs],
        output="screen",
    )
