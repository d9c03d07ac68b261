# SPDX-License-Identifier: Apache-2.0
"""The library: tags and their sources in LanceDB, in a folder or on object storage."""

from __future__ import annotations

import fcntl
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, Bitmap, BTree, IvfFlat

from video_search.columns import ColumnCache, Columns
from video_search.footage import Footage
from video_search.query import Query, SearchResult
from video_search.relations import Relations
from video_search.schema import (
    FORMAT_VERSION,
    REWRITTEN_KEY,
    SOURCES,
    TAGS,
    VERSION_KEY,
    quoted,
    sources_to_table,
    tag_from_row,
    tags_to_table,
)
from video_search.tag import WALL_CLOCK, Source, Tag
from video_search.vocabulary import LIBRARY_FILE, Vocabulary, read_vocabulary
from video_search.wordnet import installed_wordnet

_TAGS, _SOURCES, _LOCK = "tags", "sources", ".lock"
# Words as they are: singular and plural, and what they mean, are up to the search.
_INDICES: dict[str, Any] = {
    "text": FTS(stem=False, remove_stop_words=False),
    "source": Bitmap(),
    "space": Bitmap(),
    "id": BTree(),
}
# Fewer descriptors are compared one by one, which is as fast. The partitions suit millions.
MIN_INDEXED = 50_000
_NEAREST = IvfFlat(distance_type="cosine", num_partitions=256, sample_rate=64, max_iterations=15)
# Writers of other processes may be faster; each try starts from what they wrote.
_TRIES, _PAUSE_S = 8, 0.05
_CONFLICT = ("conflict", "Retryable")
Result = TypeVar("Result")


class LibraryError(ValueError):
    """A library cannot be opened, read or written; the message says why and what to do."""


