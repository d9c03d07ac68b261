# SPDX-License-Identifier: Apache-2.0
"""Finds moments in a library: by words, by a picture, by time, place and kind.

The words name things, actions and what was said; "near" and "with" between them ask for both at
once: "red mug near the person".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from perception_kit.arguments import CommandParser, bounded_int, program_name
from perception_kit.processes import run_command
from video_search.arguments import given, given_path
from video_search.tag import KINDS


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(prog=program_name("video_search.find"), description=__doc__)
    add = parser.add_argument
    add(
        "library",
        type=given,
        help="folder of the library, or its address such as s3://bucket/library",
    )
    add("query", nargs="?", default="", help='words, such as "mug near the person"')
    add("--image", type=given_path, help="picture of what to find")
    add("--kind", action="append", default=[], choices=KINDS, help="only tags of this kind")
    add("--since", type=given, help="a time as 2026-11-28T15:30, or an age as 2h or 3d")
    add("--until", type=given, help="as --since")
    add(
        "--source",
        action="append",
        type=given,
        default=[],
        help="only sources whose address ends so",
    )
    add("--track", type=int, help="only this track")
    add("--limit", type=bounded_int(1), default=10, help="moments at most (default: %(default)s)")
    add("--newest", action="store_true", help="the newest moments first, not the best")
    add("--vocabulary", type=given_path, help="YAML of own words, LABEL: [WORDS, …]")
    add("--json", type=Path, metavar="PATH", help="write the moments, - prints them instead")
    add("--clip", type=Path, metavar="DIR", help="cut the moments out as videos")
    add("--rrd", type=Path, metavar="FILE", help="write the moments for the Rerun viewer")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 1 where nothing was found."""
    options = parse_arguments(arguments)

    # A library takes seconds to import, which help and wrong options need not wait for.
    from video_search.find_run import run

    return run(options)


if __name__ == "__main__":
    sys.exit(run_command(main))
