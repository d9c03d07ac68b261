# SPDX-License-Identifier: Apache-2.0
"""One run of the command that reads sources into a library."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tqdm import tqdm

from perception_kit.json_output import prepare_file, table_stream, write_json
from video_search.indexing import IndexOptions, Outcome, index_sources
from video_search.library import Library
from video_search.matchers import MatcherError
from video_search.models import Models
from video_search.pictures import PictureError
from video_search.sources import SourceError, SourceFile, find_sources
from video_search.tables import LibraryError

EXIT_FAILED_SOURCES, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130

_OPTIMIZE_EVERY = 50


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


def run(options: argparse.Namespace) -> int:
    """Index the sources, and say what became of them; returns the exit code."""
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
