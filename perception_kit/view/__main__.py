# SPDX-License-Identifier: Apache-2.0
"""Shows what the camera and the nodes see, without RViz: as a page for a browser (--serve), or
written to a file (--save). Ctrl-C ends it.

A file is opened with: ./run rerun FILE --serve-web --bind 127.0.0.1 (in a browser), or in the Rerun
viewer. Exit code: 0; 2 for input that cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException

from perception_kit.arguments import positive_float
from perception_kit.datasets.files import DatasetError
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.resources import package_folder
from perception_kit.ros.bringup import BringupError, camera_topics
from perception_kit.view.live import ViewNode
from perception_kit.view.meshes import load_shapes
from perception_kit.view.recording import SceneRecording
from perception_kit.view.server import ServerError, serve_viewer

EXIT_BAD_INPUT = 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m perception_kit.view",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--save", type=Path, metavar="FILE.rrd", help="write a file")
    where.add_argument("--serve", action="store_true", help="serve a page for browsers")
    parser.add_argument(
        "--camera",
        default="realsense",
        help="preset in config/cameras, or a .yaml file like those (default %(default)s)",
    )
    parser.add_argument(
        "--namespace", default="", help="ROS namespace of the nodes (default: none)"
    )
    parser.add_argument(
        "--models",
        type=Path,
        help="BOP models folder with the objects' meshes (default: the pose model's points)",
    )
    parser.add_argument(
        "--pose-model",
        type=Path,
        default=package_folder() / "models" / "demo" / "pose.safetensors",
        help="model file of the poses (default: the demo's)",
    )
    parser.add_argument(
        "--max-rate",
        type=positive_float,
        default=10.0,
        help="images a second that are shown at most (default %(default)s)",
    )
    parser.add_argument(
        "--bind",
        default="127.0.0.1",
        help=(
            "IP address at which the page is served; 0.0.0.0: also to other machines (default"
            " %(default)s)"
        ),
    )
    parser.add_argument("--port", type=int, default=9876, help="of the data (default %(default)s)")
    parser.add_argument(
        "--web-port", type=int, default=9090, help="of the page (default %(default)s)"
    )
    parser.add_argument(
        "--memory", default="1GiB", help="how much the page can look back at (default %(default)s)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = _parser().parse_args(arguments)
    with ExitStack() as servers:
        try:
            topics = camera_topics(args.camera)
            recording = SceneRecording(load_shapes(args.models, args.pose_model))
            if args.save is not None:
                recording.save(args.save)
            else:
                addresses = servers.enter_context(
                    serve_viewer(args.bind, args.port, args.web_port, args.memory)
                )
                recording.connect(addresses.data)
                print(f"open {addresses.page}", flush=True)
        except (
            BringupError,
            DatasetError,
            ModelFileError,
            ServerError,
            OSError,
            RuntimeError,
        ) as error:
            print(f"view: {error}", file=sys.stderr)
            return EXIT_BAD_INPUT
        _show(recording, topics, args.namespace, args.max_rate)
    return 0


def _show(
    recording: SceneRecording, topics: Mapping[str, str], namespace: str, max_rate_hz: float
) -> None:
    """Log what is heard until Ctrl-C."""
    rclpy.init()  # its handlers of SIGINT and SIGTERM wake the node up where no message does
    node = ViewNode(recording, topics, namespace, max_rate_hz)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        print(
            "view: received " + ", ".join(f"{count} {name}" for name, count in node.counts.items()),
            file=sys.stderr,
        )
    finally:
        recording.close()
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
