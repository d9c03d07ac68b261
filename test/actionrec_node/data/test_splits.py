# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionrec_node.data.annotations import Annotations, DataError, Segment
from actionrec_node.data.splits import check_disjoint, groups_of, hold_out_fold, parse_fold, split


def test_a_video_on_both_sides_is_refused() -> None:
    videos = {Path("a.mp4"): [Segment(0, 1, "x")]}
    with pytest.raises(
        DataError, match=r"1 videos are in two of the data folders, for example 'a\.mp4'"
    ):
        check_disjoint(videos, videos)


@pytest.mark.parametrize(
    ("subject", "pattern", "expected"),
    [
        ("", None, "up/A01_S03_T1_C2.mp4"),
        ("anna", None, "anna"),
        ("anna", r"_(S\d+)_", "S03"),
        ("", r"C\d", "C2"),
    ],
)
def test_group_is_pattern_else_subject_else_video(
    subject: str, pattern: str | None, expected: str
) -> None:
    path = Path("up/A01_S03_T1_C2.mp4")
    assert groups_of({path: [Segment(0, 1, "x", subject)]}, pattern) == {path: expected}


def test_a_path_without_the_pattern_is_named() -> None:
    with pytest.raises(DataError, match=r"'a\.mp4' does not match the pattern '_S"):
        groups_of({Path("a.mp4"): [Segment(0, 1, "x")]}, r"_S\d")


def test_everybody_of_a_video_stays_on_its_side() -> None:
    subjects = {
        "a": ["P3", "P9"],
        "b": ["", "P9?"],
        "c": ["P4"],
        "d": ["", ""],
        "e": ["?"],
        "f": ["P9", "P2"],
        "g": ["P3"],
    }
    annotations = {
        Path(name): [Segment(k, k + 1, "x", subject) for k, subject in enumerate(named)]
        for name, named in subjects.items()
    }
    groups = {str(path): group for path, group in groups_of(annotations).items()}
    assert groups == dict(zip("abcdefg", ["P2", "P2", "P4", "d", "e", "P2", "P2"], strict=True))


def test_who_is_seen_with_somebody_is_not_scored_by_their_model() -> None:
    subjects = [("P1", "P9"), ("P9", "P9"), ("P2", "P2"), ("P3", "P3")]
    annotations: Annotations = {
        Path(f"{number}.mp4"): [Segment(k, k + 1, "x", name) for k, name in enumerate(names)]
        for number, names in enumerate(subjects)
    }
    folds = [hold_out_fold(annotations, number, 3)[1] for number in (1, 2, 3)]
    sides = [*folds, split(annotations, 0.4, 0)[1]]
    assert all((Path("0.mp4") in side) == (Path("1.mp4") in side) for side in sides)


VIDEOS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 8)), min_size=1, max_size=40)


@given(VIDEOS, st.floats(0.05, 0.6), st.integers(0, 3))
def test_a_split_keeps_groups_whole_and_every_class_on_both_sides(
    videos: list[tuple[str, int]], fraction: float, seed: int
) -> None:
    annotations: Annotations = {
        Path(f"{number}.mp4"): [Segment(0, 1, label, f"person {subject}")]
        for number, (label, subject) in enumerate(videos)
    }
    labels_of: dict[int, set[str]] = defaultdict(set)
    for label, subject in videos:
        labels_of[subject].add(label)
    try:
        train, held_out = split(annotations, fraction, seed)
    except DataError:
        few = any(sum(label in labels for labels in labels_of.values()) < 2 for label, _ in videos)
        assert few or any(len(labels) > 1 for labels in labels_of.values())
        return

    assert train.keys() | held_out.keys() == annotations.keys()
    sides = [
        {(segments[0].label, segments[0].subject) for segments in side.values()}
        for side in (train, held_out)
    ]
    assert not {subject for _, subject in sides[0]} & {subject for _, subject in sides[1]}
    assert all({label for label, _ in side} == {label for label, _ in videos} for side in sides)
    assert split(annotations, fraction, seed) == (train, held_out)


@given(
    st.dictionaries(
        st.integers(0, 60).map(lambda number: Path(f"{number}.mp4")),
        st.lists(st.sampled_from(("falling", "walking", "lying")), min_size=1, max_size=4),
        min_size=8,
    ),
    st.integers(2, 4),
)
def test_every_subject_is_held_out_in_one_fold(labels: dict[Path, list[str]], count: int) -> None:
    annotations: Annotations = {
        path: [Segment(k, k + 1, label, f"P{number % 5}") for k, label in enumerate(names)]
        for number, (path, names) in enumerate(labels.items())
    }
    held_out = []
    for number in range(1, count + 1):
        train, held = hold_out_fold(annotations, number, count)
        assert train | held == annotations
        assert not set(groups_of(train).values()) & set(groups_of(held).values())
        held_out += list(held)
    assert sorted(held_out) == sorted(annotations)


def test_a_rare_class_is_spread_over_the_folds() -> None:
    annotations: Annotations = {
        Path(f"{number}.mp4"): [Segment(0, 1, "running" if number < 4 else "walking")]
        for number in range(40)
    }
    for number in range(1, 5):
        held = hold_out_fold(annotations, number, 4)[1]
        labels = [segments[0].label for segments in held.values()]
        assert (labels.count("running"), labels.count("walking")) == (1, 9)


def test_more_folds_than_subjects_are_refused() -> None:
    annotations: Annotations = {
        Path(f"{number}.mp4"): [Segment(0, 1, "walking", "P1" if number else "P1?")]
        for number in range(3)
    }
    with pytest.raises(DataError, match=r"1 group of .* 'P1', cannot be 2 folds: make"):
        hold_out_fold(annotations, 1, 2)


@pytest.mark.parametrize("text", ["", "3", "0/5", "6/5", "1/1", "a/b", "1/2/3"])
def test_what_is_no_fold_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"such as 2/5, got '{text}'"):
        parse_fold(text)
