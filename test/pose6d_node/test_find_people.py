# SPDX-License-Identifier: Apache-2.0
"""Boxes of the person in each video of a folder."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pose6d_node import find_people
from pose6d_node.find_people import main
from pose6d_node.segmentation import predictor

ACTOR, ONLOOKER = (10.0, 10.0, 30.0, 50.0), (40.0, 5.0, 60.0, 55.0)


class FakeSegmenter:
    """Sees the same two people, of whom the larger one looks on, and a chair in all frames."""

    class_names = ("person", "chair")

    def __init__(self, *arguments: object) -> None:
        pass

    def __call__(self, rgb: np.ndarray) -> Sequence[SimpleNamespace]:
        found = [("person", ACTOR, 0.6), ("person", ONLOOKER, 0.9), ("chair", ACTOR, 0.9)]
        return [
            SimpleNamespace(class_name=name, box=np.array(box), score=score)
            for name, box, score in found
        ]


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two videos of a second, from two cameras."""
    monkeypatch.setattr(predictor, "Segmenter", FakeSegmenter)
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("sit_C1.avi", "sit_C2.avi"):
        writer = cv2.VideoWriter(
            str(folder / name), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 60)
        )
        for _ in range(10):
            writer.write(np.zeros((60, 64, 3), np.uint8))
        writer.release()
    return folder


def boxes_of(folder: Path) -> dict[str, set[tuple[float, ...]]]:
    with (folder / "boxes.csv").open(newline="") as file:
        found: dict[str, set[tuple[float, ...]]] = {}
        for row in csv.DictReader(file):
            box = tuple(float(row[edge]) for edge in find_people.EDGES)
            found.setdefault(row["video"], set()).add(box)
    return found


def test_onlookers_are_left_out_where_the_table_names_them(videos: Path, tmp_path: Path) -> None:
    table = tmp_path / "onlookers.csv"
    table.write_text("videos,x_min,y_min,x_max,y_max\n*_C2.avi,39,4,61,56\n")
    arguments = ["--data", str(videos), "--model", "people.safetensors"]
    assert main([*arguments, "--onlookers", str(table)]) == 0
    assert boxes_of(videos) == {"sit_C1.avi": {ONLOOKER}, "sit_C2.avi": {ACTOR}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("videos,x_min,y_min,x_max\n*,1,2,3\n", "lacks the columns ['y_max']"),
        ("videos,x_min,y_min,x_max,y_max\n*,1,2,far,4\n", "line 2: expected numbers"),
        ("videos,x_min,y_min,x_max,y_max\n*,5,2,3,4\n", "x_min < x_max"),
        ("videos,x_min,y_min,x_max,y_max\n*,5\n", "got ['5', None, None, None]"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    table = tmp_path / "onlookers.csv"
    table.write_text(text)
    arguments = ["--data", str(videos), "--model", "people.safetensors", "--onlookers", str(table)]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (videos / "boxes.csv").exists()


def test_boxes_that_are_there_are_not_replaced(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (videos / "boxes.csv").write_text("corrected by hand")
    assert main(["--data", str(videos), "--model", "people.safetensors"]) == 2
    assert "boxes.csv' is there already, perhaps corrected" in capsys.readouterr().err
    assert (videos / "boxes.csv").read_text() == "corrected by hand"


def test_videos_that_cannot_be_read_are_counted_and_named_at_the_end(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (videos / "sit_C2.avi").write_bytes(b"no video")
    assert main(["--data", str(videos), "--model", "people.safetensors"]) == 0
    printed = capsys.readouterr()
    assert "in 10 of 10 frames of 1 video\n" in printed.out
    end = printed.err.splitlines()[-1]
    assert end == "left out 1 of 2 videos, which cannot be read: sit_C2.avi"


def test_no_boxes_are_written_where_no_video_can_be_read(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for video in videos.iterdir():
        video.write_bytes(b"no video")
    assert main(["--data", str(videos), "--model", "people.safetensors"]) == 2
    assert "none of 2 videos" in capsys.readouterr().err
    assert not (videos / "boxes.csv").exists()


def test_folders_of_pictures_are_named_as_not_looked_at(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sequence = videos / "walking" / "sequence"
    sequence.mkdir(parents=True)
    cv2.imwrite(str(sequence / "f0000.png"), np.zeros((6, 8, 3), np.uint8))
    remark = f"1 folder of pictures is not looked at ({sequence})"
    assert main(["--data", str(videos), "--model", "people.safetensors"]) == 0
    assert remark in capsys.readouterr().err
    assert main(["--data", str(sequence.parent), "--model", "people.safetensors"]) == 2
    assert f"holds no video files; {remark}" in capsys.readouterr().err
