# SPDX-License-Identifier: Apache-2.0
"""Tags that one phrase or one descriptor finds, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from video_search.query import Query
from video_search.relations import LabelHit, Relations
from video_search.schema import padded, quoted
from video_search.words import Phrase

if TYPE_CHECKING:
    from video_search.library import Library

# What ranks tags, what joins them to others, and what tells how near they are.
_RANKING, _JOINING = ("start_ns", "confidence"), ("source", "end_ns")
_PLACES = ("box", "position")
# Near: at most so far apart in space, or, without positions, so many sizes of the larger box.
NEAR_M, NEAR_BOXES = 1.0, 1.0
# What is said counts less than what is seen, and at most so many texts are looked at.
TEXT_WEIGHT, MOST_TEXTS = 0.7, 2000
# Of tags that look alike; below this cosine they do not.
MOST_ALIKE, MIN_COSINE = 200, 0.6
_QUOTE_LENGTH = 60


_ARRAYS = (
    "rows", "source", "start_ns", "end_ns", "score", "reason_codes", "box", "position",
)  # fmt: skip


@dataclass
class Candidates:
    """N tags by row id, with source, times in nanoseconds and score 0 to 1.

    Unless they are to be joined, sources and ends are left out, as they cost most to read.
    ``source`` and ``reason_codes`` are numbers, the latter of ``reasons``. ``box`` (N, 4) pixels
    and ``position`` (N, 3) metres are NaN where unknown or not asked for.
    """

    rows: np.ndarray
    source: np.ndarray
    start_ns: np.ndarray
    end_ns: np.ndarray
    score: np.ndarray
    reason_codes: np.ndarray
    reasons: list[str]
    box: np.ndarray
    position: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def reason(self, place: int) -> str:
        """Why a tag was found."""
        return self.reasons[self.reason_codes[place]]

    def best(self, count: int) -> Candidates:
        """Those of the highest scores."""
        if len(self) <= count:
            return self
        return self.chosen(np.argpartition(-self.score, count)[:count])

    def chosen(self, places: np.ndarray) -> Candidates:
        """Those at some places."""
        arrays = {name: getattr(self, name)[places] for name in _ARRAYS}
        return Candidates(**arrays, reasons=self.reasons)

    def distance(self, chosen: np.ndarray, other: Candidates, number: int) -> np.ndarray:
        """(len(chosen),) distances to one tag of ``other`` in units of what counts as near.

        In space where both positions are known, else in the image; infinite where neither is.
        """
        space = np.linalg.norm(self.position[chosen] - other.position[number], axis=1) / NEAR_M
        mine, its = self.box[chosen], other.box[number]
        gap = np.maximum(np.maximum(mine[:, :2] - its[2:], its[:2] - mine[:, 2:]), 0)
        sides = np.maximum((mine[:, 2:] - mine[:, :2]).max(axis=1), (its[2:] - its[:2]).max())
        image = np.linalg.norm(gap, axis=1) / np.maximum(sides, 1) / NEAR_BOXES
        return np.nan_to_num(np.where(np.isnan(space), image, space), nan=np.inf)


class Finder:
    """Candidates in one library under the filters of one query."""

    def __init__(self, library: Library, query: Query, with_places: bool = False) -> None:
        self._table = library.tags_table
        self._library = library
        self._relations: Relations = library.relations
        self._filter = " AND ".join(_conditions(library, query))
        self._columns = [*_RANKING]
        self._with_places = with_places
        self._sources: dict[str, int] = {}

    def prepare_joins(self) -> None:
        """Read what candidates need to be joined with others, too."""
        self._columns = [*_RANKING, *_JOINING, *(_PLACES if self._with_places else ())]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All labels of the library."""
        return self._library.labels()

    def parts(self, phrase: Phrase) -> list[Phrase]:
        """The phrase, or the parts of it that mean something; the color goes with the last."""
        words, parts = phrase.words, []
        while words:
            length = next(
                (n for n in range(len(words), 0, -1) if self._hits(words[:n])), len(words)
            )
            # Words that are no label stay together until one is.
            if not self._hits(words[:length]):
                length = next((n for n in range(1, len(words)) if self._hits(words[n:])), length)
            parts.append(Phrase(words[:length]))
            words = words[length:]
        if not parts:
            return [phrase]
        return [*parts[:-1], Phrase(parts[-1].words, phrase.color)]

    def _hits(self, words: tuple[str, ...]) -> list[LabelHit]:
        return self._relations.hits(words, self.labels)

    def of_words(self, phrase: Phrase) -> Candidates:
        """What is called so, means it, or where it was said."""
        conditions = [f"color = '{phrase.color}'"] if phrase.color else []
        hits = {hit.label: hit for hit in reversed(self._hits(phrase.words))}
        found = []
        if hits or not phrase.words:
            if hits:
                conditions.append(_one_of("label", hits))
            # A label that is the only one need not be read of a million rows.
            more = () if len(hits) == 1 else ("label",)
            table = self._rows(self._where(*conditions), *more)
            found.append(self._by_label(table, hits, phrase.color))
        if phrase.words and not phrase.color:
            found.append(self._by_text(phrase.words))
        return _concatenated(found)

    def _by_label(self, table: pa.Table, hits: dict[str, LabelHit], color: str) -> Candidates:
        colored = f"{color} " if color else ""
        if "label" not in table.column_names:
            (hit,) = hits.values()
            codes = np.zeros(table.num_rows, int)
            score = hit.weight * _numbers(table, "confidence")
            return self._candidates(table, score, [colored + hit.reason], codes)

        labels = table["label"].combine_chunks().dictionary_encode()
        names = labels.dictionary.to_pylist()
        codes = labels.indices.to_numpy(zero_copy_only=False)
        weights = np.array([hits[name].weight if hits else 1.0 for name in names])
        reasons = [colored + (hits[name].reason if hits else name) for name in names]
        score = _numbers(table, "confidence") * (weights[codes] if len(names) else 1.0)
        return self._candidates(table, score, reasons, codes)

    def _by_text(self, words: tuple[str, ...]) -> Candidates:
        """Texts that hold all the words, by the full-text index."""
        from lancedb.query import FullTextOperator, MatchQuery

        query = MatchQuery(  # type: ignore[call-arg]  # mypy takes its defaults for none
            " ".join(words), "text", operator=FullTextOperator.AND
        )
        search = self._table.search(query, query_type="fts").limit(MOST_TEXTS)
        table = self._rows(self._where("text != ''"), "text", "_score", search=search)
        relevance = _numbers(table, "_score")
        score = TEXT_WEIGHT * relevance / max(float(relevance.max(initial=0.0)), 1e-9)
        said = [f"says “{_shortened(text)}”" for text in table["text"].to_pylist()]
        return self._candidates(table, score * _numbers(table, "confidence"), said)

    def of_descriptor(self, descriptor: np.ndarray, space: str) -> Candidates:
        """What looks alike: the nearest by cosine among the descriptors of one space."""
        search = self._table.search(padded(descriptor), vector_column_name="descriptor")
        search = search.distance_type("cosine").limit(MOST_ALIKE)
        table = self._rows(self._where(f"space = {quoted(space)}"), "_distance", search=search)
        cosine = 1 - _numbers(table, "_distance")
        table, cosine = table.filter(pa.array(cosine >= MIN_COSINE)), cosine[cosine >= MIN_COSINE]
        alike = [f"looks like the image ({value:.2f})" for value in cosine]
        return self._candidates(table, cosine, alike)

    def of_filters(self) -> Candidates:
        """All tags that the filters leave."""
        return self._by_label(self._rows(self._where(), "label"), {}, "")

    def _where(self, *conditions: str) -> str:
        return " AND ".join(filter(None, (self._filter, *conditions)))

    def _rows(self, where: str, *more: str, search: Any = None) -> pa.Table:
        search = self._table.search() if search is None else search
        search = search.select([*self._columns, *more]).with_row_id(True)
        return (search.where(where, prefilter=True) if where else search).to_arrow()

    def _candidates(
        self,
        table: pa.Table,
        score: np.ndarray,
        reasons: list[str],
        codes: np.ndarray | None = None,
    ) -> Candidates:
        """Candidates of a table; without ``codes``, each row has a reason of its own."""
        start_ns = table["start_ns"].to_numpy()
        is_joined = "source" in table.column_names
        return Candidates(
            table["_rowid"].to_numpy(),
            self._source_numbers(table) if is_joined else np.zeros(len(start_ns), int),
            start_ns,
            table["end_ns"].to_numpy() if is_joined else start_ns,
            score,
            np.arange(len(score)) if codes is None else codes,
            reasons,
            _vectors(table, "box", 4),
            _vectors(table, "position", 3),
        )

    def _source_numbers(self, table: pa.Table) -> np.ndarray:
        """(N,) numbers of the sources, the same for all candidates of this query."""
        named = table["source"].combine_chunks().dictionary_encode()
        numbers = [
            self._sources.setdefault(name, len(self._sources))
            for name in named.dictionary.to_pylist()
        ]
        places = named.indices.to_numpy(zero_copy_only=False)
        return np.array(numbers, dtype=int)[places] if numbers else np.zeros(0, int)