class Library:
    """Tags of many sources, searched by word, by likeness and by time.

    Every method that writes does so as a whole or not at all, whatever ends the process, and may
    run in several processes at once. Methods raise LibraryError.
    """

    def __init__(self, uri: str, connection: Any) -> None:
        """Use ``open`` or ``create``."""
        self.uri = uri
        self._connection = connection
        self.tags_table = self._opened(_TAGS)
        self.sources_table = self._opened(_SOURCES)
        self.relations = Relations(_own_vocabulary(uri), installed_wordnet())
        # What every search needs, by the version of the table that it was read from.
        self._cache = ColumnCache(self.tags_table)
        self._sources: tuple[int, list[Source]] = (-1, [])

    @classmethod
    def open(cls, uri: str | Path) -> Library:
        """The library in a folder, or at an address such as ``s3://bucket/library``."""
        uri = str(uri)
        if _is_local(uri) and not Path(uri).is_dir():
            raise LibraryError(
                f"there is no library at '{uri}': make one with python -m video_search.index"
                f" {uri} SOURCE"
            )
        with _reported(uri, "opened"):
            connection = lancedb.connect(uri)
            names = set(connection.list_tables().tables)
        if not {_TAGS, _SOURCES} <= names:
            raise LibraryError(
                f"'{uri}' is no library of video_search: it has no tables '{_TAGS}' and"
                f" '{_SOURCES}'; name the folder given to python -m video_search.index"
            )
        return cls(uri, connection)

    @classmethod
    def create(cls, uri: str | Path) -> Library:
        """The library at ``uri``, made first where there is none.

        A folder that holds something else is refused.
        """
        uri = str(uri)
        folder = Path(uri)
        with _reported(uri, "made"):
            if _is_local(uri):
                is_ours = (folder / f"{_TAGS}.lance").is_dir() or (folder / _LOCK).is_file()
                if folder.exists() and not is_ours and (folder.is_file() or any(folder.iterdir())):
                    raise LibraryError(
                        f"'{uri}' is no library and not empty: name a folder that does not exist"
                        " yet"
                    )
                folder.mkdir(parents=True, exist_ok=True)
            with _locked(uri, exclusive=True):
                connection = lancedb.connect(uri)
                # The tags come last: who sees them sees a whole library.
                connection.create_table(_SOURCES, schema=SOURCES, exist_ok=True)
                _index(connection.create_table(_TAGS, schema=TAGS, exist_ok=True))
        return cls.open(uri)

    def _opened(self, name: str) -> Any:
        with _reported(self.uri, "opened"):
            table = self._connection.open_table(name)
            found = (table.schema.metadata or {}).get(VERSION_KEY, b"none").decode()
        if found != FORMAT_VERSION:
            raise LibraryError(
                f"the library '{self.uri}' is of format {found}, and this release reads"
                f" {FORMAT_VERSION}: index its sources again into a new library, or use the release"
                " that wrote it"
            )
        return table

    # Writing

    def add(self, tags: Iterable[Tag]) -> None:
        """Add tags, or replace those with the same ids, in one step."""
        rows = tags_to_table(tags)
        if rows.num_rows:
            merge = self.tags_table.merge_insert("id")
            merge = merge.when_matched_update_all().when_not_matched_insert_all()
            self._write(lambda: merge.execute(rows, on_bad_vectors="null"))

    def replace_source(self, source: Source, tags: Sequence[Tag]) -> None:
        """Make ``tags`` all that is known of a source, which is marked as done last.

        A kill in between leaves the tags, and a source that is not done, so it is read again.
        """
        foreign = next((tag.source for tag in tags if tag.source != source.id), None)
        if foreign is not None:
            raise LibraryError(f"a tag of source '{foreign}' cannot be added to '{source.id}'")

        where = f"source = {quoted(source.id)}"
        merge = self.tags_table.merge_insert("id")
        merge = merge.when_matched_update_all().when_not_matched_insert_all()
        merge = merge.when_not_matched_by_source_delete(where)
        rows = tags_to_table(tags)
        self._write(lambda: merge.execute(rows, on_bad_vectors="null"))
        self.put_source(replace(source, tag_count=rows.num_rows))

    def put_source(self, source: Source) -> None:
        """Add a source, or replace what was known of it; its tags stay."""
        rows = sources_to_table([replace(source, indexed_ns=source.indexed_ns or time.time_ns())])
        merge = self.sources_table.merge_insert("id")
        merge = merge.when_matched_update_all().when_not_matched_insert_all()
        self._write(lambda: merge.execute(rows, on_bad_vectors="null"))

    def optimize(self, history: timedelta = timedelta(days=1)) -> None:
        """Index what was added since, and merge small files; searches get faster by it.

        Files that only states older than ``history`` need are deleted: whoever reads a library
        for longer without ``refresh`` must open it again.
        """
        with _reported(self.uri, "optimized"), _locked(self.uri, exclusive=False):
            indexed = {name for index in self.tags_table.list_indices() for name in index.columns}
            described = self.tags_table.count_rows("descriptor_size > 0")
            if described >= MIN_INDEXED and "descriptor" not in indexed:
                self.tags_table.create_index("descriptor", config=_NEAREST)
            for table in (self.tags_table, self.sources_table):
                table.optimize(cleanup_older_than=history)

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
        with _reported(self.uri, "cleaned"), _locked(self.uri, exclusive=True):
            self.refresh()
            footage = Footage(Path(self.uri)) if _is_local(self.uri) else None
            if footage is not None and before_ns is None:
                footage.delete_shown(self._spans(footage, where))
            count = int(self.tags_table.count_rows(where))
            if count:
                self.tags_table = self._rewritten(_TAGS, f"NOT ({where})")
                self._cache = ColumnCache(self.tags_table)
            if source is not None and len(conditions) == 1:
                self.sources_table = self._rewritten(_SOURCES, f"id != {quoted(source)}")
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

    def _rewritten(self, name: str, keep: str) -> Any:
        """The table without the other rows, which are in no file any more."""
        table = self._connection.open_table(name)
        rows = table.search().where(keep).to_batches()
        metadata = {**(table.schema.metadata or {}), REWRITTEN_KEY: uuid.uuid4().hex.encode()}
        reader = pa.RecordBatchReader.from_batches(table.schema.with_metadata(metadata), rows)
        written = self._connection.create_table(
            name, reader, mode="overwrite", on_bad_vectors="null"
        )
        if name == _TAGS:
            _index(written)
        with warnings.catch_warnings():  # of readers that fail: they are to
            warnings.simplefilter("ignore", UserWarning)
            written.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
        return written

    def _write(self, write: Callable[[], Result]) -> Result:
        """The result of a write, tried again while other processes write."""
        with _reported(self.uri, "written"), _locked(self.uri, exclusive=False):
            for attempt in range(_TRIES):
                try:
                    return write()
                except (OSError, RuntimeError) as error:
                    is_conflict = any(word in str(error) for word in _CONFLICT)
                    if attempt + 1 == _TRIES or not is_conflict:
                        raise
                    time.sleep(_PAUSE_S * 2**attempt)
                    self.refresh()
        raise AssertionError("the last try returns or raises")

    # Reading

    @property
    def rewritten(self) -> bytes:
        """Changes whenever something was forgotten, as far as ``refresh`` has seen."""
        return (self.tags_table.schema.metadata or {}).get(REWRITTEN_KEY, b"")

    def refresh(self) -> None:
        """See what other processes have written since."""
        self.tags_table.checkout_latest()
        self.sources_table.checkout_latest()

    def sources(self) -> list[Source]:
        """All sources by address, also those that failed."""
        with _reported(self.uri, "read"):
            version = self.sources_table.version
            if self._sources[0] != version:
                rows = self.sources_table.search().to_arrow().to_pylist()
                read = sorted((Source(**row) for row in rows), key=lambda source: source.uri)
                self._sources = version, read
        return list(self._sources[1])

    def count(self, where: str = "") -> int:
        """Number of tags, of those that hold to an SQL condition on the columns of ``TAGS``."""
        with _reported(self.uri, "read"):
            return int(self.tags_table.count_rows(where or None))

    def tags(self, where: str = "", thumbnails: bool = False) -> Iterator[Tag]:
        """Tags in the order of time, of those that hold to an SQL condition."""
        left_out = set() if thumbnails else {"thumbnail"}
        with _reported(self.uri, "read"):
            search = self.tags_table.search().select(
                [name for name in TAGS.names if name not in left_out]
            )
            rows = (search.where(where) if where else search).to_arrow()
        for row in rows.sort_by("start_ns").to_pylist():
            yield tag_from_row(row)

    def columns(self) -> Columns:
        """What searches filter and rank by, of all tags."""
        with _reported(self.uri, "read"):
            return self._cache.columns()

    def labels(self) -> tuple[str, ...]:
        """All labels, in order; the empty one of plain texts is left out."""
        return self.columns().labels()

    def find(self, query: Query | str) -> SearchResult:
        """The moments at which a query holds, the best first."""
        from video_search.search import search

        with _reported(self.uri, "searched"):
            return search(self, Query(text=query) if isinstance(query, str) else query)


