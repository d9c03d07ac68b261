# SPDX-License-Identifier: Apache-2.0
"""The library and other stores, filled with the same tags and asked the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from bench.search_tags import SOURCES, Tags, library_rows
from video_search import Library, Query, Source
from video_search.schema import DESCRIPTOR_SIZE

TOP = 10
_CHUNK = 100_000


class NotThereError(RuntimeError):
    """A store is not installed; the message says how to install it."""


class LibraryStore:
    """The library as it is used, moments with their tags included."""

    name = "LanceDB (library)"

    def __init__(self, tags: Tags, folder: Path) -> None:
        self.library = Library.create(folder / "library")
        for number in range(SOURCES):
            self.library.put_source(Source(f"s{number}", f"s{number}", "bag", clock="wall"))
        for first in range(0, len(tags), _CHUNK):
            rows = slice(first, first + _CHUNK)
            self.library.tags_table.add(library_rows(tags, rows, first), on_bad_vectors="null")
        self.library.optimize()

    def by_label(self, label: int, since: int) -> list[str]:
        found = self.library.find(Query(f"label{label}", since_ns=since, limit=TOP))
        return [str(moment.tags[0].number) for moment in found]

    def by_text(self, word: str) -> list[str]:
        return [str(moment.tags[0].number) for moment in self.library.find(Query(word, limit=TOP))]

    def by_vector(self, vector: np.ndarray) -> list[str]:
        found = self.library.find(Query(descriptor=vector, space="bench", limit=TOP))
        return [str(moment.tags[0].number) for moment in found]


class SqliteStore:
    """B-tree on label, FTS5 on text, and an exact product with all descriptors in memory."""

    name = "SQLite + FTS5 + matrix"

    def __init__(self, tags: Tags, folder: Path) -> None:
        self.vectors = tags.descriptor
        self.db = sqlite3.connect(folder / "tags.sqlite")
        self.db.execute("CREATE TABLE tags (label INT, start INT, confidence REAL, source INT)")
        self.db.execute("CREATE VIRTUAL TABLE texts USING fts5(text)")
        columns = (tags.label, tags.start, tags.confidence, tags.source)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        self.db.executemany("INSERT INTO tags VALUES (?, ?, ?, ?)", rows)
        self.db.executemany("INSERT INTO texts(text) VALUES (?)", ((text,) for text in tags.text))
        self.db.execute("CREATE INDEX by_label ON tags (label, confidence DESC)")
        self.db.commit()

    def by_label(self, label: int, since: int) -> list[str]:
        sql = (
            "SELECT rowid - 1 FROM tags WHERE label = ? AND start >= ?"
            " ORDER BY confidence DESC LIMIT ?"
        )
        return [str(row[0]) for row in self.db.execute(sql, (label, since, TOP))]

    def by_text(self, word: str) -> list[str]:
        sql = "SELECT rowid - 1 FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?"
        return [str(row[0]) for row in self.db.execute(sql, (word, TOP))]

    def by_vector(self, vector: np.ndarray) -> list[str]:
        cosine = self.vectors @ vector
        return [str(row) for row in np.argpartition(-cosine, TOP)[:TOP]]


class DuckdbStore:
    """Columns, with the words looked for in the texts."""

    name = "DuckDB"

    def __init__(self, tags: Tags, folder: Path) -> None:
        self.db = duckdb.connect(str(folder / "tags.duckdb"))
        self.db.execute(
            "CREATE TABLE tags (id INT, label INT, start BIGINT, confidence FLOAT, text VARCHAR,"
            f" descriptor FLOAT[{DESCRIPTOR_SIZE}])"
        )
        for first in range(0, len(tags), _CHUNK):
            rows = slice(first, first + _CHUNK)
            values = pa.array(tags.descriptor[rows].reshape(-1))
            table = pa.table(
                {
                    "id": np.arange(first, first + len(tags.label[rows]), dtype=np.int32),
                    "label": tags.label[rows].astype(np.int32),
                    "start": tags.start[rows],
                    "confidence": tags.confidence[rows],
                    "text": tags.text[rows],
                    "descriptor": pa.FixedSizeListArray.from_arrays(values, DESCRIPTOR_SIZE),
                }
            )
            self.db.register("chunk", table)
            self.db.execute("INSERT INTO tags SELECT * FROM chunk")

    def _ids(self, sql: str, values: Sequence[object]) -> list[str]:
        return [str(row[0]) for row in self.db.execute(sql, values).fetchall()]

    def by_label(self, label: int, since: int) -> list[str]:
        sql = "SELECT id FROM tags WHERE label = ? AND start >= ? ORDER BY confidence DESC LIMIT ?"
        return self._ids(sql, [label, since, TOP])

    def by_text(self, word: str) -> list[str]:
        sql = "SELECT id FROM tags WHERE contains(' ' || text || ' ', ?) LIMIT ?"
        return self._ids(sql, [f" {word} ", TOP])

    def by_vector(self, vector: np.ndarray) -> list[str]:
        sql = (
            "SELECT id FROM tags ORDER BY array_cosine_similarity(descriptor,"
            f" ?::FLOAT[{DESCRIPTOR_SIZE}]) DESC LIMIT ?"
        )
        return self._ids(sql, [vector.tolist(), TOP])


class PostgresStore:
    """The server option: B-tree on label, GIN on the words of the texts, IVF of pgvector."""

    name = "PostgreSQL + pgvector"
    _WORDS = "to_tsvector('simple', text)"

    def __init__(self, tags: Tags, folder: Path) -> None:
        try:
            import pgserver
            import psycopg
        except ImportError as error:
            raise NotThereError(f"{error}; pip install pgserver psycopg[binary]") from error
        self._server = pgserver.get_server(folder / "postgres", cleanup_mode="delete")
        self.db = psycopg.connect(self._server.get_uri(), autocommit=True)
        self.db.execute("CREATE EXTENSION vector")
        self.db.execute(
            "CREATE TABLE tags (id INT, label INT, start BIGINT, confidence REAL, text TEXT,"
            f" descriptor vector({DESCRIPTOR_SIZE}))"
        )
        with self.db.cursor().copy("COPY tags FROM STDIN") as copy:
            for i in range(len(tags)):
                vector = "[" + ",".join(f"{value:.5f}" for value in tags.descriptor[i]) + "]"
                numbers = int(tags.label[i]), int(tags.start[i]), float(tags.confidence[i])
                copy.write_row((i, *numbers, tags.text[i], vector))
        for index in (
            "(label, confidence DESC)",
            f"USING gin ({self._WORDS})",
            "USING ivfflat (descriptor vector_cosine_ops) WITH (lists = 256)",
        ):
            self.db.execute(f"CREATE INDEX ON tags {index}")
        self.db.execute("ANALYZE tags")
        self.db.execute("SET ivfflat.probes = 20")  # as many as the library looks at

    def _ids(self, sql: str, values: Sequence[object]) -> list[str]:
        return [str(row[0]) for row in self.db.execute(sql, values).fetchall()]

    def by_label(self, label: int, since: int) -> list[str]:
        sql = (
            "SELECT id FROM tags WHERE label = %s AND start >= %s ORDER BY confidence DESC LIMIT %s"
        )
        return self._ids(sql, [label, since, TOP])

    def by_text(self, word: str) -> list[str]:
        sql = (
            f"SELECT id FROM tags, to_tsquery('simple', %s) query WHERE {self._WORDS} @@ query"
            f" ORDER BY ts_rank({self._WORDS}, query) DESC LIMIT %s"
        )
        return self._ids(sql, [word, TOP])

    def by_vector(self, vector: np.ndarray) -> list[str]:
        sql = "SELECT id FROM tags ORDER BY descriptor <=> %s::vector LIMIT %s"
        return self._ids(sql, [str(vector.tolist()), TOP])


class ScanStore:
    """Plain arrays, read from one end to the other."""

    name = "linear scan"

    def __init__(self, tags: Tags, folder: Path) -> None:
        self.tags = tags

    def by_label(self, label: int, since: int) -> list[str]:
        places = np.flatnonzero((self.tags.label == label) & (self.tags.start >= since))
        return [str(i) for i in places[np.argsort(-self.tags.confidence[places])][:TOP]]

    def by_text(self, word: str) -> list[str]:
        return [str(i) for i, text in enumerate(self.tags.text) if word in text.split()][:TOP]

    def by_vector(self, vector: np.ndarray) -> list[str]:
        return [str(i) for i in np.argsort(-(self.tags.descriptor @ vector))[:TOP]]


STORES = (LibraryStore, SqliteStore, DuckdbStore, PostgresStore, ScanStore)
