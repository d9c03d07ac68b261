# SPDX-License-Identifier: Apache-2.0
"""Finds the candidates of one phrase or one descriptor in a library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from video_search.candidates import SAID, Candidates, merged
from video_search.query import Query
from video_search.relations import LabelHit, Relations
from video_search.schema import padded, quoted
from video_search.words import UNSPACED, Phrase

if TYPE_CHECKING:
    from video_search.library import Library

# What is said counts less than what is seen, and at most so many texts are looked at.
TEXT_WEIGHT, MOST_TEXTS = 0.7, 2000
# Of tags that look alike; below this cosine they do not.
MOST_ALIKE, MIN_COSINE = 200, 0.55
# Of what is only ranked, as many and so many times the limit are read.
_LEAST_RANKED, _RANKED_PER_MOMENT = 50, 4


class Finder:
    """Candidates in one library under the filters of one query.

    What is ``ranked_only`` needs no more candidates than its best; what is joined, or listed by
    time, needs all. ``remarks`` says what was left out.
    """

    def __init__(self, library: Library, query: Query) -> None:
        self.ranked_only = False
        self.remarks: list[str] = []
        self._table = library.tags_table
        self._relations: Relations = library.relations
        self._query, self._library = query, library
        self.columns = library.columns()
        self._kept = self.columns.matches(query, library.sources())
        self._labels = self.columns.labels()

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
        return self._relations.hits(words, self._labels)

    def is_known(self, phrase: Phrase) -> bool:
        """Whether a label is meant, though the filters or the color may leave no tag."""
        return bool(self._hits(phrase.words))

    def of_words(self, phrase: Phrase) -> Candidates:
        """What is called so, means it, or where it was said."""
        hits = {hit.label: hit for hit in reversed(self._hits(phrase.words))}
        found = []
        if hits or not phrase.words:
            found.append(self._of_labels(hits, phrase.color))
        if phrase.words and not (hits and phrase.color):
            spoken = (phrase.color, *phrase.words) if phrase.color else phrase.words
            found.append(self._of_text(spoken))
        return found[0] if len(found) == 1 else merged(*found)

    def of_filters(self) -> Candidates:
        """All tags that the filters leave."""
        return self._of_labels({}, "")

    def _of_labels(self, hits: dict[str, LabelHit], color: str) -> Candidates:
        """The tags with the labels that were hit, or with any."""
        columns = self.columns
        kept = np.ones(len(columns), bool) if self._kept is None else self._kept
        if hits:
            kept = kept & columns.is_named("label", hits)
        if color:
            kept = kept & columns.is_named("color", (color,))
        places = np.flatnonzero(kept)

        names, codes = columns.names["label"], columns.codes["label"][places]
        colored = f"{color} " if color else ""
        reasons = [colored + (hits[name].reason if name in hits else name) for name in names]
        score = columns.confidence[places].astype(np.float64)
        if hits:
            weights = [hits[name].weight if name in hits else 0.0 for name in names]
            score *= np.array(weights)[codes]
        return Candidates(columns, places, score, codes, reasons)

    def _of_text(self, words: tuple[str, ...]) -> Candidates:
        """Texts that hold all the words, by the full-text index."""
        from lancedb.query import FullTextOperator, MatchQuery

        query = MatchQuery(  # type: ignore[call-arg]  # mypy takes its defaults for none
            " ".join(words), "text", operator=FullTextOperator.AND
        )

        def search() -> Any:
            return self._table.search(query, query_type="fts")

        places, relevance, is_cut = self._nearest(search, "_score", MOST_TEXTS)
        if not len(places) and UNSPACED.search("".join(words)):
            places = self._containing(words)
            relevance, is_cut = np.ones(len(places)), len(places) == MOST_TEXTS
        if is_cut and not self.ranked_only:
            self.remarks.append(
                f"more than {MOST_TEXTS} texts say “{' '.join(words)}”: only those that fit best"
                " were looked at"
            )
        score = TEXT_WEIGHT * relevance / max(float(relevance.max(initial=0.0)), 1e-9)
        score = score * self.columns.confidence[places]
        return Candidates(self.columns, places, score, np.full(len(places), SAID), [])

    def _containing(self, words: tuple[str, ...]) -> np.ndarray:
        """Places of texts that hold words anywhere: their scripts put no spaces between words."""
        conditions = [f"contains(text, {quoted(word)})" for word in words]
        where = " AND ".join(conditions + _conditions(self._query, self._library))
        rows = self._table.search().where(where).select(["id"]).with_row_id(True)
        places = self.columns.places(rows.limit(MOST_TEXTS).to_arrow()["_rowid"].to_numpy())
        return np.sort(places)

    def of_descriptor(self, descriptor: np.ndarray, space: str) -> Candidates:
        """What looks alike: the nearest by cosine among the descriptors of one space."""

        def search() -> Any:
            nearest = self._table.search(padded(descriptor), vector_column_name="descriptor")
            return nearest.distance_type("cosine")

        most = max(MOST_ALIKE, self._query.limit)
        places, distance, _ = self._nearest(search, "_distance", most, 1 - MIN_COSINE, space)
        cosine = 1 - distance
        alike = [f"looks like the image ({value:.2f})" for value in cosine]
        return Candidates(self.columns, places, cosine, np.arange(len(places)), alike)

    def _nearest(
        self,
        search: Any,
        column: str,
        most: int,
        furthest: float = np.inf,
        space: str | None = None,
    ) -> tuple[np.ndarray, np.ndarray, bool]:
        """Places and values of ``column`` of the first rows of a search, in order.

        As many as are needed of those that the filters leave, up to ``furthest``. The last value
        says whether there may be more.
        """
        limit = most
        if self.ranked_only:
            limit = min(most, max(_LEAST_RANKED, _RANKED_PER_MOMENT * self._query.limit))
        conditions = _conditions(self._query, self._library)
        conditions += [] if space is None else [f"space = {quoted(space)}"]

        # Filters cost more than the search: they wait until they are seen to be needed.
        for where in dict.fromkeys(("", " AND ".join(conditions))):
            limited = search().limit(limit).select([column]).with_row_id(True)
            rows = (limited.where(where, prefilter=True) if where else limited).to_arrow()
            values = np.asarray(rows[column].to_numpy(), np.float64)
            is_cut = len(values) == limit and bool(values[-1] <= furthest)
            places = self.columns.places(rows["_rowid"].to_numpy())
            kept = values <= furthest
            if self._kept is not None:
                kept &= self._kept[places]
            if space is not None:
                kept &= self.columns.is_named("space", (space,))[places]
            if not is_cut or kept.all():
                break
            if self.ranked_only and kept.sum() >= self._query.limit:
                break
        return places[kept], values[kept], is_cut


def _conditions(query: Query, library: Library) -> list[str]:
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
