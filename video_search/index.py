# SPDX-License-Identifier: Apache-2.0
"""Reads recordings, videos, pictures and texts into a library, which video_search.find searches.

A source that has not changed since is skipped; a damaged one is named, and the others go on. What
was interrupted goes on when the same command runs again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from perception_kit.arguments import (
    CommandParser,
    bounded_float,
    bounded_int,
    device,
    model_path,
    program_name,
)
from perception_kit.processes import run_command
from perception_kit.resources import package_folder
from video_search.arguments import given, given_path

# Nobody waits for longer between two frames; times that do not fit into 64 bits come of less.
_MIN_RATE = 1e-6


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(prog=program_name("video_search.index"), description=__doc__)
    add = parser.add_argument
    add(
        "library",
        type=given,
        help="folder of the library, or its address such as s3://bucket/library",
    )
    add(
        "sources",
        nargs="+",
        type=given_path,
        help="rosbags, folders of replays, videos, folders of pictures, texts with times (.srt,"
        " .vtt, .jsonl, .csv), or folders of these",
    )

    # What is looked for.
    demo = package_folder() / "models" / "demo"
    add(
        "--models",
        choices=("bags", "all", "none"),
        default="bags",
        help="sources without results that the three nodes run over: RGB-D recordings, also videos"
        " and pictures, or none (default: %(default)s; videos and pictures are then looked"
        " at by --patterns, --matcher and --faces alone)",
    )
    add("--segmentation-model", type=model_path, default=demo / "segmentation.safetensors")
    add("--pose-model", type=model_path, default=demo / "pose.safetensors")
    add("--action-model", type=model_path, default=demo / "action.safetensors")
    add("--device", type=device, default="auto", help="cpu, cuda, cuda:N or auto (default)")
    add(
        "--patterns",
        type=given_path,
        help="folder of pictures of flat patterns, called by their names",
    )
    add(
        "--matcher",
        action="append",
        default=[],
        metavar="NAME[=FOLDER]",
        help="an installed plug-in, with the folder of what it needs; may be given several times",
    )
    add(
        "--faces",
        type=given_path,
        metavar="FOLDER",
        help="folder with OpenCV's face models (face_detection_yunet….onnx,"
        " face_recognition_sface….onnx) and a picture of each person; off by default",
    )
    add(
        "--rate",
        type=bounded_float(_MIN_RATE),
        default=5.0,
        help="frames per second that patterns and plug-ins look at (default: %(default)s)",
    )

    # What is kept, and where it is made.
    add("--no-thumbnails", action="store_true", help="store no pictures, only what is in them")
    add("--no-descriptors", action="store_true", help="no search by picture for objects")
    add("--again", action="store_true", help="read sources that have not changed, too")
    add("--workers", type=bounded_int(1), default=1, help="sources read at a time (default: 1)")
    add("--scheduler", type=given, help="address of a Dask scheduler, such as tcp://host:8786")
    add("--json", type=Path, metavar="PATH", help="also write what was done, - to print it")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parse_arguments(arguments)

    # A library takes seconds to import, which help and wrong options need not wait for.
    from video_search.index_run import run

    return run(options)


if __name__ == "__main__":
    sys.exit(run_command(main))
