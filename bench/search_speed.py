# SPDX-License-Identifier: Apache-2.0
"""Latency of searches beside other stores: ``python -m bench.search_speed``.

The same tags are in the library (LanceDB), in SQLite (B-tree, FTS5, vectors as a matrix in memory),
in DuckDB (columns, vectors by array_cosine_similarity) and in plain arrays that are scanned. Asked
in turns are the ten best of a label within a time, the ten best texts of a word, and the ten
nearest descriptors. Recall is that of the nearest against the exact ones.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bench.timing import add_json_option, write_figures
from perception_kit.arguments import bounded_int
from video_search import Library, Query, Source
from video_search.schema import DESCRIPTOR_SIZE, TAGS

SIZES = (10_000, 100_000, 1_000_000)
LABELS, WORDS, SOURCES, CLUSTERS = 80, 5000, 100, 400
TOP = 10
_CHUNK = 100_000


class Tags:
    """Random tags: labels and words are Zipf-distributed, descriptors lie in clusters."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(count)
        self.label = np.minimum(rng.zipf(1.3, count), LABELS) - 1
        self.source = rng.integers(0, SOURCES, count)
        self.start = rng.integers(0, 86_400_000_000_000, count)
        self.confidence = rng.random(count).astype(np.float32)
        words = np.minimum(rng.zipf(1.2, (count, 6)), WORDS)
        self.text = [" ".join(f"w{word}" for word in row) for row in words]
        centers = rng.standard_normal((CLUSTERS, DESCRIPTOR_SIZE)).astype(np.float32)
        self.descriptor = centers[rng.integers(0, CLUSTERS, count)]
        self.descriptor += 0.6 * rng.standard_normal(self.descriptor.shape, np.float32)
        self.descriptor /= np.linalg.norm(self.descriptor, axis=1, keepdims=True)

    def __len__(self) -> int:
        return len(self.label)

    def queries(self, count: int) -> list[tuple[int, int, str, np.ndarray]]:
        """Label, earliest time, word and descriptor of each query."""
        rng = np.random.default_rng(1)
        picked = rng.integers(0, len(self), count)
        noise = 0.03 * rng.standard_normal((count, DESCRIPTOR_SIZE)).astype(np.float32)
        vectors = self.descriptor[picked] + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return [
            (
                int(self.label[i]),
                int(rng.integers(0, 40_000_000_000_000)),
                self.text[i].split()[0],
                v,
            )
            for i, v in zip(picked, vectors, strict=True)
        ]


class LibraryStore:
    """The library as it is used, moments with their tags included."""

    name = "LanceDB (library)"

    def __init__(self, tags: Tags, folder: Path) -> None:
        self.library = Library.create(folder / "library")
        for number in range(SOURCES):
            self.library.put_source(Source(f"s{number}", f"s{number}", "bag", clock="wall"))
        for first in range(0, len(tags), _CHUNK):
            rows = slice(first, first + _CHUNK)
            self.library.tags_table.add(_table(tags, rows, first), on_bad_vectors="null")
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


def _table(tags: Tags, rows: slice, first: int) -> pa.Table:
    """Rows of the library's table."""
    count = len(tags.label[rows])
    values = pa.array(tags.descriptor[rows].reshape(-1))
    columns = {
        "id": [f"{number:032x}" for number in range(first, first + count)],
        "source": [f"s{number}" for number in tags.source[rows]],
        "start_ns": tags.start[rows],
        "end_ns": tags.start[rows] + 1_000_000_000,
        "kind": ["object"] * count,
        "label": [f"label{label}" for label in tags.label[rows]],
        "confidence": tags.confidence[rows],
        "best_ns": tags.start[rows],
        "text": tags.text[rows],
        "descriptor": pa.FixedSizeListArray.from_arrays(values, DESCRIPTOR_SIZE),
        "descriptor_size": np.full(count, DESCRIPTOR_SIZE, np.int32),
        "space": ["bench"] * count,
        "producer": ["bench"] * count,
        "track_id": np.full(count, -1),
        "number": np.arange(first, first + count),
        "frame_id": [""] * count,
        "color": [""] * count,
        "thumbnail": [b""] * count,
    }
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns and not isinstance(columns[field.name], pa.Array)
        else columns.get(field.name, pa.nulls(count, field.type))
        for field in TAGS
    ]
    return pa.Table.from_arrays(arrays, schema=TAGS)


def _timed(times: list[float], find: Callable[..., list[str]], *query: Any) -> list[str]:
    started = perf_counter()
    found = find(*query)
    times.append(1e3 * (perf_counter() - started))
    return found


def measure(count: int, repetitions: int, stores: Sequence[Any]) -> dict[str, dict[str, float]]:
    """Milliseconds of each store: p50 and p95 of each kind of query, seconds to fill it."""
    tags = Tags(count)
    queries = tags.queries(repetitions + 1)
    figures: dict[str, dict[str, float]] = {}
    folder = Path(mkdtemp(prefix="search_speed_"))
    try:
        opened = {}
        for kind in stores:
            started = perf_counter()
            opened[kind.name] = kind(tags, folder)
            figures[kind.name] = {"fill_s": perf_counter() - started}

        times: dict[str, dict[str, list[float]]] = {name: {} for name in opened}
        recall: dict[str, list[float]] = {name: [] for name in opened}
        for number, (label, since, word, vector) in enumerate(queries):
            exact = {str(i) for i in np.argpartition(-(tags.descriptor @ vector), TOP)[:TOP]}
            for name, store in opened.items():
                kept = times[name] if number else {}  # the first warms up
                _timed(kept.setdefault("label", []), store.by_label, label, since)
                _timed(kept.setdefault("text", []), store.by_text, word)
                found = _timed(kept.setdefault("vector", []), store.by_vector, vector)
                recall[name].append(len(exact & set(found)) / TOP)
    finally:
        shutil.rmtree(folder)

    for name, asked in times.items():
        for question, values in asked.items():
            figures[name] |= {
                f"{question}_p50_ms": float(np.percentile(values, 50)),
                f"{question}_p95_ms": float(np.percentile(values, 95)),
            }
        figures[name]["vector_recall"] = float(np.mean(recall[name]))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(prog="python -m bench.search_speed", description=__doc__)
    parser.add_argument("--sizes", type=bounded_int(1000), nargs="+", default=SIZES)
    parser.add_argument("--repetitions", type=bounded_int(1), default=20)
    add_json_option(parser)
    options = parser.parse_args(arguments)

    figures = {}
    for size in options.sizes:
        stores = (LibraryStore, SqliteStore, DuckdbStore, ScanStore)
        figures[str(size)] = measure(size, options.repetitions, stores)
        print(f"{size} tags, ms (p50 / p95)")
        for name, values in figures[str(size)].items():
            row = "  ".join(
                f"{kind} {values[f'{kind}_p50_ms']:8.1f} / {values[f'{kind}_p95_ms']:8.1f}"
                for kind in ("label", "text", "vector")
            )
            recall, fill = values["vector_recall"], values["fill_s"]
            print(f"  {name:24} {row}  recall {recall:.2f}  filled in {fill:.1f} s", flush=True)
    write_figures(options.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
