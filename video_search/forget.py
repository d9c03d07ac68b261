# SPDX-License-Identifier: Apache-2.0
"""Deletes from a library by source, track or time, so that no file of it holds the tags any more.

What is given must all hold. Other processes wait meanwhile, and must open the library again.
Backups, and blocks that a disk has freed, cannot be reached.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perception_kit.arguments import CommandParser, bounded_int, program_name
from perception_kit.processes import run_command
from video_search.arguments import given
from video_search.times import parse_time

if TYPE_CHECKING:
    from video_search.library import Library

EXIT_NOTHING, EXIT_BAD_INPUT = 1, 2


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(prog=program_name("video_search.forget"), description=__doc__)
    add = parser.add_argument
    add("library", type=given, help="folder of the library, or its address")
    add(
        "--source",
        type=given,
        help="end of the address of a source; given alone, it is forgotten itself",
    )
    add("--track", type=bounded_int(0), metavar="ID", help="id of a track")
    add("--since", type=given, help="what was still seen then or later: 2h, 3d, or a time of day")
    add("--until", type=given, help="what was seen then or before")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 1 where there was nothing to forget, 2 for bad input."""
    options = parse_arguments(arguments)

    # A library takes seconds to import, which help and wrong options need not wait for.
    from video_search.library import Library
    from video_search.tables import LibraryError

    try:
        library = Library.open(options.library)
        count = library.forget(
            source=_source_id(library, options.source) if options.source is not None else None,
            track_id=options.track,
            since_ns=parse_time(options.since) if options.since is not None else None,
            until_ns=parse_time(options.until) if options.until is not None else None,
        )
    except (LibraryError, ValueError) as error:
        print(f"forget: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    print(f"{count} tags forgotten")
    return 0 if count or options.source is not None else EXIT_NOTHING


def _source_id(library: Library, end: str) -> str:
    """The one source whose address ends so; which of several is not guessed."""
    sources = library.sources()
    found = [source for source in sources if source.uri.endswith(end)]
    if len(found) != 1:
        named = ", ".join(source.uri for source in (found or sources)[:5]) or "none"
        some = "several sources end" if found else "no source ends"
        raise ValueError(f"{some} in '{end}': {named}; name one of them")
    return found[0].id


if __name__ == "__main__":
    sys.exit(run_command(main))
