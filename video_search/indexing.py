# SPDX-License-Identifier: Apache-2.0
"""Reads many sources into a library: those that have changed, in parallel where asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from perception_kit.bags.bag import BagError
from perception_kit.budgets import BudgetError
from perception_kit.evaluation.run_folder import OutputError
from perception_kit.replay.cluster import as_ended, cluster_client, local_client
from perception_kit.ros.image import ImageError
from perception_kit.videos.video_file import VideoError
from video_search.describer import Describer
from video_search.faces import FaceMatcher
from video_search.ingest import Ingestion
from video_search.library import Library
from video_search.matchers import Matcher, MatcherError, load_plugin
from video_search.models import ModelRunError, Models
from video_search.patterns import PatternMatcher
from video_search.sources import SourceError, SourceFile, changed_since
from video_search.tag import Source
from video_search.texts import TextError

# What can be wrong with a source, as opposed to the library and the machine.
_SOURCE_ERRORS = (
    BagError, VideoError, TextError, ImageError, ModelRunError, OutputError, SourceError,
    BudgetError, MatcherError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class IndexOptions:
    """How sources are read, as it can be sent to another machine."""

    models: Models | None = None
    models_on_videos: bool = False
    patterns: Path | None = None
    matchers: tuple[str, ...] = ()
    faces: Path | None = None
    rate: float = 5.0
    thumbnails: bool = True
    descriptors: bool = True

    def ingestion(self) -> Ingestion:
        """What reads sources in this way. Raises MatcherError, PictureError or ModelFileError."""
        if self.models is not None:
            self.models.check()
        matchers: list[Matcher] = []
        if self.patterns is not None:
            matchers.append(PatternMatcher.of_folder(self.patterns))
        if self.faces is not None:
            matchers.append(FaceMatcher.of_folder(self.faces))
        for given in self.matchers:
            name, _, folder = given.partition("=")
            matchers.append(load_plugin(name, Path(folder) if folder else None))
        return Ingestion(
            matchers,
            self.models,
            self.models_on_videos,
            self.rate,
            self.thumbnails,
            Describer() if self.descriptors else None,
        )


@dataclass(frozen=True)
class Outcome:
    """What became of a source of ``size`` bytes.

    ``looked_at`` is False for a video, or pictures, of which the texts alone were read.
    """

    size: int
    path: str
    state: Literal["indexed", "unchanged", "failed"]
    tags: int = 0
    seconds: float = 0.0
    error: str = ""
    remarks: tuple[str, ...] = ()
    looked_at: bool = True

    def lines(self) -> list[str]:
        """What a person should know of it."""
        lines = [f"warning: {remark}" for remark in self.remarks]
        if self.state == "failed":
            lines.append(f"failed: {self.error}")
        return lines

    def as_json(self) -> dict[str, Any]:
        """For the report of the command."""
        return {
            "path": self.path,
            "state": self.state,
            "tags": self.tags,
            "seconds": round(self.seconds, 2),
            "error": self.error,
            "looked_at": self.looked_at,
        }


def index_sources(
    library: Library,
    files: Sequence[SourceFile],
    options: IndexOptions,
    again: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> Iterator[Outcome]:
    """Read each source that has changed, or all of them ``again``.

    ``progress`` is called with bytes that are done, until those of all sources are.
    With several ``workers`` or a ``scheduler``, on a Dask cluster whose machines see the same
    files. Raises LibraryError where the library itself fails, and OutputError for a cluster that
    cannot be reached.
    """
    known = {source.id: source for source in library.sources()}
    if workers == 1 and scheduler is None:
        ingestion = options.ingestion()
        for file in files:
            yield _index(library, file, ingestion, known.get(file.id), again, progress)
        return

    cluster = local_client(workers) if scheduler is None else cluster_client(scheduler)
    with cluster as client:
        futures = {
            client.submit(
                _index_apart, library.uri, file, options, known.get(file.id), again, pure=False
            ): file
            for file in files
        }
        for future in as_ended(client, futures):
            try:
                outcome = future.result()
            except Exception as error:  # of a worker that died, with the error of its machine
                outcome = _failed(library, futures[future], error)
            progress(outcome.size)
            yield outcome


_LOCAL = threading.local()


def _index_apart(
    uri: str, file: SourceFile, options: IndexOptions, known: Source | None, again: bool
) -> Outcome:
    """Index one source in a process of the cluster, which keeps its networks for the next."""
    if getattr(_LOCAL, "options", None) != options:
        _LOCAL.options, _LOCAL.ingestion = options, options.ingestion()
    return _index(Library.open(uri), file, _LOCAL.ingestion, known, again, lambda done: None)


def _index(
    library: Library,
    file: SourceFile,
    ingestion: Ingestion,
    known: Source | None,
    again: bool,
    progress: Callable[[int], object],
) -> Outcome:
    """Read one source, unless it is as it was."""
    started = time.monotonic()
    size = done = 0

    def advance(fraction: float) -> None:
        nonlocal done
        step = round(size * fraction) - done
        if step > 0:
            done += step
            progress(step)

    try:
        size, digest = file.size(), file.digest()
        is_known = known is not None and known.state == "done" and known.digest == digest
        if known is not None and is_known and known.settings == ingestion.settings and not again:
            if changed_since(file.path, known.indexed_ns):  # it only looks so
                library.put_source(replace(known, indexed_ns=0))
            looked_at = ingestion.looks_at(file)
            return Outcome(size, file.uri, "unchanged", known.tag_count, looked_at=looked_at)
        ingestion.remarks.clear()
        source, tags = ingestion.read(file, advance)
    except _SOURCE_ERRORS as error:
        return _failed(library, file, error)
    finally:
        progress(size - done)

    library.replace_source(replace(source, digest=digest), tags)
    seconds = time.monotonic() - started
    remarks = tuple(ingestion.remarks)
    looked_at = ingestion.looks_at(file)
    return Outcome(size, file.uri, "indexed", len(tags), seconds, "", remarks, looked_at)


def _failed(library: Library, file: SourceFile, error: Exception) -> Outcome:
    """Name a source that cannot be read, in the library, too; what was known of it stays."""
    message = str(error) if file.uri in str(error) else f"'{file.uri}': {error}"
    library.put_source(Source(file.id, file.uri, file.kind, state="failed", error=message))
    return Outcome(0, file.uri, "failed", error=message)
