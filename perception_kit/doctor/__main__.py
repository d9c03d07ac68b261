# SPDX-License-Identifier: Apache-2.0
"""Diagnoses the running graph, or a bag: what would go wrong, and what to do about it.

Exit code: 0 when all is well, 1 when something is wrong, 2 for input that cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perception_kit.arguments import (
    CommandParser,
    add_camera_options,
    camera_config,
    program_name,
    with_json_path,
)
from perception_kit.bags.bag import BagError
from perception_kit.bags.recording import RECORDINGS_HELP
from perception_kit.camera_config import RELIABILITIES, CameraConfig
from perception_kit.doctor.bag_observer import observe_bag
from perception_kit.doctor.diagnosis import diagnose
from perception_kit.doctor.observation import Finding, Observation, TopicSeen
from perception_kit.json_output import is_stdout, prepare_file, write_json
from perception_kit.processes import run_command
from perception_kit.resources import package_folder, resolve_path
from perception_kit.ros.installed import ros_fault
from perception_kit.ros.node_processes import BringupError, camera_remappings

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

EXIT_FOUND, EXIT_BAD_INPUT = 1, 2
_LIVE_SECONDS = 5.0
_KINDS = ("segmentation", "pose", "action")
_ROLES = {
    "color/image_raw": "color",
    "depth/image_raw": "depth",
    "color/camera_info": "camera_info",
}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the doctor."""
    parser = CommandParser(
        prog=program_name("perception_kit.doctor"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--bag",
        type=Path,
        help=f"{RECORDINGS_HELP} (default: the running graph)",
    )

    # Topics
    parser.add_argument(
        "--camera",
        default="",
        help="preset in config/cameras, or a .yaml file like those, for the names of the topics",
    )
    parser.add_argument(
        "--camera-namespace",
        default="",
        help="namespace of the preset's topics (default: the preset's)",
    )
    parser.add_argument("--color-topic", help="colour images (default: found by name and type)")
    parser.add_argument(
        "--depth-topic", help="depth images aligned to colour (default: found by name and type)"
    )
    parser.add_argument(
        "--camera-info-topic",
        help="camera information of the colour images (default: found by name and type)",
    )

    # Parameters of the nodes
    add_camera_options(parser)
    parser.add_argument(
        "--slop",
        type=float,
        default=0.03,
        help="the parameter slop of pose6d_node, s (default: %(default)s)",
    )
    parser.add_argument(
        "--input-reliability",
        choices=RELIABILITIES,
        default="best_effort",
        help="that parameter of the nodes (bag only)",
    )
    for kind in _KINDS:
        parser.add_argument(
            f"--{kind}-model",
            help="model file (default: that of the running node, else the demo's)",
        )

    parser.add_argument(
        "--seconds",
        type=float,
        help=f"how long to look (default: the whole bag; {_LIVE_SECONDS:g} s of the graph)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="PATH",
        help="write the findings as JSON; -: to standard output, only",
    )
    return parser.parse_args(with_json_path(arguments, has_positionals=False))


def main(arguments: Sequence[str] | None = None) -> int:
    """Observe, diagnose and print; returns the exit code."""
    options = parse_arguments(arguments)
    try:
        if options.json is not None:
            prepare_file(options.json)
        seen = _observe(options)
        findings = diagnose(seen)
        if options.json is not None:
            write_json(options.json, _report(seen, findings))
    except (BagError, BringupError, OSError) as error:
        print(f"doctor: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT

    if not is_stdout(options.json):
        _print(seen, findings)
    return EXIT_FOUND if findings else 0


def _observe(options: argparse.Namespace) -> Observation:
    # Topics by role: those of the camera, overridden by those of the options
    given = {
        role: topic
        for name, topic in camera_remappings(
            options.camera, camera_namespace=options.camera_namespace
        ).items()
        if (role := _ROLES.get(name))
    }
    named = {
        "color": options.color_topic,
        "depth": options.depth_topic,
        "camera_info": options.camera_info_topic,
    }
    given |= {role: topic for role, topic in named.items() if topic}

    config = camera_config(options)
    if options.bag is not None:
        seen = observe_bag(options.bag, given, options.seconds, options.input_reliability, config)
    else:
        seen = _observe_graph(given, options.seconds or _LIVE_SECONDS, config)
    seen.slop_s = options.slop

    # Models: of the running nodes or of the demo, overridden by those of the options
    asked = {
        kind: resolve_path(path) for kind in _KINDS if (path := getattr(options, f"{kind}_model"))
    }
    demo = package_folder() / "models" / "demo"
    default = {kind: demo / f"{kind}.safetensors" for kind in _KINDS}
    seen.models = {**(seen.models or default), **asked}
    return seen


def _observe_graph(given: Mapping[str, str], seconds: float, config: CameraConfig) -> Observation:
    """What runs here; without ROS 2, only that it is missing."""
    if fault := ros_fault():
        return Observation("this machine", ros_fault=fault)

    from perception_kit.doctor.live_observer import observe_graph

    return observe_graph(given, seconds, config)


def _report(seen: Observation, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "source": seen.source,
        "well": not findings,
        "findings": [asdict(finding) for finding in findings],
    }


def _print(seen: Observation, findings: Sequence[Finding]) -> None:
    print(f"Looked at {seen.source}.")
    for role, topic in seen.topics.items():
        print(f"  {role:12} {topic.topic}  {_describe(topic)}")

    for finding in findings:
        print(f"\n{finding.name}: {finding.what}\n  → {finding.advice}")

    plural = "" if len(findings) == 1 else "s"
    print(f"\n{len(findings)} fault{plural} found." if findings else "\nAll is well.")


def _describe(topic: TopicSeen) -> str:
    message = topic.sample
    if message is None:
        return "no message"
    rate = f", {1 / topic.period_s:.1f} a second" if topic.period_s else ""
    kind = f" {message.encoding}" if hasattr(message, "encoding") else _part_of_sensor(message)
    return f"{message.width}x{message.height}{kind}{rate}, {len(topic.stamps_ns)} messages"


def _part_of_sensor(info: CameraInfo) -> str:
    """Region of interest and binning, where the images are not the whole sensor."""
    part, roi = "", info.roi
    if roi.width and roi.height:
        part += f", of it {roi.width}x{roi.height} at ({roi.x_offset}, {roi.y_offset})"
    if max(info.binning_x, info.binning_y) > 1:
        part += f", binning {info.binning_x}x{info.binning_y}"
    return part


if __name__ == "__main__":
    sys.exit(run_command(main))