def _own_vocabulary(uri: str) -> Vocabulary:
    """The words in the folder of a library, where it has some."""
    path = Path(uri) / LIBRARY_FILE
    return read_vocabulary(path) if _is_local(uri) and path.is_file() else {}


def _index(tags_table: Any) -> None:
    """Make the indices that the table lacks."""
    indexed = {name for index in tags_table.list_indices() for name in index.columns}
    for column, config in _INDICES.items():
        if column not in indexed:
            tags_table.create_index(column, config=config)


def _is_local(uri: str) -> bool:
    return "://" not in uri


@contextmanager
def _reported(uri: str, done: str) -> Iterator[None]:
    """LanceDB's errors as LibraryError."""
    try:
        yield
    except (OSError, RuntimeError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        hint = "see that it is there, whole, and that you may write to it"
        if "No space left" in str(error):
            hint = "make room on its disk; what was in it before is whole"
        raise LibraryError(f"the library '{uri}' could not be {done} ({reason}): {hint}") from error


@contextmanager
def _locked(uri: str, exclusive: bool) -> Iterator[None]:
    """Keeps ``forget`` and writers apart; writers do not wait for each other.

    Object storage has no locks: there, forgetting must be done while nobody writes.
    """
    if not _is_local(uri):
        yield
        return
    with (Path(uri) / _LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
