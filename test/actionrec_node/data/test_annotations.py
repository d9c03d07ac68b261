# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionrec_node.data.annotations import (
    Annotations,
    DataError,
    Segment,
    check_disjoint,
    class_names_of,
    group_of,
    hold_out_fold,
    known_labels,
    parse_fold,
    read_annotations,
    read_folders,
    split,
)


def test_csv_and_class_folders_together(tmp_path: Path) -> None:
    (tmp_path / "walking").mkdir()
    (tmp_path / "walking" / "a.mp4").touch()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "b.mp4").touch()
    (tmp_path / "labels.csv").write_text(
        "video,start,end,label,subject\n"
        "videos/b.mp4,0,1.5,falling,anna\n"
        "videos/b.mp4,1.5,3,lying,anna\n"
    )
    annotations = read_annotations(tmp_path)
    assert annotations[tmp_path / "videos/b.mp4"] == [
        Segment(0, 1.5, "falling", "anna"),
        Segment(1.5, 3, "lying", "anna"),
    ]
    assert annotations[tmp_path / "walking/a.mp4"] == [Segment(0, float("inf"), "walking")]
    assert class_names_of(annotations) == ["falling", "lying", "walking"]


def test_a_folder_of_pictures_is_a_video(tmp_path: Path) -> None:
    for name in ("walking/a", "frames/b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "0001.jpg").touch()
    (tmp_path / "labels.csv").write_text("video,start,end,label\nframes/b,0,1,falling\n")
    assert set(read_annotations(tmp_path)) == {tmp_path / "walking/a", tmp_path / "frames/b"}


def test_files_that_are_no_videos_are_named_and_hidden_folders_are_not_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / "walking" / "anna").mkdir(parents=True)
    for name in ("a.ts", "b.mp4", "c.flv", ".hidden"):
        (tmp_path / "walking" / name).touch()
    assert set(read_annotations(tmp_path)) == {
        tmp_path / "walking/a.ts",
        tmp_path / "walking/b.mp4",
    }
    expected = f"not read: '{tmp_path / 'walking/anna'}' and 1 more: no video\n"
    assert capsys.readouterr().err.startswith(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("video,start,label\n", r"lacks the columns \['end'\]", id="missing column"),
        pytest.param(
            "video,start,end,label\na.mp4,zero,1,x\n",
            "line 2: start and end must be seconds",
            id="not a number",
        ),
        pytest.param(
            "video,start,end,label\na.mp4,2,1,x\n",
            "line 2: .* got start 2.0 and end 1.0",
            id="end before start",
        ),
        pytest.param(
            "video,start,end,label\na.mp4,-1,1,x\n", "line 2: expected 0 <= start", id="negative"
        ),
        pytest.param(
            "video,start,end,label\na.mp4,nan,1,x\n", "line 2: expected 0 <= start", id="not finite"
        ),
        pytest.param("video,start,end,label\na.mp4,0,1,\n", "line 2 has no label", id="no label"),
        pytest.param(
            "video,start,end,label\na.mp4,0,1\n", "line 2: expected 4 values", id="a value too few"
        ),
        pytest.param(
            "video,start,end,label\na.mp4,0,1,x,y\n",
            "line 2: expected 4 values",
            id="a value too many",
        ),
        pytest.param(
            "video,start,end,label\na.mp4,0,3,x\na.mp4,2,4,y\n",
            "line 3: 'x' from 0 to 3 s and .* overlap",
            id="overlap",
        ),
        pytest.param("video,start,end,label\n,0,1,x\n", "line 2 has no video", id="no video"),
        pytest.param(
            "video,start,end,label\na\0.mp4,0,1,x\n", "line 2 holds a zero byte", id="zero byte"
        ),
        pytest.param("video,start,end,label\n", "no line below its header", id="header alone"),
        pytest.param(
            "video,start,end,label\na.mp4,0,1,laufén\n", "in UTF-8", id="another encoding"
        ),
    ],
)
def test_bad_csv_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=rf"labels\.csv'.*{message}"):
        read_annotations(tmp_path)


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "video, start, end, label\r\na.mp4, 0, 1, laufén\r\n", encoding="utf-8-sig"
    )
    assert read_annotations(tmp_path) == {tmp_path / "a.mp4": [Segment(0, 1, "laufén")]}


def test_a_video_that_is_labeled_in_two_places_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("video,start,end,label\na.mp4,0,1,x\n")
    with pytest.raises(DataError, match=r"a\.mp4' is labelled in two places"):
        read_folders([tmp_path, tmp_path / "."])


def test_folders_without_videos_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither labels\.csv nor class folders"):
        read_annotations(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_annotations(tmp_path / "nowhere")
    (tmp_path / "running").mkdir()
    with pytest.raises(DataError, match=r"class folder '.*running' holds no video"):
        read_annotations(tmp_path)


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(DataError, match=r"'a\.mp4', show the one class \['walking'\]"):
        class_names_of({Path("a.mp4"): [Segment(0, 1, "walking")]})


def test_a_label_that_the_model_lacks_is_named_with_its_video() -> None:
    with pytest.raises(DataError, match=r"'a\.mp4' is labelled \['swimming'\]"):
        known_labels({Path("a.mp4"): [Segment(0, 1, "swimming")]}, ["walking"])


def test_what_a_model_does_not_know_is_other_to_it() -> None:
    segments = [Segment(0, 1, "swimming", "ann"), Segment(1, 2, "walking", "ann")]
    annotations = {Path("a.mp4"): segments}
    assert known_labels(annotations, ["other", "walking"]) == {
        Path("a.mp4"): [Segment(0, 1, "other", "ann"), segments[1]]
    }
    assert known_labels(annotations, ["swimming", "walking"]) == annotations


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
    segments = [Segment(0, 1, "x", subject)]
    assert group_of(Path("up/A01_S03_T1_C2.mp4"), segments, pattern) == expected


def test_a_path_without_the_pattern_is_named() -> None:
    with pytest.raises(DataError, match=r"'a\.mp4' does not match the pattern '_S"):
        group_of(Path("a.mp4"), [Segment(0, 1, "x")], r"_S\d")


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


def test_paths_that_were_written_on_windows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "videos" / name).touch()
    (tmp_path / "labels.csv").write_text(
        "video,start,end,label\n"
        "videos\\a.mp4,0,2,walking\nvideos\\a.mp4,2,4.5,falling\nvideos/b.mp4,0,inf,walking\n"
    )
    annotations = read_annotations(tmp_path)
    assert annotations.keys() == {tmp_path / "videos/a.mp4", tmp_path / "videos/b.mp4"}
    assert f"{tmp_path}: 2 videos, 3 labels (falling: 1, walking: 2); times 0 to 4.5 s" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("other", "warns"),
    [("Falling", True), ("fall-ing", True), ("falling ", False), ("fallen", False)],
)
def test_labels_that_hardly_differ_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str, warns: bool
) -> None:
    (tmp_path / "a.mp4").touch()
    lines = ["video,start,end,label", "a.mp4,0,1,falling", f"a.mp4,1,2,{other}"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    read_annotations(tmp_path)
    assert ("are 2 classes: write them alike" in capsys.readouterr().err) == warns


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
        assert not {group_of(*each) for each in train.items()} & {
            group_of(*each) for each in held.items()
        }
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
    with pytest.raises(DataError, match="1 subjects or videos cannot be 2 folds"):
        hold_out_fold(annotations, 1, 2)


@pytest.mark.parametrize("text", ["", "3", "0/5", "6/5", "1/1", "a/b", "1/2/3"])
def test_what_is_no_fold_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"such as 2/5, got '{text}'"):
        parse_fold(text)
