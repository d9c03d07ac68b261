# SPDX-License-Identifier: Apache-2.0
"""The LanceDB tables of a library, which several processes read and write at once."""

from __future__ import annotations

import fcntl
import re
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import lancedb
import pyarrow as pa
from lancedb.index import FTS, Bitmap, BTree, IvfFlat

from video_search.schema import FORMAT_VERSION, REWRITTEN_KEY, SOURCES, TAGS, VERSION_KEY

_TAGS, _SOURCES = "tags", "sources"
_LOCK, _WRITE_LOCK = ".lock", ".write_lock"
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


class LibraryError(ValueError):
    """A library cannot be opened, read or written; the message says why and what to do."""


class LibraryTables:
    """The tables ``tags`` and ``sources`` of one library.

    Every method that writes does so as a whole or not at all, whatever ends the process, and may
    run in several processes at once. Methods raise LibraryError.
    """

    def __init__(self, uri: str, connection: Any) -> None:
        """Use ``open`` or ``create``."""
        self.uri = uri
        self._connection = connection
        self.tags = self._opened(_TAGS)
        self.sources = self._opened(_SOURCES)

    @classmethod
    def open(cls, uri: str) -> LibraryTables:
        """The tables of the library at ``uri``."""
        if _is_local(uri) and not Path(uri).is_dir():
            raise LibraryError(
                f"there is no library at '{uri}': make one with python -m video_search.index"
                f" {uri} SOURCE"
            )
        with reported(uri, "opened"):
            connection = lancedb.connect(uri)
            names = set(connection.list_tables().tables)
        if not {_TAGS, _SOURCES} <= names:
            raise LibraryError(
                f"'{uri}' is no library of video_search: it has no tables '{_TAGS}' and"
                f" '{_SOURCES}'; name the folder given to python -m video_search.index"
            )
        return cls(uri, connection)

    @classmethod
    def create(cls, uri: str) -> LibraryTables:
        """The tables of the library at ``uri``, made first where there are none."""
        folder = Path(uri)
        with reported(uri, "made"):
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
                _make_missing(uri, connection)
                tables = cls(uri, connection)
                _index(tables.tags)
        return tables

    def _opened(self, name: str) -> Any:
        with reported(self.uri, "opened"):
            try:
                table = self._connection.open_table(name)
            except ValueError as error:  # a table without its versions
                raise OSError(str(error)) from error
            found = (table.schema.metadata or {}).get(VERSION_KEY, b"none").decode()
        if found != FORMAT_VERSION:
            raise LibraryError(
                f"the library '{self.uri}' is of format {found}, and this release reads"
                f" {FORMAT_VERSION}: index its sources again into a new library, or use the release"
                " that wrote it"
            )
        return table

    @property
    def folder(self) -> Path | None:
        """Where the tables lie; None for those on object storage."""
        return Path(self.uri) if _is_local(self.uri) else None

    @property
    def rewritten(self) -> bytes:
        """Changes whenever the tags were written anew, as far as ``refresh`` has seen."""
        return (self.tags.schema.metadata or {}).get(REWRITTEN_KEY, b"")

    def refresh(self) -> None:
        """See what other processes have written since."""
        with reported(self.uri, "read"):
            self.tags.checkout_latest()
            self.sources.checkout_latest()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Sees all that was written, and lets other writers wait.

        Of two that write the same ids at once, neither would see the rows of the other, and both
        would add theirs. Optimizing, which takes long, waits for nobody.
        """
        with (
            reported(self.uri, "written"),
            _locked(self.uri, exclusive=False),
            _locked(self.uri, exclusive=True, name=_WRITE_LOCK),
        ):
            self.refresh()
            yield

    def merge(self, table: Any, rows: pa.Table, instead_of: str = "") -> None:
        """Add rows to a table, or replace those with the same ids, in one step, while ``writing``.

        With ``instead_of``, an SQL condition, the other rows for which it holds are deleted.
        """
        merge = table.merge_insert("id")
        merge = merge.when_matched_update_all().when_not_matched_insert_all()
        if instead_of:
            merge = merge.when_not_matched_by_source_delete(instead_of)

        self._tried(lambda: merge.execute(rows, on_bad_vectors="null"))

    def _tried(self, write: Callable[[], object]) -> None:
        """Do it again where other processes, which optimize or use object storage, come first."""
        for attempt in range(_TRIES):
            try:
                write()
                return
            except (OSError, RuntimeError) as error:
                is_conflict = any(word in str(error) for word in _CONFLICT)
                if attempt + 1 == _TRIES or not is_conflict:
                    raise
                time.sleep(_PAUSE_S * 2**attempt)
                self.refresh()

    def optimize(self, history: timedelta) -> None:
        """Index what was added since, and merge small files.

        Files that only states older than ``history`` need are deleted.
        """
        with reported(self.uri, "optimized"), _locked(self.uri, exclusive=False):
            indexed = {name for index in self.tags.list_indices() for name in index.columns}
            described = self.tags.count_rows("descriptor_size > 0")
            if described >= MIN_INDEXED and "descriptor" not in indexed:
                self.tags.create_index("descriptor", config=_NEAREST)
            for table in (self.tags, self.sources):
                self._tried(partial(table.optimize, cleanup_older_than=history))

    @contextmanager
    def cleaning(self) -> Iterator[None]:
        """Sees all that was written, and lets other processes wait, to delete rows meanwhile."""
        with reported(self.uri, "cleaned"), _locked(self.uri, exclusive=True):
            self.refresh()
            yield

    def keep_tags(self, where: str) -> None:
        """Write the tags anew for which an SQL condition holds; others are in no file any more."""
        self.tags = self._rewritten(_TAGS, where)

    def keep_sources(self, where: str) -> None:
        """Do the same to the sources."""
        self.sources = self._rewritten(_SOURCES, where)

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


def _make_missing(uri: str, connection: Any) -> None:
    """Make the tables that a library lacks. Raises LibraryError where it has lost one of them."""
    rows = {name: _row_count(connection, name) for name in (_SOURCES, _TAGS)}
    # The tags come last: who sees them sees a whole library.
    for name, schema, other in ((_SOURCES, SOURCES, _TAGS), (_TAGS, TAGS, _SOURCES)):
        if rows[name] is None and rows[other]:
            raise LibraryError(
                f"the library '{uri}' is damaged: its table '{name}' is lost, and '{other}' has"
                f" {rows[other]} rows: bring it back from a backup, or index the sources again into"
                " a new library"
            )
        if rows[name] is None:
            connection.create_table(name, schema=schema, exist_ok=True)


def _row_count(connection: Any, name: str) -> int | None:
    """How many rows a table has; None where it is not there, or has lost its versions."""
    try:
        return int(connection.open_table(name).count_rows())
    except ValueError:
        return None


def _index(tags_table: Any) -> None:
    """Make the indices that the table lacks."""
    indexed = {name for index in tags_table.list_indices() for name in index.columns}
    for column, config in _INDICES.items():
        if column not in indexed:
            tags_table.create_index(column, config=config)


def _is_local(uri: str) -> bool:
    """Whether this is a folder. Raises LibraryError for none, or a slash too few."""
    if not uri.strip():
        raise LibraryError("the name of the library is empty: give a folder or an address")
    if typo := re.fullmatch(r"([a-z][a-z0-9+]+):/([^/].*)", uri):
        scheme, rest = typo.groups()
        raise LibraryError(
            f"'{uri}' is no address: write '{scheme}://{rest}', and as text, no Path"
        )
    return "://" not in uri


@contextmanager
def reported(uri: str, done: str) -> Iterator[None]:
    """LanceDB's errors as LibraryError: the library could not be ``done``."""
    try:
        yield
    except (OSError, RuntimeError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        hint = "see that it is there, whole, and that you may write to it"
        if "No space left" in str(error):
            hint = "make room on its disk; what was in it before is whole"
        raise LibraryError(f"the library '{uri}' could not be {done} ({reason}): {hint}") from error


@contextmanager
def _locked(uri: str, exclusive: bool, name: str = _LOCK) -> Iterator[None]:
    """Keeps ``forget`` and those who write or optimize apart, and with ``_WRITE_LOCK`` writers.

    Object storage has no locks: there, forgetting must be done while nobody writes, and a source is
    read by one command at a time.
    """
    if not _is_local(uri):
        yield
        return
    with (Path(uri) / name).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
