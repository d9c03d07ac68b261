# SPDX-License-Identifier: Apache-2.0
"""What is asked of a library, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from video_search.tag import KINDS, Source, Tag

MAX_TEXT = 500
"""Characters of a question: each of its words is looked up with those beside it."""


@dataclass(frozen=True)
class Query:
    """What to find; everything that is given must hold.

    ``text`` holds words for labels, colors, actions and what was said; ``near`` and ``with``
    between two of them ask for both at once. ``descriptor`` (D,) float32 of norm 1 in ``space``
    finds what looks alike. Times are nanoseconds since 1970 and leave out sources without a wall
    clock. ``newest_first`` orders by time instead of score.

    Raises ValueError where nothing is asked for, for a kind that is not known, and for a text of
    more than ``MAX_TEXT`` characters.
    """

    text: str = ""
    descriptor: np.ndarray | None = None
    space: str = ""
    kinds: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    sources: tuple[str, ...] = ()
    track_id: int | None = None
    min_confidence: float = 0.0
    limit: int = 10
    newest_first: bool = False

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise ValueError(f"unknown kind '{unknown[0]}': expected one of {', '.join(KINDS)}")
        if len(self.text) > MAX_TEXT:
            raise ValueError(
                f"the question has {len(self.text)} characters, at most {MAX_TEXT} are read"
            )
        if self.track_id is not None and self.track_id >= 2**63:
            raise ValueError(f"a track has a smaller number, got {self.track_id}")
        if self.limit < 1:
            raise ValueError(f"the limit must be at least 1 moment, got {self.limit}")
        if self.descriptor is not None and not self.space:
            raise ValueError("a descriptor needs the space that it lies in, such as 'sface'")
        if (
            self.since_ns is not None
            and self.until_ns is not None
            and self.until_ns < self.since_ns
        ):
            raise ValueError("the end of the time to search lies before its start")


@dataclass(frozen=True)
class Moment:
    """A time of a source at which the query holds.

    ``score`` is 0 to 1, ``reasons`` say why it was found, ``tags`` are the appearances that it is
    made of, the first the one that was asked for first, without descriptors. Times as in ``Tag``.
    """

    source: Source
    start_ns: int
    end_ns: int
    best_ns: int
    score: float
    reasons: tuple[str, ...]
    tags: tuple[Tag, ...]

    @property
    def thumbnail(self) -> bytes:
        """JPEG of the first tag that has one, or empty."""
        return next((tag.thumbnail for tag in self.tags if tag.thumbnail), b"")


@dataclass
class SearchResult:
    """The best moments first, and what is to be said of the search, such as unknown words."""

    moments: list[Moment] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def __len__(self) -> int:
        return len(self.moments)
