# SPDX-License-Identifier: Apache-2.0
"""Tags that one phrase or one descriptor finds, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from video_search.columns import Columns
from video_search.tag import Tag

# Near: at most so far apart in space, or, without positions, so many sizes of the larger box.
NEAR_M, NEAR_BOXES = 1.0, 1.0
_QUOTE_LENGTH = 60
SAID = -1
"""Number of the reason of what was said, which is its text."""


@dataclass
class Candidates:
    """N tags by their places among ``columns``, with scores from 0 to 1.

    ``reason_codes`` are numbers of ``reasons``, or -1 for what was said. ``box`` (N, 4) pixels and
    ``position`` (N, 3) metres are NaN where unknown, and None until ``with_geometry``.
    """

    columns: Columns
    places: np.ndarray
    score: np.ndarray
    reason_codes: np.ndarray
    reasons: list[str]
    box: np.ndarray | None = None
    position: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def source(self) -> np.ndarray:
        """(N,) numbers of the sources."""
        return self.columns.codes["source"][self.places]

    @property
    def start_ns(self) -> np.ndarray:
        """(N,) when each starts."""
        return self.columns.start_ns[self.places]

    @property
    def end_ns(self) -> np.ndarray:
        """(N,) when each ends."""
        return self.columns.end_ns[self.places]

    def reason(self, number: int, tag: Tag) -> str:
        """Why a tag was found."""
        code = self.reason_codes[number]
        return f"says “{_shortened(tag.text)}”" if code == SAID else self.reasons[code]

    def best(self, count: int) -> Candidates:
        """Those of the highest scores, of which those that start last."""
        return self._first(count, -self.score, -self.start_ns)

    def newest(self, count: int) -> Candidates:
        """Those that start last, of which the highest scores."""
        return self._first(count, -self.start_ns, -self.score)

    def _first(self, count: int, key: np.ndarray, second_key: np.ndarray) -> Candidates:
        """Those with the lowest keys; the second one decides between equals."""
        if len(self) <= count:
            return self
        last = np.partition(key, count - 1)[count - 1]
        below, equal = np.flatnonzero(key < last), np.flatnonzero(key == last)
        left = count - len(below)
        if left < len(equal):
            equal = equal[np.argpartition(second_key[equal], left - 1)[:left]]
        return self.chosen(np.concatenate([below, equal]))

    def chosen(self, numbers: np.ndarray) -> Candidates:
        """Those of some numbers, or of a mask."""
        return replace(
            self,
            places=self.places[numbers],
            score=self.score[numbers],
            reason_codes=self.reason_codes[numbers],
            box=None if self.box is None else self.box[numbers],
            position=None if self.position is None else self.position[numbers],
        )

    def with_geometry(self, table: Any) -> Candidates:
        """The same with boxes and positions, which are read from the table of the tags."""
        row_ids = self.columns.row_ids[self.places]
        unique, numbers = np.unique(row_ids, return_inverse=True)
        rows = table.take_row_ids(unique.tolist()).select(["box", "position"]).with_row_id()
        read = rows.to_arrow().sort_by("_rowid")
        box, position = _vectors(read, "box", 4), _vectors(read, "position", 3)
        return replace(self, box=box[numbers], position=position[numbers])

    def distance(self, chosen: np.ndarray, other: Candidates, number: int) -> np.ndarray:
        """(len(chosen),) distances to one tag of ``other`` in units of what counts as near.

        In space where both positions are known, else in the image; infinite where neither is.
        Both must have their geometry.
        """
        assert self.box is not None
        assert self.position is not None
        assert other.box is not None
        assert other.position is not None
        space = np.linalg.norm(self.position[chosen] - other.position[number], axis=1) / NEAR_M
        mine, its = self.box[chosen], other.box[number]
        gap = np.maximum(np.maximum(mine[:, :2] - its[2:], its[:2] - mine[:, 2:]), 0)
        sides = np.maximum((mine[:, 2:] - mine[:, :2]).max(axis=1), (its[2:] - its[:2]).max())
        image = np.linalg.norm(gap, axis=1) / np.maximum(sides, 1) / NEAR_BOXES
        return np.nan_to_num(np.where(np.isnan(space), image, space), nan=np.inf)


def _vectors(table: pa.Table, column: str, length: int) -> np.ndarray:
    """(N, length), NaN where there is none."""
    vectors = np.full((table.num_rows, length), np.nan, np.float32)
    values = table[column].combine_chunks()
    known = pc.is_valid(values).to_numpy(zero_copy_only=False)
    if known.any():
        vectors[known] = values.drop_null().flatten().to_numpy().reshape(-1, length)
    return vectors


def merged(named: Candidates, said: Candidates) -> Candidates:
    """Both; of a tag found twice, the better score. ``named`` must be in the order of places."""
    if not len(named) or not len(said):
        return named if len(named) else said
    numbers = np.minimum(np.searchsorted(named.places, said.places), len(named) - 1)
    is_both = named.places[numbers] == said.places
    is_better = is_both & (said.score > named.score[numbers])

    score, codes = named.score.copy(), named.reason_codes.copy()
    score[numbers[is_better]] = said.score[is_better]
    codes[numbers[is_better]] = SAID
    return replace(
        named,
        places=np.concatenate([named.places, said.places[~is_both]]),
        score=np.concatenate([score, said.score[~is_both]]),
        reason_codes=np.concatenate([codes, said.reason_codes[~is_both]]),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _QUOTE_LENGTH else text[: _QUOTE_LENGTH - 1] + "…"
