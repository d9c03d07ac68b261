# SPDX-License-Identifier: Apache-2.0
"""Ground truth of actions from a CSV file.

Its columns are ``start,end,label``; times are seconds since the first color image.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from perception_kit.budgets import regular
from perception_kit.evaluation.ground_truth import (
    FrameGroundTruth,
    FrameKey,
    GroundTruthError,
    GroundTruthSource,
)

_COLUMNS = ("start", "end", "label")
MAX_END_S = 1.0  # a segment may end this much after its recording: people round up


class ActionSegment(NamedTuple):
    """Somebody does ``label`` from ``start`` until before ``end``, seconds."""

    start: float
    end: float
    label: str


class ActionGroundTruth:
    """The actions of the file ``path``, and everything else from ``objects``, where it is given.

    A frame in none of the segments is one that nobody labeled. Raises GroundTruthError.
    """

    def __init__(self, path: Path, objects: GroundTruthSource | None = None) -> None:
        self._path, self._segments = path, read_segments(path)
        labels = Counter(segment.label for segment in self._segments)
        counts = ", ".join(f"{label}: {count}" for label, count in sorted(labels.items()))
        print(
            f"actions '{path}': {len(self._segments)} segments ({counts}) from"
            f" {self._segments[0].start:g} to {self._segments[-1].end:g} s",
            file=sys.stderr,
        )
        self._objects = objects

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameGroundTruth]:
        """Ground truth of each frame. Raises what the source of the objects raises."""
        self._warn_late(keys)
        unlabeled = (
            self._objects.frames(keys)
            if self._objects is not None
            else [FrameGroundTruth()] * len(keys)
        )
        for key, ground_truth in zip(keys, unlabeled, strict=True):
            yield replace(
                ground_truth, action=self._label((key.stamp_ns - keys[0].stamp_ns) * 1e-9)
            )

    def _warn_late(self, keys: Sequence[FrameKey]) -> None:
        """Warn of segments that end long after the last frame: their times may be no seconds."""
        length = (keys[-1].stamp_ns - keys[0].stamp_ns) * 1e-9 if keys else 0.0
        late = next(
            (segment for segment in self._segments if segment.end > length + MAX_END_S), None
        )
        if late is not None and isfinite(late.end):
            print(
                f"warning: actions '{self._path}': '{late.label}' ends at {late.end:g} s, the"
                f" recording at {length:.2f} s: are the times seconds, and not frames or"
                " milliseconds?",
                file=sys.stderr,
            )

    def _label(self, seconds: float) -> str:
        return next(
            (segment.label for segment in self._segments if segment.start <= seconds < segment.end),
            "",
        )


def read_segments(path: Path) -> list[ActionSegment]:
    """The lines of the file in the order of time.

    Raises GroundTruthError for a line that is not valid or overlaps another.
    """
    try:
        with regular(path).open(newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GroundTruthError(f"actions '{path}' cannot be read: {error}") from error

    if not rows or not set(_COLUMNS) <= set(rows[0]):
        found = ", ".join(map(str, rows[0])) if rows else "no lines"
        raise GroundTruthError(
            f"actions '{path}' has {found}, expected lines with the columns {', '.join(_COLUMNS)}"
        )

    segments = sorted(_segment(row, number, path) for number, row in enumerate(rows, start=2))
    for before, after in pairwise(segments):
        if after.start < before.end:
            raise GroundTruthError(
                f"actions '{path}': {before.label} until {before.end} s and {after.label} from"
                f" {after.start} s overlap"
            )
    return segments


def _segment(row: dict[str, str], number: int, path: Path) -> ActionSegment:
    try:
        segment = ActionSegment(float(row["start"]), float(row["end"]), row["label"].strip())
    except (TypeError, ValueError, AttributeError) as error:
        raise GroundTruthError(
            f"actions '{path}', line {number}: {error}; expected start and end in seconds, and a"
            " label"
        ) from error

    if not (0 <= segment.start < segment.end and segment.label):
        raise GroundTruthError(
            f"actions '{path}', line {number}: got {tuple(segment)}, expected 0 <= start < end and"
            " a label"
        )
    return segment
