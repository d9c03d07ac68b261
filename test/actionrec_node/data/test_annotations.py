# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from actionrec_node.data.annotations import (
    DataError,
    Segment,
    class_names_of,
    folder_numbers,
    known_labels,
    read_annotations,
    read_folders,
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


def test_what_a_model_does_not_know_is_other_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    segments = [Segment(0, 1, "swimming", "ann"), Segment(1, 2, "walking", "ann")]
    annotations = {Path("a.mp4"): segments}
    assert known_labels(annotations, ["other", "walking"]) == {
        Path("a.mp4"): [Segment(0, 1, "other", "ann"), segments[1]]
    }
    assert "counts as 'other': 'swimming' (1 labels)" in capsys.readouterr().err
    assert known_labels(annotations, ["swimming", "walking"]) == annotations
    assert not capsys.readouterr().err


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


def test_a_linked_video_lies_in_the_folder_that_labels_it(tmp_path: Path) -> None:
    for name in ("elsewhere", "first/walking", "second/walking"):
        (tmp_path / name).mkdir(parents=True)
    for number, folder in enumerate(("first", "second")):
        target = tmp_path / "elsewhere" / f"{number}.mp4"
        target.touch()
        (tmp_path / folder / "walking" / "a.mp4").symlink_to(target)
    numbers = folder_numbers([tmp_path / "first", tmp_path / "second"])
    assert numbers == {tmp_path / "elsewhere" / f"{k}.mp4": k for k in range(2)}
