# SPDX-License-Identifier: Apache-2.0
"""What searches filter and rank tags by, in memory: a million tags are compared in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from video_search.query import Query
from video_search.schema import REWRITTEN_KEY
from video_search.tag import Source

_NAMED = ("source", "kind", "label", "color", "space", "frame_id", "producer")
_NUMBERS = ("start_ns", "end_ns", "best_ns", "confidence", "track_id", "number")
_ROW = "_rowid"


@dataclass(frozen=True)
class Columns:
    """N tags in the order of their rows: about 120 bytes each.

    ``row_ids`` (N,) uint64 ascending, times in nanoseconds, ``confidence`` 0 to 1. ``codes[name]``
    (N,) int32 are places in ``names[name]``.
    """

    row_ids: np.ndarray
    start_ns: np.ndarray
    end_ns: np.ndarray
    best_ns: np.ndarray
    confidence: np.ndarray
    track_id: np.ndarray
    number: np.ndarray
    codes: dict[str, np.ndarray]
    names: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.row_ids)

    def labels(self) -> tuple[str, ...]:
        """All labels of tags, in order; the empty one of plain texts is left out."""
        names = self.names["label"]
        counts = np.bincount(self.codes["label"], minlength=len(names))
        return tuple(sorted(names[code] for code in np.flatnonzero(counts) if names[code]))

    def values(self, place: int) -> dict[str, Any]:
        """What is known of one tag, by the names of the columns."""
        numbers = {name: getattr(self, name)[place].item() for name in _NUMBERS}
        return numbers | {name: self.names[name][self.codes[name][place]] for name in _NAMED}

    def is_named(self, column: str, wanted: Any) -> np.ndarray:
        """(N,) whether the value of a column is one of those wanted."""
        chosen = np.array([name in wanted for name in self.names[column]], dtype=bool)
        return chosen[self.codes[column]] if len(chosen) else np.zeros(len(self), bool)

    def places(self, row_ids: np.ndarray) -> np.ndarray:
        """(K,) places of rows that are there."""
        return np.searchsorted(self.row_ids, row_ids)

    def matches(self, query: Query, sources: list[Source]) -> np.ndarray | None:
        """(N,) which tags the filters of a query leave; None where there are none."""
        kept: list[np.ndarray] = []
        if query.kinds:
            kept.append(self.is_named("kind", query.kinds))
        if query.sources:
            kept.append(self.is_named("source", query.sources))
        if query.since_ns is not None or query.until_ns is not None:
            timed = {source.id for source in sources if source.clock == "wall"}
            kept.append(self.is_named("source", timed))
        if query.since_ns is not None:
            kept.append(self.end_ns >= query.since_ns)
        if query.until_ns is not None:
            kept.append(self.start_ns <= query.until_ns)
        if query.track_id is not None:
            kept.append(self.track_id == query.track_id)
        if query.min_confidence:
            kept.append(self.confidence >= query.min_confidence)
        return np.logical_and.reduce(kept) if kept else None


class ColumnCache:
    """The columns of a table as it is now, of which only new rows are read again."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._version, self._rewritten = -1, b""
        self._rows: pa.Table | None = None
        self._columns: Columns | None = None

    def columns(self) -> Columns:
        """Those of the version of the table that is checked out."""
        version = self._table.version
        if self._columns is None or version != self._version:
            rewritten = (self._table.schema.metadata or {}).get(REWRITTEN_KEY, b"")
            is_same = self._rows is not None and rewritten == self._rewritten
            rows = self._with_new_rows() if is_same else None
            self._rows = self._read() if rows is None else rows
            self._columns = _columns(self._rows)
            self._version, self._rewritten = version, rewritten
        return self._columns

    def _read(self, where: str = "") -> pa.Table:
        search = self._table.search().select(["id", *_NUMBERS, *_NAMED]).with_row_id(True)
        rows = (search.where(where) if where else search).to_arrow().combine_chunks()
        for name in _NAMED:
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, name, rows[name].dictionary_encode())
        return rows

    def _with_new_rows(self) -> pa.Table | None:
        """The rows that are known and those written since; None where some were deleted.

        New and changed rows, and those of merged files, have higher row ids than all before. Each
        replaces the one with its id; where more are left than there are, some were deleted.
        """
        known = self._rows
        if known is None or not known.num_rows:
            return None
        new = self._read(f"{_ROW} > {pc.max(known[_ROW]).as_py()}")
        if new.num_rows:
            kept = pc.invert(pc.is_in(known["id"], value_set=new["id"].combine_chunks()))
            known = pa.concat_tables([known.filter(kept), new])
        return known if known.num_rows == self._table.count_rows() else None


def _columns(rows: pa.Table) -> Columns:
    rows = rows.unify_dictionaries().combine_chunks()
    row_ids = rows[_ROW].to_numpy()
    if np.any(row_ids[1:] < row_ids[:-1]):
        return _columns(rows.sort_by(_ROW))
    codes, names = {}, {}
    for name in _NAMED:
        values = rows[name].combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # of no rows
            values = pa.array([], pa.dictionary(pa.int32(), pa.string()))
        codes[name] = values.indices.to_numpy(zero_copy_only=False)
        names[name] = values.dictionary.to_pylist()
    numbers = {name: rows[name].to_numpy() for name in _NUMBERS}
    return Columns(row_ids, **numbers, codes=codes, names=names)
