# SPDX-License-Identifier: Apache-2.0
"""Shows what the camera and the nodes see, without RViz: as a page for a browser (--serve), or
written to a file (--save). Ctrl-C ends it.

A file is opened with: ./run rerun FILE --serve-web --bind 127.0.0.1 (in a browser), or in the Rerun
viewer. Exit code: 0; 2 for input that cannot be used.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from perception_kit.arguments import (
    CommandParser,
    add_camera_options,
    camera_config,
    model_path,
    positive_float,
    program_name,
)
from perception_kit.camera_config import IMAGE_TRANSPORTS
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import run_command
from perception_kit.resources import package_folder
from perception_kit.ros.listener import listen_until_interrupted
from perception_kit.ros.node_processes import BringupError, camera_remappings
from perception_kit.view.meshes import load_shapes
from perception_kit.view.rerun_scene import RerunScene
from perception_kit.view.server import ServerError, serve_viewer

EXIT_BAD_INPUT = 2
# Rerun raises RuntimeError, for instance for a file that cannot be written.
_BAD_INPUT = (BringupError, DatasetError, ModelFileError, ServerError, OSError, RuntimeError)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the viewer."""
    parser = CommandParser(
        prog=program_name("perception_kit.view"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--save", type=Path, metavar="FILE.rrd", help="write a file")
    where.add_argument("--serve", action="store_true", help="serve a page for browsers")

    # What is shown
    parser.add_argument(
        "--camera",
        default="realsense",
        help="preset in config/cameras, or a .yaml file like those (default %(default)s)",
    )
    parser.add_argument(
        "--namespace", default="", help="ROS namespace of the nodes (default: none)"
    )
    parser.add_argument(
        "--camera-namespace",
        default="",
        help="namespace of the camera's topics (default: that of the nodes, else the preset's)",
    )
    parser.add_argument(
        "--models",
        type=Path,
        help="folder of the objects' meshes (default: the pose model's points)",
    )
    add_mesh_unit(parser.add_argument)
    parser.add_argument(
        "--pose-model",
        type=model_path,
        default=package_folder() / "models" / "demo" / "pose.safetensors",
        help="model file of the poses (default: the demo's)",
    )
    parser.add_argument(
        "--max-rate",
        type=positive_float,
        default=10.0,
        help="images a second that are shown at most (default %(default)s)",
    )

    add_camera_options(parser)
    parser.add_argument(
        "--image-transport",
        choices=IMAGE_TRANSPORTS,
        default="raw",
        help="compressed: receive color on …/compressed, depth on …/compressedDepth"
        " (default %(default)s)",
    )

    # The page
    parser.add_argument(
        "--bind",
        default="127.0.0.1",
        help="IP address at which the page is served; 0.0.0.0: also to other machines"
        " (default %(default)s)",
    )
    parser.add_argument("--port", type=int, default=9876, help="of the data (default %(default)s)")
    parser.add_argument(
        "--web-port", type=int, default=9090, help="of the page (default %(default)s)"
    )
    parser.add_argument(
        "--memory", default="1GiB", help="how much the page can look back at (default %(default)s)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show or save until Ctrl-C; returns the exit code."""
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # ends the server, too
    with ExitStack() as servers:
        try:
            remappings = camera_remappings(
                options.camera, options.namespace, options.camera_namespace
            )
            scene = RerunScene(load_shapes(options.models, options.pose_model, options.mesh_unit))
            if options.save is not None:
                scene.save(options.save)
            else:
                addresses = servers.enter_context(
                    serve_viewer(options.bind, options.port, options.web_port, options.memory)
                )
                scene.connect(addresses.data)
                print(f"open {addresses.page}", flush=True)
        except _BAD_INPUT as error:
            print(f"view: {error}", file=sys.stderr)
            return EXIT_BAD_INPUT

        try:
            counts = listen_until_interrupted(
                "view",
                scene,
                remappings,
                options.namespace,
                options.max_rate,
                replace(camera_config(options), image_transport=options.image_transport),
            )
        finally:
            scene.close()
        received = ", ".join(f"{count} {name}" for name, count in counts.items())
        print(f"view: received {received}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
