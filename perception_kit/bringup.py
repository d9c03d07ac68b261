# SPDX-License-Identifier: Apache-2.0
"""Bring-up without ``ros2 launch``: ``python -m perception_kit.bringup --camera realsense``.

Ctrl-C ends all nodes.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from time import sleep

from perception_kit.ros.bringup import NODES, BringupError, NodeGroup, camera_topics, start_nodes

_POLL_S = 0.5


def main(arguments: list[str] | None = None) -> int:
    """Start the nodes and wait for Ctrl-C; returns 0, or 1 when a node ended by itself or cannot be
    started.
    """
    args = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the nodes, too
    try:
        group = start_nodes(
            node_parameters(args),
            camera_topics(args.camera),
            args.namespace,
            log_dir=args.log_dir,
            nodes=args.nodes,
        )
    except (BringupError, FileNotFoundError) as error:
        print(f"bringup: {error}", file=sys.stderr)
        return 1
    with group:
        return wait(group)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
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
        "--nodes",
        nargs="+",
        choices=sorted(NODES),
        default=list(NODES),
        metavar="NODE",
        help="only these nodes",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:N or auto (default: as in config/)")
    parser.add_argument(
        "--segmentation-model", help="segmentation model file (default: as in config/)"
    )
    parser.add_argument("--pose-model", help="pose model file (default: as in config/)")
    parser.add_argument("--action-model", help="action model file (default: as in config/)")
    parser.add_argument("--use-sim-time", action="store_true", help="take the time from /clock")
    parser.add_argument(
        "--log-dir", type=Path, help="write what the nodes print to NODE.log in this folder"
    )
    return parser.parse_args(arguments)


def node_parameters(args: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Parameters that were given on the command line, by node."""
    given = {
        "pose6d_node": {
            "segmentation_model": args.segmentation_model,
            "pose_model": args.pose_model,
            "device": args.device,
        },
        "tracker_node": {"pose_model": args.pose_model},
        "actionrec_node": {"model": args.action_model, "device": args.device},
    }
    for parameters in given.values():
        parameters["use_sim_time"] = True if args.use_sim_time else None
    return {
        node: {name: value for name, value in parameters.items() if value is not None}
        for node, parameters in given.items()
    }


def wait(group: NodeGroup) -> int:
    """Wait until Ctrl-C (returns 0) or until no node is left (returns 1); a node that ends is
    named, the others go on.
    """
    ended: set[str] = set()
    try:
        while True:
            for name, code in group.poll().items():
                if code is not None and name not in ended:
                    ended.add(name)
                    print(
                        f"bringup: {name} ended with return code {code}; its log:"
                        f" {group.log_path(name) or 'above'}",
                        file=sys.stderr,
                    )
            if len(ended) == len(group.poll()):
                return 1
            sleep(_POLL_S)
    except KeyboardInterrupt:
        return 1 if ended else 0


if __name__ == "__main__":
    sys.exit(main())