def _conditions(library: Library, query: Query) -> list[str]:
    """The filters of a query in SQL."""
    conditions = []
    sources = set(query.sources)
    if query.since_ns is not None or query.until_ns is not None:
        known = library.sources()
        timed = {source.id for source in known if source.clock == "wall"}
        if sources or len(timed) < len(known):
            sources = (sources & timed if sources else timed) or {""}
    if query.kinds:
        conditions.append(_one_of("kind", query.kinds))
    if sources:
        conditions.append(_one_of("source", sorted(sources)))
    if query.since_ns is not None:
        conditions.append(f"end_ns >= {query.since_ns}")
    if query.until_ns is not None:
        conditions.append(f"start_ns <= {query.until_ns}")
    if query.track_id is not None:
        conditions.append(f"track_id = {query.track_id}")
    if query.min_confidence:
        conditions.append(f"confidence >= {query.min_confidence}")
    return conditions


def _one_of(column: str, values: Any) -> str:
    return f"{column} IN ({', '.join(quoted(value) for value in values)})"


def _numbers(table: pa.Table, column: str) -> np.ndarray:
    return np.asarray(table[column].to_numpy(), dtype=np.float64)


def _vectors(table: pa.Table, column: str, length: int) -> np.ndarray:
    """(N, length), NaN where there is none."""
    vectors = np.full((table.num_rows, length), np.nan, np.float32)
    if column not in table.column_names:
        return vectors
    values = table[column].combine_chunks()
    known = pc.is_valid(values).to_numpy(zero_copy_only=False)
    if known.any():
        vectors[known] = values.drop_null().flatten().to_numpy().reshape(-1, length)
    return vectors


def _concatenated(found: list[Candidates]) -> Candidates:
    """All candidates; of a tag found twice, the better score."""
    if len(found) == 1:
        return found[0]
    offsets = np.cumsum([0, *(len(entry.reasons) for entry in found)])[:-1]
    arrays = {name: np.concatenate([getattr(entry, name) for entry in found]) for name in _ARRAYS}
    arrays["reason_codes"] = np.concatenate(
        [entry.reason_codes + offset for entry, offset in zip(found, offsets, strict=True)]
    )
    every = Candidates(**arrays, reasons=[text for entry in found for text in entry.reasons])

    order = np.lexsort((-every.score, every.rows))
    is_first = np.ones(len(order), bool)
    is_first[1:] = np.diff(every.rows[order]) != 0
    return every.chosen(order[is_first])


def _shortened(text: str) -> str:
    return text if len(text) <= _QUOTE_LENGTH else text[: _QUOTE_LENGTH - 1] + "…"
