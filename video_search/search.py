# SPDX-License-Identifier: Apache-2.0
"""Finds the moments at which a query holds: candidates of each phrase, joined in time and space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from video_search.candidates import Candidates
from video_search.finder import Finder
from video_search.query import Moment, Query, SearchResult
from video_search.schema import tag_from_row
from video_search.tag import Source, Tag
from video_search.words import Phrase, parse

if TYPE_CHECKING:
    from video_search.library import Library

# What a moment shows of its tags and searches do not keep in memory.
_READ = ["box", "position", "text", "thumbnail"]
# Two things belong together when they are seen at most this long after each other.
TOGETHER_NS = 500_000_000
# Of what is joined, the best of each phrase, and for each of them the best partners.
MOST_JOINED, MOST_PARTNERS, _MOST_PAIRS = 20_000, 4, 20_000


@dataclass
class _Joined:
    """Tags that hold together; times in nanoseconds.

    ``members`` (N, phrases) are the numbers of each phrase's tag among its candidates.
    """

    members: np.ndarray
    start_ns: np.ndarray
    end_ns: np.ndarray
    score: np.ndarray


def search(library: Library, query: Query) -> SearchResult:
    """The moments at which ``query`` holds; ValueError where nothing is asked for."""
    question = parse(query.text)
    finder = Finder(library, query)
    newest_first = query.newest_first or question.newest_first

    # What each phrase means in this library.
    remarks: list[str] = []
    found: list[Candidates] = []
    near: set[int] = set()
    parts = [finder.parts(phrase) for phrase in question.phrases]
    is_joined = sum(map(len, parts)) + (query.descriptor is not None) > 1
    finder.ranked_only = not is_joined and not newest_first
    for number, phrase_parts in enumerate(parts):
        is_near = any(pair[1] == number for pair in question.near)
        for part in phrase_parts:
            candidates = finder.of_words(part)
            if not len(candidates):
                remarks.append(_nothing(part, finder.is_known(part)))
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

    remarks += finder.remarks
    if not all(len(candidates) for candidates in found):
        if not remarks:
            remarks.append("no tag is left by the filters: kind, source, time, track, confidence")
        return SearchResult([], remarks)

    # Of what is joined, the best; of the rest, what is asked for.
    if len(found) > 1:
        found = [candidates.best(MOST_JOINED) for candidates in found]
    elif newest_first:
        found = [found[0].newest(query.limit)]
    else:
        found = [found[0].best(query.limit)]
    if near:
        found = [candidates.with_geometry(library.tags_table) for candidates in found]
    first = found[0]
    joined = _Joined(np.arange(len(first))[:, None], first.start_ns, first.end_ns, first.score)
    for number in range(1, len(found)):
        joined = _join(joined, found[number - 1], found[number], number in near)
    if not len(joined.score):
        remarks.append("each is known, but never at the same time" + (" and near" if near else ""))
    return SearchResult(_moments(library, found, near, joined, query.limit, newest_first), remarks)


def _nothing(phrase: Phrase, is_known: bool) -> str:
    words = " ".join((phrase.color, *phrase.words)).strip()
    if is_known:
        return (
            f"there is no '{words}' of this color, or none is left by the filters: kind, source,"
            " time, track, confidence"
        )
    return (
        f"nothing here is called '{words}', means it or says it: use another word, or teach it to"
        " the vocabulary"
    )


def _join(joined: _Joined, previous: Candidates, other: Candidates, near: bool) -> _Joined:
    """Pairs of what was joined before and of other candidates that hold at one time."""
    last = joined.members[:, -1]
    pairs: list[tuple[int, int]] = []
    longest = int((other.end_ns - other.start_ns).max(initial=0))

    # By source and in the order of start, a run of the others can overlap each.
    other_source, other_start, other_end = other.source, other.start_ns, other.end_ns
    order = np.lexsort((other_start, other_source))
    last_source = previous.source[last]
    for source in np.unique(last_source):
        mine = np.flatnonzero(last_source == source)
        theirs = order[other_source[order] == source]
        starts = other_start[theirs]
        low = np.searchsorted(starts, joined.start_ns[mine] - longest - TOGETHER_NS)
        high = np.searchsorted(starts, joined.end_ns[mine] + TOGETHER_NS, side="right")
        for number, first, end in zip(mine, low, high, strict=True):
            run = theirs[first:end]
            run = run[other_end[run] + TOGETHER_NS >= joined.start_ns[number]]
            if near:  # to something else
                run = run[other.places[run] != previous.places[last[number]]]
                run = run[other.distance(run, previous, int(last[number])) <= 1.0]
            best = run[np.argsort(-other.score[run], kind="stable")][:MOST_PARTNERS]
            pairs.extend((int(number), int(choice)) for choice in best)
        if len(pairs) > _MOST_PAIRS:
            break

    left = np.array([pair[0] for pair in pairs], dtype=int)
    right = np.array([pair[1] for pair in pairs], dtype=int)
    start = np.maximum(joined.start_ns[left], other_start[right])
    end = np.minimum(joined.end_ns[left], other_end[right])
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

    places = {
        number: [
            int(entry.places[member])
            for entry, member in zip(found, joined.members[number], strict=True)
        ]
        for number in chosen
    }
    tags = _read_tags(library, [place for members in places.values() for place in members])
    sources = {source.id: source for source in library.sources()}
    moments = []
    for number in chosen:
        members = tuple(tags[place] for place in dict.fromkeys(places[number]))
        reasons = [
            entry.reason(int(member), tags[place]) + (", near it" if phrase in near else "")
            for phrase, (entry, member, place) in enumerate(
                zip(found, joined.members[number], places[number], strict=True)
            )
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


def _read_tags(library: Library, places: Sequence[int]) -> dict[int, Tag]:
    """The tags at some places, of which only what is not in memory is read."""
    columns = library.columns()
    unique = sorted(set(places))
    if not unique:
        return {}
    row_ids = columns.row_ids[unique].tolist()
    query = library.tags_table.take_row_ids(row_ids).select(_READ).with_row_id()
    rows = {row.pop("_rowid"): row for row in query.to_arrow().to_pylist()}
    return {
        place: tag_from_row(columns.values(place) | rows[row_id])
        for place, row_id in zip(unique, row_ids, strict=True)
    }
