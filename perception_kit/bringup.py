# SPDX-License-Identifier: Apache-2.0
"""Starts the nodes without ``ros2 launch``, and keeps them alive until Ctrl-C.

``python -m perception_kit.bringup --camera realsense``
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from perception_kit.arguments import CommandParser, program_name
from perception_kit.camera_config import IMAGE_TRANSPORTS
from perception_kit.processes import noting_signals, run_command
from perception_kit.ros.keep_alive import GaveUp, KeepAlive
from perception_kit.ros.node_processes import (
    NODES,
    OPTIONAL_NODES,
    NodeGroup,
    camera_remappings,
    read_parameters,
    start_nodes,
    state_folder,
    with_state_files,
)
from perception_kit.ros.participant import domain_of
from perception_kit.ros.person_class import missing_person_class, watch_whole_images
from perception_kit.ros.restarts import RestartPolicy
from perception_kit.ros.supervisor import Supervisor

GAVE_UP = 3  # exit code when a node could not be kept alive
FAILED = os.EX_SOFTWARE  # exit code when the supervision itself failed
_POLL_S = 0.2


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the bring-up."""
    parser = CommandParser(
        prog=program_name("perception_kit.bringup"),
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
        "--camera-name",
        default="",
        help="camera_name that the driver was started with (default: the preset's)",
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
    parser.add_argument(
        "--params-file",
        type=Path,
        help="YAML file of node parameters, of all that config/ has; what it leaves out stays as in"
        " config/, and the options below override it",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:N or auto (default: as in config/)")
    for kind in ("segmentation", "pose", "action"):
        parser.add_argument(f"--{kind}-model", help=f"{kind} model file (default: as in config/)")
    parser.add_argument(
        "--image-transport",
        choices=IMAGE_TRANSPORTS,
        help="compressed: receive color on …/compressed, depth on …/compressedDepth"
        " (default: as in config/)",
    )
    parser.add_argument("--use-sim-time", action="store_true", help="take the time from /clock")

    parser.add_argument(
        "--log-dir", type=Path, help="write what the nodes print to NODE.log in this folder"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the nodes, restart those that die or hang, and wait for Ctrl-C.

    Returns the exit code: 0, 1 when they cannot be started as asked, 3 when one could not be kept
    alive, which ends the others, too, or 70 for a fault of this command, which does so as well.
    """
    options = parse_arguments(arguments)

    with noting_signals() as asked_to_end, ExitStack() as opened:
        try:
            group = opened.enter_context(_start(options, opened))
        except (ValueError, OSError) as error:
            _say(str(error))
            return 1
        return keep_alive(group, asked_to_end, options.namespace)


def _start(options: argparse.Namespace, opened: ExitStack) -> NodeGroup:
    """The nodes as the command line asks for them; ``opened`` holds the folder of their states.

    Raises ValueError or OSError where they cannot be started so.
    """
    domain_of(os.environ)
    parameters = node_parameters(options)
    if {"pose6d_node", "actionrec_node"} <= set(options.nodes) and (
        fault := missing_person_class(parameters)
    ):
        _say(watch_whole_images(parameters, fault))
    if (folder := state_folder(opened, _say)) is not None:
        parameters = with_state_files(parameters, folder)

    remappings = camera_remappings(
        options.camera, options.namespace, options.camera_namespace, options.camera_name
    )
    return start_nodes(
        parameters,
        remappings,
        options.namespace,
        log_dir=options.log_dir,
        nodes=options.nodes,
    )


def node_parameters(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Parameters that were given in --params-file and on the command line, by node.

    Raises BringupError for a file that holds none.
    """
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
    for node in ("pose6d_node", "actionrec_node", "video_search_node"):
        given[node]["image_transport"] = options.image_transport
    for parameters in given.values():
        parameters["use_sim_time"] = True if options.use_sim_time else None

    from_file = {} if options.params_file is None else read_parameters(options.params_file)
    return {
        node: from_file.get(node, {})
        | {name: value for name, value in parameters.items() if value is not None}
        for node, parameters in given.items()
    }


def keep_alive(
    group: NodeGroup,
    asked_to_end: Event,
    namespace: str = "",
    domain_id: int | None = None,
    policy: RestartPolicy | None = None,
) -> int:
    """Restart nodes, and say on ``/diagnostics`` how they are, until ``asked_to_end``.

    Returns the exit code: 0 then, 3 when a node could not be kept alive, and 70 when this itself
    has failed.
    """
    try:
        with Supervisor(list(group.processes), namespace, domain_id) as supervisor:
            keeper = KeepAlive(group, supervisor.supervision, _say, policy)
            while not asked_to_end.is_set():
                keeper.check()
                supervisor.spin(_POLL_S)
    except GaveUp as error:
        _say(str(error))
        return GAVE_UP
    except Exception:  # exit code 1 would tell whoever started this that another try is of no use
        traceback.print_exc()
        _say("the supervision of the nodes failed: they are stopped")
        return FAILED
    return 0


def _say(text: str) -> None:
    print(f"bringup: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_command(main))
