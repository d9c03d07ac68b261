# SPDX-License-Identifier: Apache-2.0
"""Starts the nodes as processes, with the YAML and the settings that ``ros2 launch`` gives them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any

import yaml

from perception_kit.budgets import parse_yaml, regular
from perception_kit.processes import ends_with_parent, ignoring_interrupts
from perception_kit.resources import package_folder
from perception_kit.ros.shared_memory import remove_orphaned_segments
from perception_kit.temporary import temporary_folder

NODES = {
    "pose6d_node": "pose6d_node.node",
    "tracker_node": "tracker_node.node",
    "actionrec_node": "actionrec_node.node",
}
# Started only where they are asked for: they keep what they see.
OPTIONAL_NODES = {"video_search_node": "video_search.node"}
_MODULES = NODES | OPTIONAL_NODES

# Inputs of a node that are results of another, relative to the namespace of both.
LINKS = {
    "tracker_node": {"detections": "pose6d_node/detections", "poses": "pose6d_node/poses"},
    "actionrec_node": {"tracks": "tracker_node/tracks"},
    "video_search_node": {
        "detections": "pose6d_node/detections",
        "poses": "pose6d_node/poses",
        "tracks": "tracker_node/tracks",
        "actions": "actionrec_node/actions",
    },
}

# Nodes of which one process can run those of several cameras, with one copy of the models.
SHARING_NODES = ("pose6d_node", "actionrec_node")

# Nodes that keep a state for the process that takes their place.
STATEFUL = ("tracker_node", "actionrec_node")

# More than one BLAS thread slows the tracker's small matrices down.
NODE_ENVIRONMENT = {"tracker_node": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}}

# Signals by which nodes are stopped, and the seconds after which the next one is sent.
_STOP_SIGNALS = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
_POLL_S = 0.02


class BringupError(ValueError):
    """The nodes cannot be started as asked; the message says what was expected."""


def process_environment() -> dict[str, str]:
    """Environment variables for the nodes, as far as they are not set yet.

    Fast DDS gets room for images of some MB in shared memory, and glibc keeps freed blocks instead
    of asking the system for each image again. OpenMP's threads sleep while they wait: spinning ones
    take the processor from the other nodes, which can cost each a factor of 10.
    """
    profile = str(package_folder() / "config" / "fastdds.xml")
    wanted = {
        "FASTRTPS_DEFAULT_PROFILES_FILE": profile,
        "FASTDDS_DEFAULT_PROFILES_FILE": profile,
        "MALLOC_MMAP_THRESHOLD_": str(2**30),
        "MALLOC_TRIM_THRESHOLD_": str(2**32),
        "MALLOC_TOP_PAD_": str(2**26),
        "OMP_WAIT_POLICY": "passive",
    }
    return {name: value for name, value in wanted.items() if name not in os.environ}


def camera_remappings(
    camera: str, namespace: str = "", camera_namespace: str = "", camera_name: str = ""
) -> dict[str, str]:
    """Remappings of the nodes' inputs to the topics of a camera; none for an empty name.

    ``camera`` is a preset of ``config/cameras`` or a YAML file like those. Its relative topics are
    in the ``camera_namespace``: where none is given, in the ``namespace`` of the nodes, so that
    each of several robots listens to its own camera, and without one in that of the file. A
    ``camera_name`` takes the place of the file's in its topics. Raises BringupError where the file
    does not exist, holds no topics or has no ``camera_name``.
    """
    if not camera:
        return {}

    folder = package_folder() / "config" / "cameras"
    path = Path(camera) if camera.endswith(".yaml") else folder / f"{camera}.yaml"
    if not path.is_file():
        presets = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise BringupError(
            f"camera '{camera}' is neither a preset ({presets}) nor a .yaml file with topic names"
        )
    topics = _camera_topics(path)
    default, own_name = topics.pop("camera_namespace", ""), topics.pop("camera_name", "")
    if camera_name:
        if not own_name:
            raise BringupError(
                f"camera '{camera}' has no camera_name: its driver's topics do not hold one"
            )
        topics = {
            name: topic.replace(f"{own_name}/", f"{camera_name}/", 1)
            for name, topic in topics.items()
        }
    prefix = (camera_namespace or namespace or default).strip("/")
    prefix = f"/{prefix}/" if prefix else "/"
    return {
        name: topic if topic.startswith("/") else prefix + topic for name, topic in topics.items()
    }


def _camera_topics(path: Path) -> dict[str, str]:
    """What a file like those of ``config/cameras`` holds. Raises BringupError."""
    try:
        topics = parse_yaml(regular(path).read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BringupError(f"camera '{path}' cannot be read: {error}") from error
    texts = [*topics, *topics.values()] if isinstance(topics, dict) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise BringupError(f"camera '{path}' has other things than lines of INPUT: TOPIC")
    return topics


def several_cameras(names: str) -> list[str]:
    """The names of several cameras, from a list with commas. Raises BringupError for fewer."""
    cameras = [name.strip().strip("/") for name in names.split(",")]
    if len(set(cameras)) < 2 or len(set(cameras)) < len(cameras) or not all(cameras):
        raise BringupError(
            f"cameras is '{names}', expected two different names or more, such as 'front,back'"
        )
    return cameras


def fusion_remappings(camera: str, robot: str, names: Sequence[str]) -> dict[str, str]:
    """Remappings of fusion_node's inputs to the topics of the cameras ``names``.

    Each has the driver of the preset ``camera`` in its own namespace below that of the ``robot``.
    Raises BringupError for an unknown preset.
    """
    return {
        f"{name}/{topic}": target
        for name in names
        for topic, target in camera_remappings(camera, f"{robot}/{name}").items()
    }


def namespace_remappings(camera: str, camera_name: str = "") -> dict[str, str]:
    """Remappings as ``camera_remappings`` gives them to nodes of any namespace, relative to it.

    Raises BringupError as that does.
    """
    topics = camera_remappings(camera, "namespace", camera_name=camera_name)
    return {name: topic.removeprefix("/namespace/") for name, topic in topics.items()}


def parameter_blocks(path: Path) -> dict[str, dict[str, Any]]:
    """Parameters of a ROS 2 parameter file, by node of any package, or ``**`` for all of them.

    Raises BringupError for a file that is none.
    """
    try:
        blocks = parse_yaml(regular(path).read_text())
        by_name = {
            str(name).rpartition("/")[2]: dict(block["ros__parameters"] or {})
            for name, block in blocks.items()
        }
    except (OSError, ValueError, AttributeError, TypeError, KeyError, yaml.YAMLError) as error:
        raise BringupError(
            f"'{path}' is no parameter file of ROS 2, with blocks NODE: ros__parameters: {error}"
        ) from error

    for name, values in by_name.items():
        for parameter, value in values.items():
            if not _is_parameter(value):
                raise BringupError(
                    f"'{path}': {parameter} of {name} is a {type(value).__name__}, expected true,"
                    " false, a number, a text or a list of these"
                )
    return by_name


def read_parameters(path: Path) -> dict[str, dict[str, Any]]:
    """Parameters of a ROS 2 parameter file, by node of this package.

    A block is named after a node, in any namespace, or ``/**`` for all of them. Raises BringupError
    for a file that is none.
    """
    by_name = parameter_blocks(path)
    for_all = by_name.pop("**", {})
    unknown = set(by_name) - set(_MODULES)
    if unknown:
        raise BringupError(
            f"'{path}' has parameters of {sorted(unknown)}, expected nodes of {sorted(_MODULES)}"
        )
    return {name: for_all | by_name.get(name, {}) for name in _MODULES}


def _is_parameter(value: Any) -> bool:
    """Whether ROS 2 has parameters of this kind."""
    elements = value if isinstance(value, list) else [value]
    return all(isinstance(element, bool | int | float | str) for element in elements)


def chosen_nodes(names: str, namespaces: str) -> tuple[list[str], list[str]]:
    """The nodes and the namespaces of lists with commas.

    Raises BringupError for a node that is unknown, or cannot run in several namespaces.
    """
    chosen, given = ([part.strip() for part in text.split(",")] for text in (names, namespaces))
    given = [namespace.strip("/") for namespace in given if namespace]
    expected = SHARING_NODES if given else tuple(NODES)
    if unknown := set(chosen) - set(expected):
        in_one = " in one process" if given else ""
        raise BringupError(
            f"nodes is '{names}': expected some of {', '.join(expected)}{in_one},"
            f" not {sorted(unknown)}"
        )
    return chosen, given


def state_folder(opened: ExitStack, warn: Callable[[str], None]) -> Path | None:
    """A folder for the states of nodes, until ``opened`` closes.

    None, after a warning, where there is no room for one: that must not keep the nodes from
    starting.
    """
    try:
        return opened.enter_context(temporary_folder("state"))
    except OSError as error:
        warn(f"states of nodes are not kept, a restart begins without tracks and alarms: {error}")
        return None


def with_state_files(
    parameters: Mapping[str, Mapping[str, Any]], folder: Path
) -> dict[str, dict[str, Any]]:
    """``parameters`` (node name to parameter to value) with the state files of nodes that have one.

    A restarted node goes on from it. The ``folder`` is new for each start of all nodes.
    """
    files = {name: {"state_file": str(folder / f"{name}.json")} for name in STATEFUL}
    return {
        name: {**files.get(name, {}), **parameters.get(name, {})} for name in {*files, *parameters}
    }


def write_state_parameters(name: str, namespaces: Sequence[str], folder: Path) -> Path:
    """A parameter file in which the node ``name`` has a state file for each of ``namespaces``.

    All are in the ``folder``, which is new for each start.
    """
    path = folder / f"{name}.yaml"
    blocks = {
        f"/{namespace}/{name}": {
            "ros__parameters": {"state_file": str(folder / f"{name}_{number}.json")}
        }
        for number, namespace in enumerate(namespaces)
    }
    path.write_text(yaml.safe_dump(blocks))
    return path


class NodeGroup:
    """Running node ``processes`` by name. Use as a context manager, or call ``stop``.

    ``environments`` are those of nodes that can be started again.
    """

    def __init__(
        self,
        processes: dict[str, subprocess.Popen],
        log_dir: Path | None,
        environments: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.processes = processes
        self._log_dir = log_dir
        self._environments = environments or {}

    def restart(self, name: str) -> None:
        """Start a node that has ended again, as it was started; its log goes on.

        Raises OSError where the machine has no room for another process or for the log.
        """
        remove_orphaned_segments()
        command = self.processes[name].args
        self.processes[name] = _start(command, self._environments[name], self.log_path(name), "a")

    def poll(self) -> dict[str, int | None]:
        """Return code of each node, negative for a signal; None while the node runs."""
        return {name: process.poll() for name, process in self.processes.items()}

    def log_path(self, name: str) -> Path | None:
        """File with the terminal output of a node; None where it goes to this terminal."""
        return None if self._log_dir is None else self._log_dir / f"{name}.log"

    def stop(self) -> dict[str, int]:
        """Stop all nodes, by force if they do not end, and return their return codes."""
        for number, patience_s in _STOP_SIGNALS:
            for process in self.processes.values():
                if process.poll() is None:
                    process.send_signal(number)

            end_s = monotonic() + patience_s
            while None in self.poll().values() and monotonic() < end_s:
                sleep(_POLL_S)

        return {name: process.wait() for name, process in self.processes.items()}

    def __enter__(self) -> NodeGroup:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def start_nodes(
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    remappings: Mapping[str, str] | None = None,
    namespace: str = "",
    domain_id: int | None = None,
    log_dir: Path | None = None,
    nodes: Collection[str] = tuple(NODES),
) -> NodeGroup:
    """Start ``nodes``, all or none, with their YAML of ``config/`` and return at once.

    The nodes end with the thread that calls this, however it ends. ``parameters`` (node name to
    parameter to value) override the YAML; ``remappings`` hold for all nodes. With a ``domain_id``
    the nodes stay on this machine. With a ``log_dir`` their terminal output goes to ``NODE.log``
    there.

    Raises BringupError for an unknown node.
    """
    parameters, remappings = parameters or {}, remappings or {}
    unknown = {*nodes, *parameters} - set(_MODULES)
    if unknown:
        raise BringupError(f"unknown nodes {sorted(unknown)}, expected some of {sorted(_MODULES)}")

    environment = os.environ | process_environment()
    if domain_id is not None:
        environment |= {
            "ROS_DOMAIN_ID": str(domain_id),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
    if log_dir is not None:
        log_dir.mkdir(parents=True, exist_ok=True)

    environments = {name: environment | NODE_ENVIRONMENT.get(name, {}) for name in nodes}
    group = NodeGroup({}, log_dir, environments)
    try:
        for name in nodes:
            own = parameters.get(name, {})
            command = ends_with_parent(_command(name, own, remappings, namespace))
            group.processes[name] = _start(command, environments[name], group.log_path(name), "w")
    except BaseException:  # Ctrl-C, too: all of them or none
        group.stop()
        raise
    return group


def _start(
    command: Any, environment: Mapping[str, str], log: Path | None, mode: str
) -> subprocess.Popen:
    """A process whose output goes to ``log``, opened in ``mode``; None: to this terminal.

    Ctrl-C in the terminal reaches it once it listens to that: in the middle of its imports, it
    would end with a traceback. SIGTERM ends it at once until then.
    """
    with ExitStack() as files:
        options: dict[str, Any] = {"env": environment}
        if log is not None:
            options |= {"stdout": files.enter_context(log.open(mode)), "stderr": subprocess.STDOUT}
        with ignoring_interrupts():
            return subprocess.Popen(command, **options)


def _command(
    name: str, parameters: Mapping[str, Any], remappings: Mapping[str, str], namespace: str
) -> list[str]:
    """Command line of one node, as ``ros2 launch`` would write it."""
    config = package_folder() / "config" / f"{name}.yaml"
    command = [sys.executable, "-m", _MODULES[name], "--ros-args", "--params-file", str(config)]

    # JSON is YAML, with every string in quotes.
    for parameter, value in parameters.items():
        command += ["-p", f"{parameter}:={json.dumps(value)}"]

    for topic, target in (LINKS.get(name, {}) | dict(remappings)).items():
        command += ["-r", f"{topic}:={target}"]
    if namespace:
        command += ["-r", f"__ns:=/{namespace.strip('/')}"]
    return command
