# SPDX-License-Identifier: Apache-2.0
"""Photographs become videos that action models are trained on."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from script_files import load_script

from actionrec_node.data.annotations import read_annotations
from actionrec_node.data.person_boxes import read_boxes
from perception_kit.videos.video import VideoFormat, read_video


@pytest.fixture
def script() -> ModuleType:
    return load_script("still_videos")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """One of a person, two of nobody."""
    folder = tmp_path / "photographs"
    (folder / "annotations").mkdir(parents=True)
    (folder / "val").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 6, 8, 3), np.uint8)
    for number, image in enumerate(pixels):
        large = cv2.resize(image, (80, 60), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "val" / f"{number}.png"), large)
    outline = {"segmentation": [[5, 5, 30, 5, 30, 30, 5, 30]], "iscrowd": 0}
    content = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 80, "height": 60} for k in range(3)],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1, **outline}],
        "categories": [{"id": 1, "name": "person"}],
    }
    (folder / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return folder


def test_photographs_of_nobody_become_videos_with_a_box(
    script: ModuleType, photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert script.main(["--data", str(photographs), "--out", str(out)]) == 0
    annotations = read_annotations(out)
    assert [segments[0].label for segments in annotations.values()] == ["nobody"] * 2

    tracks = read_boxes([out])
    for path in annotations:
        assert read_video(path, VideoFormat(15.0, 80)).shape == (30, 60, 80, 3)
        boxes = tracks[path.resolve()].boxes
        assert len(boxes) == 30
        assert (boxes >= 0).all()
        assert (boxes <= [80, 60, 80, 60]).all()


def test_the_best_false_detection_is_the_box(script: ModuleType) -> None:
    found = [
        type("Found", (), {"class_name": name, "score": score, "box": np.array(box)})
        for name, score, box in [
            ("person", 0.2, [1, 2, 3, 4]),
            ("person", 0.4, [5, 6, 7, 8]),
            ("cup", 0.9, [0, 0, 1, 1]),
        ]
    ]
    rgb = np.zeros((60, 80, 3), np.uint8)
    box = script.choose_box(rgb, lambda image: found, np.random.default_rng(0))
    assert box.tolist() == [5, 6, 7, 8]


def test_no_dataset_is_named(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "still_videos: " in capsys.readouterr().err


def test_people_of_a_table_keep_still(
    script: ModuleType, photographs: Path, tmp_path: Path
) -> None:
    table, out = tmp_path / "people.csv", tmp_path / "out"
    table.write_text("photograph,x_min,y_min,x_max,y_max,label\n0,5,5,30,30,standing\n")
    arguments = ["--data", str(photographs), "--people", str(table), "--out", str(out)]
    assert script.main(arguments) == 0
    ((path, segments),) = read_annotations(out).items()
    assert segments[0].label == "standing"
    assert read_boxes([out])[path.resolve()].boxes[0].tolist() == [5, 5, 30, 30]


def test_a_box_that_leaves_the_picture_ends(
    script: ModuleType, photographs: Path, tmp_path: Path
) -> None:
    table, out = tmp_path / "people.csv", tmp_path / "out"
    corners = ["0,0,0,2,2,standing", "0,78,58,80,60,standing"] * 8
    table.write_text("\n".join(["photograph,x_min,y_min,x_max,y_max,label", *corners]))
    arguments = ["--data", str(photographs), "--people", str(table), "--out", str(out)]
    assert script.main(arguments) == 0
    lengths = [len(track.boxes) for track in read_boxes([out]).values()]
    assert min(lengths) < max(lengths) == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,x_min,y_min,x_max,y_max,label\n", "lacks the columns ['photograph']"),
        ("0,5,5,30,30,standing\nmissing,5,5,30,30,standing\n", "line 3: no --data has"),
        ("0,5,five,30,30,standing\n", "line 2: expected numbers"),
        ("0,5,5,5,30,standing\n", "x_min < x_max"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_before_anything_is_written(
    script: ModuleType,
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    message: str,
) -> None:
    table, out = tmp_path / "people.csv", tmp_path / "out"
    header = "" if "label" in text else "photograph,x_min,y_min,x_max,y_max,label\n"
    table.write_text(header + text)
    arguments = ["--data", str(photographs), "--people", str(table), "--out", str(out)]
    assert script.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [table, photographs]


def test_a_run_that_fails_can_be_repeated_and_a_whole_one_is_kept(
    script: ModuleType, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(photographs), "--out", str(tmp_path / "out")]
    picture = photographs / "val" / "2.png"
    pixels = picture.read_bytes()
    picture.write_bytes(b"no picture")
    assert script.main(arguments) == 2
    picture.write_bytes(pixels)
    assert script.main(arguments) == 0
    capsys.readouterr()
    assert script.main(arguments) == 2
    assert "out' is there already, expected a new folder: move it" in capsys.readouterr().err
