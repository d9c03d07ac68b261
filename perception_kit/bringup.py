# SPDX-License-Identifier: Apache-2.0
"""Starts the nodes without ``ros2 launch``, until Ctrl-C.

``python -m perception_kit.bringup --camera realsense``
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from time import sleep

from perception_kit.processes import run_command
from perception_kit.ros.node_processes import (
    NODES,
    OPTIONAL_NODES,
    BringupError,
    NodeGroup,
    camera_remappings,
    start_nodes,
)

_POLL_S = 0.5


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the bring-up."""
    parser = argparse.ArgumentParser(
        prog="python -m perception_kit.bringup",
        description="Run the perception nodes of this package.",
    )
    parser.add_argument(
        "--camera",
        default="realsense",
        help="preset in config/cameras, or a .yaml file like those (default %(default)s)",
    )
    parser.add_argument(
        "--namespace", default="", help="ROS namespace of all nodes (default: none)"
    )
    parser.add_argument(
        "--camera-namespace",
        default="",
        help="namespace of the camera's topics (default: that of the nodes, else the preset's)",
    )
    parser.add_argument(
        "--nodes",
        nargs="+",
        choices=sorted(NODES | OPTIONAL_NODES),
        default=list(NODES),
        metavar="NODE",
        help="only these nodes",
    )

    # Parameters of the nodes
    parser.add_argument("--device", help="cpu, cuda, cuda:N or auto (default: as in config/)")
    for kind in ("segmentation", "pose", "action"):
        parser.add_argument(f"--{kind}-model", help=f"{kind} model file (default: as in config/)")
    parser.add_argument("--use-sim-time", action="store_true", help="take the time from /clock")

    parser.add_argument(
        "--log-dir", type=Path, help="write what the nodes print to NODE.log in this folder"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the nodes and wait for Ctrl-C.

    Returns the exit code: 0, or 1 when a node ended by itself or cannot be started.
    """
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the nodes, too
    try:
        group = start_nodes(
            node_parameters(options),
            camera_remappings(options.camera, options.namespace, options.camera_namespace),
            options.namespace,
            log_dir=options.log_dir,
            nodes=options.nodes,
        )
    except (BringupError, FileNotFoundError) as error:
        print(f"bringup: {error}", file=sys.stderr)
        return 1

    with group:
        return wait(group)


def node_parameters(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Parameters that were given on the command line, by node."""
    given = {
        "pose6d_node": {
            "segmentation_model": options.segmentation_model,
            "pose_model": options.pose_model,
            "device": options.device,
        },
        "tracker_node": {"pose_model": options.pose_model},
        "actionrec_node": {"model": options.action_model, "device": options.device},
        "video_search_node": {},
    }
    for parameters in given.values():
        parameters["use_sim_time"] = True if options.use_sim_time else None

    return {
        node: {name: value for name, value in parameters.items() if value is not None}
        for node, parameters in given.items()
    }


def wait(group: NodeGroup) -> int:
    """Wait until Ctrl-C or until no node is left; returns the exit code.

    A node that ends by itself is named, and the others go on; the exit code is 1 then, else 0.
    """
    ended: set[str] = set()
    try:
        while True:
            for name, code in group.poll().items():
                if code is not None and name not in ended:
                    ended.add(name)
                    log = group.log_path(name) or "above"
                    text = f"bringup: {name} ended with return code {code}; its log: {log}"
                    print(text, file=sys.stderr)

            if len(ended) == len(group.poll()):
                return 1
            sleep(_POLL_S)
    except KeyboardInterrupt:
        return 1 if ended else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
