# SPDX-License-Identifier: Apache-2.0
"""Finds the moments at which a query holds: candidates of each phrase, joined in time and space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from video_search.candidates import Candidates, Finder
from video_search.query import Moment, Query, SearchResult
from video_search.schema import TAGS, tag_from_row
from video_search.tag import Source, Tag
from video_search.words import Phrase, parse

if TYPE_CHECKING:
    from video_search.library import Library

# Two things belong together when they are seen at most this long after each other.
TOGETHER_NS = 500_000_000
# Of what is joined, the best of each phrase, and for each of them the best partners.
MOST_JOINED, MOST_PARTNERS, _MOST_PAIRS = 20_000, 4, 20_000


@dataclass
class _Joined:
    """Tags that hold together; times in nanoseconds.

    ``members`` (N, phrases) are the places of each phrase's tag among its candidates.
    """

    members: np.ndarray
    start_ns: np.ndarray
    end_ns: np.ndarray
    score: np.ndarray


def search(library: Library, query: Query) -> SearchResult:
    """The moments at which ``query`` holds; ValueError where nothing is asked for."""
    question = parse(query.text)
    finder = Finder(library, query, with_places=bool(question.near))
    newest_first = query.newest_first or question.newest_first

    # What each phrase means in this library.
    remarks: list[str] = []
    found: list[Candidates] = []
    near: set[int] = set()
    parts = [finder.parts(phrase) for phrase in question.phrases]
    if sum(map(len, parts)) + (query.descriptor is not None) > 1:
        finder.prepare_joins()
    for number, phrase_parts in enumerate(parts):
        is_near = any(pair[1] == number for pair in question.near)
        for part in phrase_parts:
            candidates = finder.of_words(part)
            if not len(candidates):
                remarks.append(_nothing(part))
            if is_near and found:
                near.add(len(found))
                is_near = False
            found.append(candidates)
    if query.descriptor is not None:
        found.append(finder.of_descriptor(query.descriptor, query.space))
        if not len(found[-1]):
            remarks.append(f"no tag that is left has a descriptor of the space '{query.space}'")
    if not found:
        found = [finder.of_filters()]
        if query.text:
            remarks.append(f"'{query.text}' has no word to search for: all moments are listed")

    if not all(len(candidates) for candidates in found):
        return SearchResult([], remarks)

    if len(found) > 1:
        found = [candidates.best(MOST_JOINED) for candidates in found]
    first = found[0]
    joined = _Joined(np.arange(len(first))[:, None], first.start_ns, first.end_ns, first.score)
    for number in range(1, len(found)):
        joined = _join(joined, found[number - 1], found[number], number in near)
    if not len(joined.score):
        remarks.append("each is known, but never at the same time" + (" and near" if near else ""))
    return SearchResult(_moments(library, found, near, joined, query.limit, newest_first), remarks)


def _nothing(phrase: Phrase) -> str:
    words = " ".join((phrase.color, *phrase.words)).strip()
    return f"nothing here is called '{words}', means it or says it"


def _join(joined: _Joined, previous: Candidates, other: Candidates, near: bool) -> _Joined:
    """Pairs of what was joined before and of other candidates that hold at one time."""
    last = joined.members[:, -1]
    pairs: list[tuple[int, int]] = []
    longest = int((other.end_ns - other.start_ns).max(initial=0))

    # By source and in the order of start, a run of the others can overlap each.
    order = np.lexsort((other.start_ns, other.source))
    for source in np.unique(previous.source[last]):
        mine = np.flatnonzero(previous.source[last] == source)
        theirs = order[other.source[order] == source]
        starts = other.start_ns[theirs]
        low = np.searchsorted(starts, joined.start_ns[mine] - longest - TOGETHER_NS)
        high = np.searchsorted(starts, joined.end_ns[mine] + TOGETHER_NS, side="right")
        for number, first, end in zip(mine, low, high, strict=True):
            run = theirs[first:end]
            run = run[other.end_ns[run] + TOGETHER_NS >= joined.start_ns[number]]
            if near:  # to something else
                run = run[other.rows[run] != previous.rows[last[number]]]
                run = run[other.distance(run, previous, int(last[number])) <= 1.0]
            best = run[np.argsort(-other.score[run], kind="stable")][:MOST_PARTNERS]
            pairs.extend((int(number), int(choice)) for choice in best)
        if len(pairs) > _MOST_PAIRS:
            break

    left = np.array([pair[0] for pair in pairs], dtype=int)
    right = np.array([pair[1] for pair in pairs], dtype=int)
    start = np.maximum(joined.start_ns[left], other.start_ns[right])
    end = np.minimum(joined.end_ns[left], other.end_ns[right])
    return _Joined(
        np.column_stack([joined.members[left], right]),
        np.minimum(start, end),
        np.maximum(start, end),
        np.minimum(joined.score[left], other.score[right]),
    )


def _moments(
    library: Library,
    found: list[Candidates],
    near: set[int],
    joined: _Joined,
    limit: int,
    newest_first: bool,
) -> list[Moment]:
    """The best moments with their tags read; of one tag found in several ways, the best way."""
    keys = (-joined.score, -joined.start_ns) if newest_first else (-joined.start_ns, -joined.score)
    chosen: list[int] = []
    seen: set[int] = set()
    for number in np.lexsort(keys):
        first = int(joined.members[number, 0])
        if first not in seen:
            seen.add(first)
            chosen.append(int(number))
        if len(chosen) == limit:
            break

    rows = {
        number: [int(entry.rows[place]) for entry, place in zip(found, places, strict=True)]
        for number in chosen
        for places in [joined.members[number]]
    }
    tags = _read_tags(library, [row for members in rows.values() for row in members])
    sources = {source.id: source for source in library.sources()}
    moments = []
    for number in chosen:
        members = tuple(tags[row] for row in dict.fromkeys(rows[number]))
        reasons = [
            entry.reason(int(place)) + (", near it" if phrase in near else "")
            for phrase, (entry, place) in enumerate(zip(found, joined.members[number], strict=True))
        ]
        start, end = int(joined.start_ns[number]), int(joined.end_ns[number])
        if len(found) == 1:
            start, end = members[0].start_ns, members[0].end_ns
        moments.append(
            Moment(
                sources.get(members[0].source) or Source(members[0].source, "", "unknown"),
                start,
                end,
                min(max(members[0].best_ns, start), end),
                float(joined.score[number]),
                tuple(dict.fromkeys(reasons)),
                members,
            )
        )
    return moments


def _read_tags(library: Library, rows: Sequence[int]) -> dict[int, Tag]:
    unique = sorted(set(rows))
    if not unique:
        return {}
    query = library.tags_table.take_row_ids(unique).select(TAGS.names).with_row_id()
    table: pa.Table = query.to_arrow()
    return {row["_rowid"]: tag_from_row(row) for row in table.to_pylist()}
