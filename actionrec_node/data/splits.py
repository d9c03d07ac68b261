# SPDX-License-Identifier: Apache-2.0
"""Labelled videos to train on and to score on: nobody is on both sides."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actionrec_node.data.annotations import Annotations, DataError, Segment
from perception_kit.short_text import counted


def check_disjoint(train: Annotations, held_out: Annotations) -> None:
    """Raises DataError where a video is on both sides."""
    shared = sorted(train.keys() & held_out.keys())
    if shared:
        raise DataError(
            f"{len(shared)} videos are in two of the data folders, for example '{shared[0]}':"
            " a held-out video must not be trained on"
        )


def subjects_of(segments: Sequence[Segment]) -> set[str]:
    """Who is named as seen in a video. "P8?" is somebody who may be P8."""
    return {segment.subject.rstrip("? ") for segment in segments} - {""}


def shared_subjects(train: Annotations, held_out: Annotations) -> list[str]:
    """Names of subjects that videos of both sides have; they may be people of two sources."""
    sides = [
        {subject for segments in side.values() for subject in subjects_of(segments)}
        for side in (train, held_out)
    ]
    return sorted(set.intersection(*sides))


def groups_of(annotations: Annotations, pattern: str | None = None) -> dict[Path, str]:
    """What must stay on one side of a split, by video: subjects, or a video.

    It is what the regular expression ``pattern`` finds in the video's path (its first group, if it
    has one), else the subjects that ``labels.csv`` names, else the video. Subjects who are seen in
    one video are one group, which has the first name of them all. Raises DataError for a path
    without the pattern.
    """
    if pattern is not None:
        return {path: _found_in(path, pattern) for path in annotations}

    # Of each subject, everybody who stays on the same side.
    together: dict[str, set[str]] = {}
    for segments in annotations.values():
        joined = {
            other for subject in subjects_of(segments) for other in together.get(subject, {subject})
        }
        together |= dict.fromkeys(joined, joined)

    return {
        path: min(together[min(subjects)]) if (subjects := subjects_of(segments)) else str(path)
        for path, segments in annotations.items()
    }


def _found_in(path: Path, pattern: str) -> str:
    """The group of a video by the pattern. Raises DataError."""
    try:
        match = re.search(pattern, str(path))
    except re.error as error:
        raise DataError(f"'{pattern}' is no regular expression: {error}") from error
    if match is None:
        raise DataError(f"'{path}' does not match the pattern '{pattern}' of the groups")
    return match.group(1) if match.re.groups else match.group()


def split(
    annotations: Annotations, fraction: float, seed: int, pattern: str | None = None
) -> tuple[Annotations, Annotations]:
    """Annotations to train on and to score on.

    Of each class about ``fraction`` of its segments is held out, whole groups at a time. Groups are
    drawn at random, for the rarest class first. Raises DataError for a class that would be on one
    side alone, and for a fraction or a pattern that is none.
    """
    if not 0 < fraction < 1:
        raise DataError(f"the fraction to hold out must be above 0 and below 1, got {fraction:g}")

    # Segments of each label in each group.
    group = groups_of(annotations, pattern)
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path, segments in annotations.items():
        for segment in segments:
            counts[segment.label][group[path]] += 1

    # Groups in random order, held out until each class has enough segments.
    order = np.random.default_rng(seed).permutation(sorted(set(group.values()))).tolist()
    rarest_first = sorted(counts.items(), key=lambda item: (sum(item[1].values()), item[0]))
    held: set[str] = set()
    for label, by_group in rarest_first:
        wanted = fraction * sum(by_group.values())
        for name in order:
            enough = sum(by_group.get(held_group, 0) for held_group in held) >= wanted
            if not enough and name in by_group and _leaves_every_class(name, held, counts):
                held.add(name)

        if not held & by_group.keys():
            raise DataError(
                f"class '{label}' cannot be on both sides of a split:"
                f" it occurs in the groups {sorted(by_group)} alone"
            )

    held_out = {path: segments for path, segments in annotations.items() if group[path] in held}
    train = {path: segments for path, segments in annotations.items() if path not in held_out}
    return train, held_out


def parse_fold(text: str) -> tuple[int, int]:
    """The numbers of ``K/N``, fold K of N. Raises ValueError for another text."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count or count < 2:
        raise ValueError(f"expected K/N with K from 1 to N, such as 2/5, got '{text}'")
    return number, count


def hold_out_fold(
    annotations: Annotations, number: int, count: int, pattern: str | None = None
) -> tuple[Annotations, Annotations]:
    """Annotations to train on and to score on, in fold ``number`` (from 1) of ``count``.

    Every group is held out in one fold. The rarest classes are spread first, each over the folds
    that have the least of it. Raises DataError for fewer groups than folds.
    """
    group = groups_of(annotations, pattern)
    totals = Counter(segment.label for segments in annotations.values() for segment in segments)
    shares: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for path, segments in annotations.items():
        for segment in segments:
            shares[group[path]][segment.label] += 1 / totals[segment.label]
    if len(shares) < count:
        raise DataError(
            f"{counted(len(shares), 'group')} of subjects or videos, such as '{min(shares)}',"
            f" cannot be {count} folds: make fewer, or add videos of others; the column 'subject'"
            " of labels.csv says who stays together"
        )

    # Those with the largest share of a class come first: the small ones fill the gaps.
    held = np.zeros((count, len(totals)))
    fold_of = {}
    for name, share in sorted(shares.items(), key=lambda item: (-max(item[1].values()), item[0])):
        parts = np.array([share.get(label, 0.0) for label in sorted(totals)])
        chosen = int((((held + parts) ** 2 - held**2).sum(axis=1)).argmin())
        held[chosen] += parts
        fold_of[name] = chosen + 1

    held_out = {path: each for path, each in annotations.items() if fold_of[group[path]] == number}
    return {path: each for path, each in annotations.items() if path not in held_out}, held_out


def _leaves_every_class(name: str, held: set[str], counts: dict[str, dict[str, int]]) -> bool:
    """Whether every class of group ``name`` also occurs in another group that is not ``held``."""
    return all(by_group.keys() - held - {name} for by_group in counts.values() if name in by_group)
