# SPDX-License-Identifier: Apache-2.0
"""The way of one person through a video, from the detections of single frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception_kit.boxes import box_area, box_iou

DOUBTFUL = 0.25  # a detection of less than this score costs more than a frame without one
MAX_WAYS = 4  # of people, and of what a detector takes for people, in one video
SAME = 0.5  # overlap of boxes of the same thing
STILL_FRACTION = 0.9  # of the boxes of a thing that keeps still overlap with where it mostly is
APART = 0.3  # overlap below which two boxes are of different things
WEAK = 0.25  # a way of less than this fraction of the best one's value is noise
SMALL = (
    0.5  # what has less than this fraction of somebody's area, such as a shadow, is not followed
)
SHORT = 0.3  # fraction of the longest way's detections


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
    or a second person behind, does not interrupt it. Overlaps favor what keeps still, such as a
    coat, a chair or who looks on: where somebody of about that size moves meanwhile, they are
    followed; where nobody moves, the largest is. Boxes are interpolated over at most ``max_gap``
    frames without one.
    """
    boxes: list[np.ndarray | None] = [None] * len(frames)
    way = _subject(frames, max_gap)
    for step in way:
        boxes[step.frame] = step.box

    for first, last in pairwise(way):
        missing = last.frame - first.frame - 1
        if 0 < missing <= max_gap:
            for k, share in enumerate(np.linspace(0, 1, missing + 2)[1:-1], start=1):
                boxes[first.frame + k] = (1 - share) * first.box + share * last.box
    return boxes


def _subject(frames: Sequence[Candidates], max_gap: int) -> list[_Step]:
    """The way of the person who acts in the video; empty where there is nobody."""
    ways = _disjoint_ways(frames, max_gap)
    still: list[list[_Step]] = []
    moving: list[list[_Step]] = []
    for way in ways:
        (still if _is_still(way) else moving).append(way)
    if not still:
        return ways[0] if ways else []
    if not moving:
        longest = max(map(len, ways))
        long = [way for way in ways if len(way) >= SHORT * longest]
        return max(long, key=lambda way: float(box_area(_place(way))))

    # What keeps still while somebody is elsewhere is somebody, or something, else.
    max_area = float(box_area(_place(moving[0]))) / SMALL
    others = [
        way for way in still if _is_seen_beside(way, moving[0]) and box_area(_place(way)) < max_area
    ]
    for way in others:
        frames = [_without(candidates, _place(way)) for candidates in frames]
    return _best_way(frames, max_gap) if others else ways[0]


def _disjoint_ways(frames: Sequence[Candidates], max_gap: int) -> list[list[_Step]]:
    """The best way, the best of what is left beside it, and so on."""
    ways: list[list[_Step]] = []
    while len(ways) < MAX_WAYS and (way := _best_way(frames, max_gap)):
        if ways and way[-1].value < WEAK * ways[0][-1].value:
            break
        ways.append(way)
        left = list(frames)
        for step in way:
            left[step.frame] = _without(left[step.frame], step.box)
        frames = left
    return ways


def _without(candidates: Candidates, box: np.ndarray) -> Candidates:
    """The candidates that are not of the thing in the box."""
    kept = box_iou(box, candidates.boxes) < SAME
    return Candidates(candidates.boxes[kept], candidates.scores[kept])


def _place(way: Sequence[_Step]) -> np.ndarray:
    """The box (4,) in which the thing mostly is."""
    return np.median([step.box for step in way], axis=0)


def _is_still(way: Sequence[_Step]) -> bool:
    place = _place(way)
    return bool(np.mean([box_iou(step.box, place) >= SAME for step in way]) >= STILL_FRACTION)


def _is_seen_beside(way: Sequence[_Step], other: Sequence[_Step]) -> bool:
    """Whether the still thing is there in most frames in which the other one is elsewhere."""
    place, seen = _place(way), {step.frame for step in way}
    elsewhere = {step.frame for step in other if box_iou(step.box, place) < APART}
    return len(elsewhere & seen) > len(elsewhere) / 2


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
