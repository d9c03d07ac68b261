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

from tqdm import tqdm

from perception_kit.arguments import (
    CommandParser,
    bounded_float,
    bounded_int,
    device,
    model_path,
    program_name,
)
from perception_kit.json_output import prepare_file, table_stream, write_json
from perception_kit.processes import run_command
from video_search.arguments import given, given_path
from video_search.indexing import IndexOptions, Outcome, index_sources
from video_search.library import Library
from video_search.matchers import MatcherError
from video_search.models import Models
from video_search.pictures import PictureError
from video_search.sources import SourceError, SourceFile, find_sources
from video_search.tables import LibraryError

EXIT_FAILED_SOURCES, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
_OPTIMIZE_EVERY = 50
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
    demo = Models.demo()
    add(
        "--models",
        choices=("bags", "all", "none"),
        default="bags",
        help="sources without results that the three nodes run over: RGB-D recordings, also videos"
        " and pictures, or none (default: %(default)s; videos and pictures are then looked"
        " at by --patterns, --matcher and --faces alone)",
    )
    add("--segmentation-model", type=model_path, default=demo.segmentation)
    add("--pose-model", type=model_path, default=demo.pose)
    add("--action-model", type=model_path, default=demo.action)
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
    try:
        if options.json is not None:
            prepare_file(options.json)
        settings = IndexOptions(
            models=None if options.models == "none" else _models(options),
            models_on_videos=options.models == "all",
            patterns=options.patterns,
            matchers=tuple(options.matcher),
            faces=options.faces,
            rate=options.rate,
            thumbnails=not options.no_thumbnails,
            descriptors=not options.no_descriptors,
        )
        settings.ingestion()  # refuses what cannot be used before the work
        files = find_sources(options.sources)
        library = Library.create(options.library)
        failed = _index(library, files, settings, options)
    except (
        LibraryError, SourceError, MatcherError, PictureError, OSError, ValueError,
    ) as error:  # fmt: skip
        print(f"index: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("index: interrupted; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_FAILED_SOURCES if failed else 0


def _models(options: argparse.Namespace) -> Models:
    return Models(
        options.segmentation_model, options.pose_model, options.action_model, options.device
    )


def _index(
    library: Library,
    files: Sequence[SourceFile],
    settings: IndexOptions,
    options: argparse.Namespace,
) -> int:
    """Show how far it is, and say what became of each source; returns how many failed."""
    outcomes: list[Outcome] = []
    total = sum(file.size() for file in files)
    with tqdm(total=total, unit="B", unit_scale=True, desc="index", smoothing=0.1) as bar:
        for outcome in index_sources(
            library,
            files,
            settings,
            options.again,
            options.workers,
            options.scheduler,
            bar.update,
        ):
            outcomes.append(outcome)
            for line in outcome.lines():
                bar.write(line, file=sys.stderr)
            if len(outcomes) % _OPTIMIZE_EVERY == 0:
                library.optimize()

    counts = {state: 0 for state in ("indexed", "unchanged", "failed")}
    for outcome in outcomes:
        counts[outcome.state] += 1
    library.refresh()
    if counts["indexed"]:
        library.optimize()

    said = ", ".join(f"{number} {state}" for state, number in counts.items())
    tags = library.count()
    print(f"{said}; {tags} tags in '{library.uri}'", file=table_stream(options.json))
    if unseen := sum(not outcome.looked_at for outcome in outcomes):
        print(
            f"warning: nothing has looked at {unseen} of {len(outcomes)} sources, videos or folders"
            " of pictures: give --models all (slow), --patterns FOLDER or --matcher NAME",
            file=sys.stderr,
        )
    if options.json is not None:
        sources = [outcome.as_json() for outcome in outcomes]
        write_json(options.json, {**counts, "tags": tags, "sources": sources})
    return counts["failed"]


if __name__ == "__main__":
    sys.exit(run_command(main))
