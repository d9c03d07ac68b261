# SPDX-License-Identifier: Apache-2.0
"""The library: tags and their sources in LanceDB, in a folder or on object storage."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from video_search.columns import ColumnCache, Columns
from video_search.footage import Footage
from video_search.query import Query, SearchResult
from video_search.relations import Relations
from video_search.schema import TAGS, quoted, sources_to_table, tag_from_row, tags_to_table
from video_search.tables import LibraryError, LibraryTables, reported
from video_search.tag import WALL_CLOCK, Source, Tag
from video_search.vocabulary import LIBRARY_FILE, Vocabulary, read_vocabulary
from video_search.wordnet import installed_wordnet


class Library:
    """Tags of many sources, searched by word, by likeness and by time.

    Every method that writes does so as a whole or not at all, whatever ends the process, and may
    run in several processes at once. Methods raise LibraryError.
    """

    def __init__(self, tables: LibraryTables) -> None:
        """Use ``open`` or ``create``."""
        self.uri = tables.uri
        self._tables = tables
        self.relations = Relations(_own_vocabulary(tables.folder), installed_wordnet())
        # What every search needs, by the version of the table that it was read from.
        self._cache = ColumnCache(self.tags_table)
        self._sources: tuple[int, list[Source]] = (-1, [])

    @classmethod
    def open(cls, uri: str | Path) -> Library:
        """The library in a folder, or at an address such as ``s3://bucket/library``."""
        return cls(LibraryTables.open(str(uri)))

    @classmethod
    def create(cls, uri: str | Path) -> Library:
        """The library at ``uri``, made first where there is none.

        A folder that holds something else is refused.
        """
        return cls(LibraryTables.create(str(uri)))

    @property
    def tags_table(self) -> Any:
        """LanceDB's table of the tags, another one after ``forget``."""
        return self._tables.tags

    # Writing

    def add(self, tags: Iterable[Tag]) -> None:
        """Add tags, or replace those with the same ids, in one step."""
        rows = tags_to_table(tags)
        if rows.num_rows:
            with self._tables.writing():
                self._tables.merge(self.tags_table, rows)

    def replace_source(self, source: Source, tags: Sequence[Tag]) -> None:
        """Make ``tags`` all that is known of a source, which is marked as done last.

        A kill in between leaves the tags, and a source that is not done, so it is read again.
        """
        foreign = next((tag.source for tag in tags if tag.source != source.id), None)
        if foreign is not None:
            raise LibraryError(f"a tag of source '{foreign}' cannot be added to '{source.id}'")

        rows = tags_to_table(tags)
        with self._tables.writing():
            self._tables.merge(self.tags_table, rows, instead_of=f"source = {quoted(source.id)}")
            self._put_source(replace(source, tag_count=rows.num_rows))

    def put_source(self, source: Source) -> None:
        """Add a source, or replace what was known of it; its tags stay."""
        with self._tables.writing():
            self._put_source(source)

    def _put_source(self, source: Source) -> None:
        rows = sources_to_table([replace(source, indexed_ns=source.indexed_ns or time.time_ns())])
        self._tables.merge(self._tables.sources, rows)

    def optimize(self, history: timedelta = timedelta(days=1)) -> None:
        """Index what was added since, and merge small files; searches get faster by it.

        Files that only states older than ``history`` need are deleted: whoever reads a library
        for longer without ``refresh`` must open it again.
        """
        self._tables.optimize(history)

    def forget(
        self,
        *,
        source: str | None = None,
        track_id: int | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        before_ns: int | None = None,
        keep_labels: Sequence[str] = (),
    ) -> int:
        """Delete the tags for which all that is given holds, and every trace of them.

        Tags that touch the time from ``since_ns`` to ``until_ns``, or that ended before
        ``before_ns``; those with one of ``keep_labels`` stay. Unless a source is named, times leave
        out sources whose stamps count from their start. A source that is named alone is forgotten
        itself. Video of live sources goes with the tags that it shows, and with the last of them
        where ``before_ns`` is given. Returns how many tags there were. Other processes wait
        meanwhile; their open libraries must be opened again.
        """
        conditions = []
        if source is not None:
            conditions.append(f"source = {quoted(source)}")
        if track_id is not None and track_id >= 2**63:
            raise LibraryError(f"a track has a smaller number, got {track_id}")
        if track_id is not None:
            conditions.append(f"track_id = {int(track_id)}")
        if since_ns is not None:
            conditions.append(f"end_ns >= {int(since_ns)}")
        if until_ns is not None:
            conditions.append(f"start_ns <= {int(until_ns)}")
        if before_ns is not None:
            conditions.append(f"end_ns < {int(before_ns)}")
        if not conditions:
            raise LibraryError("say what to forget: a source, a track or a time")
        untimed = [known.id for known in self.sources() if known.clock != WALL_CLOCK]
        if (
            source is None
            and untimed
            and any(t is not None for t in (since_ns, until_ns, before_ns))
        ):
            conditions.append(f"source NOT IN ({', '.join(map(quoted, untimed))})")
        if keep_labels:
            conditions.append(f"label NOT IN ({', '.join(map(quoted, keep_labels))})")

        where = " AND ".join(conditions)
        with self._tables.cleaning():
            folder = self._tables.folder
            footage = None if folder is None else Footage(folder)
            if footage is not None and before_ns is None:
                footage.delete_shown(self._spans(footage, where))
            count = int(self.tags_table.count_rows(where))
            if count:
                self._tables.keep_tags(f"NOT ({where})")
                self._cache = ColumnCache(self.tags_table)
            if source is not None and len(conditions) == 1:
                self._tables.keep_sources(f"id != {quoted(source)}")
            if footage is not None:
                footage.keep_shown(self._spans(footage))
        return count

    def _spans(self, footage: Footage, where: str = "") -> dict[str, np.ndarray]:
        """(N, 2) starts and ends of the tags of each source that has video."""
        spans = {}
        for source in footage.sources():
            mine = f"source = {quoted(source)}" + (f" AND {where}" if where else "")
            rows = self.tags_table.search().where(mine).select(["start_ns", "end_ns"]).to_arrow()
            times = [rows[name].to_numpy() for name in ("start_ns", "end_ns")]
            spans[source] = np.stack(times, axis=1)
        return spans

    # Reading

    @property
    def rewritten(self) -> bytes:
        """Changes whenever something was forgotten, as far as ``refresh`` has seen."""
        return self._tables.rewritten

    def refresh(self) -> None:
        """See what other processes have written since."""
        self._tables.refresh()

    def sources(self) -> list[Source]:
        """All sources by address, also those that failed."""
        with reported(self.uri, "read"):
            version = self._tables.sources.version
            if self._sources[0] != version:
                rows = self._tables.sources.search().to_arrow().to_pylist()
                read = sorted((Source(**row) for row in rows), key=lambda source: source.uri)
                self._sources = version, read
        return list(self._sources[1])

    def count(self, where: str = "") -> int:
        """Number of tags, of those that hold to an SQL condition on the columns of ``TAGS``."""
        with reported(self.uri, "read"):
            return int(self.tags_table.count_rows(where or None))

    def tags(self, where: str = "", thumbnails: bool = False) -> Iterator[Tag]:
        """Tags in the order of time, of those that hold to an SQL condition."""
        left_out = set() if thumbnails else {"thumbnail"}
        with reported(self.uri, "read"):
            search = self.tags_table.search().select(
                [name for name in TAGS.names if name not in left_out]
            )
            rows = (search.where(where) if where else search).to_arrow()
        for row in rows.sort_by("start_ns").to_pylist():
            yield tag_from_row(row)

    def columns(self) -> Columns:
        """What searches filter and rank by, of all tags."""
        with reported(self.uri, "read"):
            return self._cache.columns()

    def labels(self) -> tuple[str, ...]:
        """All labels, in order; the empty one of plain texts is left out."""
        return self.columns().labels()

    def find(self, query: Query | str) -> SearchResult:
        """The moments at which a query holds, the best first."""
        from video_search.search import search

        with reported(self.uri, "searched"):
            return search(self, Query(text=query) if isinstance(query, str) else query)


def _own_vocabulary(folder: Path | None) -> Vocabulary:
    """The words in the folder of a library, where it has some."""
    if folder is None or not (folder / LIBRARY_FILE).is_file():
        return {}
    return read_vocabulary(folder / LIBRARY_FILE)
