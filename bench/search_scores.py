# SPDX-License-Identifier: Apache-2.0
"""Scores of answers against the true times of what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from video_search import Moment

SLACK_NS = 300_000_000
Span = tuple[int, int]
SpansByRecording = Mapping[str, Sequence[Span]]
WANTED_PRECISION = 0.9


class Score:
    """All queries of one kind.

    A moment is right where it overlaps a true appearance in time; recall counts true appearances
    that some moment overlaps.
    """

    def __init__(self) -> None:
        self.true = 0
        self._scores: list[float] = []
        self._hits: list[list[int]] = []
        self._first_ten: list[bool] = []

    def add(
        self, moments: Sequence[Moment], spans: SpansByRecording, slack_ns: int = SLACK_NS
    ) -> None:
        """Count one answer against the true spans of each recording."""
        numbered = [(recording, span) for recording, true in spans.items() for span in true]
        for place, moment in enumerate(moments):
            recording = Path(moment.source.uri).name
            hits = [
                self.true + number
                for number, (other, span) in enumerate(numbered)
                if other == recording
                and moment.start_ns <= span[1] + slack_ns
                and moment.end_ns >= span[0] - slack_ns
            ]
            self._scores.append(moment.score)
            self._hits.append(hits)
            self._first_ten.append(place < 10)
        self.true += len(numbered)

    def figures(self) -> dict[str, float]:
        """Of all answers: recall, precision, and that of the first ten.

        ``recall_at_precision``: the best recall of the answers above one score at which nine of ten
        of them are right.
        """
        right = np.array([bool(hits) for hits in self._hits], bool)
        first_ten = np.array(self._first_ten, bool)
        order = np.argsort(-np.array(self._scores), kind="stable")
        found: set[int] = set()
        recalls = []
        for place in order:
            found.update(self._hits[place])
            recalls.append(len(found) / max(1, self.true))
        precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
        good = [
            recall
            for recall, precision in zip(recalls, precisions, strict=True)
            if precision >= WANTED_PRECISION
        ]
        return {
            "recall": recalls[-1] if recalls else 0.0,
            "precision": float(right.sum()) / max(1, len(right)),
            "recall_at_precision": max(good, default=0.0),
            "precision_at_10": float(right[first_ten].sum()) / max(1, int(first_ten.sum())),
            "appearances": self.true,
        }


def overlap(first: SpansByRecording, second: SpansByRecording) -> dict[str, list[Span]]:
    """The times at which both are there."""
    return {
        recording: [
            (max(a[0], b[0]), min(a[1], b[1]))
            for a in spans
            for b in second[recording]
            if min(a[1], b[1]) > max(a[0], b[0])
        ]
        for recording, spans in first.items()
    }
