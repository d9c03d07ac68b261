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
from video_search.tag import Tag
from video_search.words import Phrase, parse

if TYPE_CHECKING:
    from video_search.library import Library

# Two things belong together when they are seen at most this long after each other.
TOGETHER_NS = 500_000_000
# Near: at most so far apart in space, or, without positions, so many sizes of the larger box.
NEAR_M, NEAR_BOXES = 1.0, 1.0
_MOST_PAIRS = 20_000


@dataclass
class _Joined:
    """Tags that hold together; ``rows`` (N, phrases) are row ids, times in nanoseconds."""

    rows: np.ndarray
    reasons: list[tuple[str, ...]]
    start_ns: np.ndarray
    end_ns: np.ndarray
    score: np.ndarray


def search(library: Library, query: Query) -> SearchResult:
    """The moments at which ``query`` holds; ValueError where nothing is asked for."""
    finder = Finder(library, query)
    question = parse(query.text)
    newest_first = query.newest_first or question.newest_first

    # What each phrase means in this library.
    remarks: list[str] = []
    found: list[Candidates] = []
    near: set[int] = set()
    last_of_phrase: dict[int, int] = {}
    for number, phrase in enumerate(question.phrases):
        is_near = any(pair[1] == number for pair in question.near)
        for part in finder.parts(phrase):
            candidates = finder.of_words(part)
            if not len(candidates):
                remarks.append(_nothing(part))
            if is_near and found:
                near.add(len(found))
                is_near = False
            found.append(candidates)
        last_of_phrase[number] = len(found) - 1
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

    joined = _one(found[0])
    for number, candidates in enumerate(found[1:], start=1):
        joined = _join(joined, candidates, number in near, found[number - 1])
    if not len(joined.score):
        remarks.append("each is known, but never at the same time" + (" and near" if near else ""))
    return SearchResult(_moments(library, joined, query.limit, newest_first), remarks)


def _nothing(phrase: Phrase) -> str:
    words = " ".join((phrase.color, *phrase.words)).strip()
    return f"nothing here is called '{words}', means it or says it"


def _one(candidates: Candidates) -> _Joined:
    return _Joined(
        candidates.rows[:, None],
        [(reason,) for reason in candidates.reasons],
        candidates.start_ns,
        candidates.end_ns,
        candidates.score,
    )


def _join(joined: _Joined, other: Candidates, near: bool, previous: Candidates) -> _Joined:
    """Pairs of what was joined before and of other candidates that hold at one time."""
    place = {int(row): number for number, row in enumerate(previous.rows)}
    last = np.array([place[int(row)] for row in joined.rows[:, -1]], dtype=int)

    # By source and in the order of start, a run of the others can overlap each.
    order = np.lexsort((other.start_ns, other.source))
    pairs: list[tuple[int, int]] = []
    longest = int((other.end_ns - other.start_ns).max(initial=0))
    for source in np.unique(previous.source[last]):
        mine = np.flatnonzero(previous.source[last] == source)
        theirs = order[other.source[order] == source]
        starts = other.start_ns[theirs]
        low = np.searchsorted(starts, joined.start_ns[mine] - longest - TOGETHER_NS)
        high = np.searchsorted(starts, joined.end_ns[mine] + TOGETHER_NS, side="right")
        for number, first, end in zip(mine, low, high, strict=True):
            run = theirs[first:end]
            run = run[other.end_ns[run] + TOGETHER_NS >= joined.start_ns[number]]
            if near:
                run = run[other.distance(run, previous, int(last[number])) <= 1.0]
            run = run[other.rows[run] != joined.rows[number, -1]] if near else run
            best = run[np.argsort(-other.score[run], kind="stable")][:4]
            pairs.extend((int(number), int(choice)) for choice in best)
        if len(pairs) > _MOST_PAIRS:
            break

    left = np.array([pair[0] for pair in pairs], dtype=int)
    right = np.array([pair[1] for pair in pairs], dtype=int)
    start = np.maximum(joined.start_ns[left], other.start_ns[right])
    end = np.minimum(joined.end_ns[left], other.end_ns[right])
    return _Joined(
        np.column_stack([joined.rows[left], other.rows[right]]),
        [
            (*joined.reasons[a], other.reasons[b] + (", near it" if near else ""))
            for a, b in zip(left, right, strict=True)
        ],
        np.minimum(start, end),
        np.maximum(start, end),
        np.minimum(joined.score[left], other.score[right]),
    )


def _moments(library: Library, joined: _Joined, limit: int, newest_first: bool) -> list[Moment]:
    """The best moments with their tags read; of one tag found in several ways, the best way."""
    keys = (-joined.score, -joined.start_ns) if newest_first else (-joined.start_ns, -joined.score)
    chosen: list[int] = []
    seen: set[int] = set()
    for number in np.lexsort(keys):
        first = int(joined.rows[number, 0])
        if first not in seen:
            seen.add(first)
            chosen.append(int(number))
        if len(chosen) == limit:
            break

    tags = _read_tags(library, [int(row) for number in chosen for row in joined.rows[number]])
    sources = {source.id: source for source in library.sources()}
    moments = []
    for number in chosen:
        members = tuple({row: tags[int(row)] for row in joined.rows[number]}.values())
        start, end = int(joined.start_ns[number]), int(joined.end_ns[number])
        moments.append(
            Moment(
                sources[members[0].source],
                start,
                end,
                min(max(members[0].best_ns, start), end),
                float(joined.score[number]),
                tuple(dict.fromkeys(joined.reasons[number])),
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
