# SPDX-License-Identifier: Apache-2.0
"""Ground truth of actions from a CSV file with the columns ``start,end,label``: seconds since the
first colour image.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from perception_kit.evaluation.ground_truth import (
    FrameGroundTruth,
    FrameKey,
    GroundTruthError,
    GroundTruthSource,
)

_COLUMNS = ("start", "end", "label")


class ActionSegment(NamedTuple):
    """Somebody does ``label`` from ``start`` until before ``end``, seconds."""

    start: float
    end: float
    label: str


class ActionGroundTruth:
    """The actions of the file ``path``, and everything else from ``others``, where there is such a
    source. Raises TruthError.

    A frame in none of the stretches is one that nobody labelled.
    """

    def __init__(self, path: Path, others: GroundTruthSource | None = None) -> None:
        self._segments = read_segments(path)
        self._others = others

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameGroundTruth]:
        """Truth of each frame. Raises what the other source raises."""
        others = (
            self._others.frames(keys)
            if self._others is not None
            else [FrameGroundTruth()] * len(keys)
        )
        for key, ground_truth in zip(keys, others, strict=True):
            seconds = (key.stamp_ns - keys[0].stamp_ns) * 1e-9
            label = next(
                (one.label for one in self._segments if one.start <= seconds < one.end), ""
            )
            yield replace(ground_truth, action=label)


def read_segments(path: Path) -> list[ActionSegment]:
    """The lines of the file in the order of time.

    Raises TruthError for one that is not valid or overlaps another.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GroundTruthError(f"actions '{path}' cannot be read: {error}") from error
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        found = ", ".join(map(str, rows[0])) if rows else "no lines"
        raise GroundTruthError(
            f"actions '{path}' has {found}, expected lines with the columns {', '.join(_COLUMNS)}"
        )
    stretches = sorted(_segment(row, number, path) for number, row in enumerate(rows, start=2))
    for before, after in pairwise(stretches):
        if after.start < before.end:
            raise GroundTruthError(
                f"actions '{path}': {before.label} until {before.end} s and {after.label} from"
                f" {after.start} s overlap"
            )
    return stretches


def _segment(row: dict[str, str], number: int, path: Path) -> ActionSegment:
    try:
        stretch = ActionSegment(float(row["start"]), float(row["end"]), row["label"].strip())
    except (TypeError, ValueError, AttributeError) as error:
        raise GroundTruthError(
            f"actions '{path}', line {number}: {error}; expected start and end in seconds, and a"
            " label"
        ) from error
    if not (0 <= stretch.start < stretch.end and stretch.label):
        raise GroundTruthError(
            f"actions '{path}', line {number}: got {tuple(stretch)}, expected 0 <= start < end and"
            " a label"
        )
    return stretch
