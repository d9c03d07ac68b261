# SPDX-License-Identifier: Apache-2.0
"""The way of one person through a video, from the detections of single frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception_kit.boxes import box_iou

DOUBTFUL = 0.25  # a detection of less than this score costs more than a frame without one


@dataclass(frozen=True)
class Candidates:
    """What a detector found in a frame: ``boxes`` (N, 4) in pixels and ``scores`` (N,)."""

    boxes: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class _Step:
    """A detection as the end of the best way to it: ``value`` of the way, the step ``before``."""

    frame: int
    box: np.ndarray
    value: float
    before: _Step | None


def find_path(frames: Sequence[Candidates], max_gap: int) -> list[np.ndarray | None]:
    """The box (4,) of the person in each frame, None where nobody is seen.

    Of all ways through the detections it is the one with the largest sum of scores above
    ``DOUBTFUL`` and of overlaps of successive boxes (Viterbi's algorithm): a short false detection,
    or a second person behind, does not interrupt it. Boxes are interpolated over at most
    ``max_gap`` frames without one.
    """
    boxes: list[np.ndarray | None] = [None] * len(frames)
    way = _best_way(frames, max_gap)
    for step in way:
        boxes[step.frame] = step.box

    for first, last in pairwise(way):
        missing = last.frame - first.frame - 1
        if 0 < missing <= max_gap:
            for k, share in enumerate(np.linspace(0, 1, missing + 2)[1:-1], start=1):
                boxes[first.frame + k] = (1 - share) * first.box + share * last.box
    return boxes


def _best_way(frames: Sequence[Candidates], max_gap: int) -> list[_Step]:
    """The steps of the best way, in the order of their frames."""
    best: _Step | None = None  # of the steps that are too old to overlap with
    recent: list[_Step] = []
    for number, candidates in enumerate(frames):
        for step in recent:
            if step.frame < number - max_gap - 1 and (best is None or step.value > best.value):
                best = step
        recent = [step for step in recent if step.frame >= number - max_gap - 1]

        recent += [
            _step(number, box, float(score), recent, best)
            for box, score in zip(candidates.boxes, candidates.scores, strict=True)
        ]

    ends = [end for end in (*recent, best) if end is not None and end.value > 0]
    end = max(ends, key=lambda end: end.value, default=None)
    way: list[_Step] = []
    while end is not None:
        way.append(end)
        end = end.before
    return way[::-1]


def _step(
    number: int, box: np.ndarray, score: float, recent: Sequence[_Step], best: _Step | None
) -> _Step:
    """The best way to a detection: after a recent one, a long gap, or from nowhere."""
    gain = score - DOUBTFUL
    options = [(0.0, None), *([(best.value, best)] if best else [])]
    options += [
        (step.value + float(box_iou(step.box, box)), step) for step in recent if step.frame < number
    ]
    value, before = max(options, key=lambda option: option[0])
    return _Step(number, box, value + gain, before)
