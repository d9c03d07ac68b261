# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker_node.kitti_files import KittiFileError, read_detections, read_labels

DETECTION = "0,1,10,20,30,60,2.5,1.8,0.6,0.4,-1.0,1.5,8.0,0.5,0.1"
LABEL = "0 3 Pedestrian 0 1 0.2 10 20 30 60 1.8 0.6 0.4 -1.0 1.5 8.0 0.5"


def test_detections(tmp_path: Path) -> None:
    path = tmp_path / "0000.txt"
    path.write_text(
        f"{DETECTION}\n\n2,1,10,20,30,60,0.5,1.8,0.6,0.4,-1.0,1.5,8.0,{np.pi / 2},0.1\n"
    )
    table = read_detections(path)
    assert table.frame.tolist() == [0, 2]
    np.testing.assert_allclose(table.center[0], [-1.0, 1.5 - 0.9, 8.0])
    np.testing.assert_allclose(table.size[0], [0.4, 1.8, 0.6])
    np.testing.assert_allclose(table.rotation[1] @ [1, 0, 0], [0, 0, -1], atol=1e-12)
    instances, poses = table.of_frame(0, min_score=1.0)
    np.testing.assert_allclose(instances[0].box, [10, 20, 30, 60])
    assert (poses[0].detection_index, poses[0].confidence) == (0, 2.5)
    assert table.of_frame(2, min_score=1.0) == ([], [])


def test_results_of_the_benchmark_are_detections(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "0000.txt"
    shape = "1.8 0.6 0.4 -1.0 1.5 8.0 0.5"
    path.write_text(
        f"0 -1 Pedestrian -1 -1 0.1 10 20 30 60 {shape} 2.5\n"
        f"0 -1 Car -1 -1 0.1 10 20 30 60 {shape} 0.5\n"
    )
    table = read_detections(path)
    (tmp_path / "other.txt").write_text(DETECTION)
    expected = read_detections(tmp_path / "other.txt")
    for name in ("frame", "boxes", "score", "size", "center", "rotation"):
        np.testing.assert_allclose(getattr(table, name), getattr(expected, name))
    printed = capsys.readouterr().err
    assert "KITTI results; frames 0 to 0; classes Car: 1, Pedestrian: 1" in printed
    assert "1 of 2 rows count" in printed


def test_labels(tmp_path: Path) -> None:
    path = tmp_path / "0000.txt"
    path.write_text(f"{LABEL}\n0 -1 DontCare -1 -1 -10 1 2 3 4 -1000 -1000 -1000 -10 -1 -1 -1\n")
    table = read_labels(path)
    assert table.id.tolist() == [3, -1]
    assert table.kind.tolist() == ["Pedestrian", "DontCare"]
    assert table.occluded.tolist() == [1, -1]
    np.testing.assert_allclose(table.boxes, [[10, 20, 30, 60], [1, 2, 3, 4]])


@pytest.mark.parametrize("reader", [read_detections, read_labels])
def test_empty_file(reader: object, tmp_path: Path) -> None:
    path = tmp_path / "0000.txt"
    path.write_text("\n")
    assert len(reader(path).frame) == 0


BROKEN = {
    "word in a detection": (
        read_detections,
        DETECTION,
        DETECTION.replace("2.5", "high"),
        "line 2: could not convert string to float",
    ),
    "too few columns": (read_detections, DETECTION, "0,1,10", "line 2: 3 numbers, expected 15"),
    "part of a frame": (
        read_detections,
        DETECTION,
        DETECTION.replace("0,1", "0.5,1", 1),
        "line 2: frame 0.5",
    ),
    "NaN in a detection": (
        read_detections,
        DETECTION,
        DETECTION.replace("8.0", "nan"),
        "line 2: not all numbers are finite",
    ),
    "box without area": (
        read_detections,
        DETECTION,
        DETECTION.replace("30,60", "10,60"),
        r"line 2: box \[10.0, 20.0, 10.0, 60.0\]",
    ),
    "car among the detections": (
        read_detections,
        DETECTION,
        DETECTION.replace("0,1", "0,2", 1),
        "line 2: type 2, expected 1",
    ),
    "damaged frame": (
        read_detections,
        DETECTION,
        f"90000000{DETECTION}",
        r"line 2: frame 9e\+08, expected a whole number from 0 to 1000000",
    ),
    "endless box": (
        read_labels,
        LABEL,
        LABEL.replace("0 3", "1 3", 1).replace(" 30 ", " inf "),
        "line 2: not all numbers are finite",
    ),
    "part of an id": (read_labels, LABEL, LABEL.replace("0 3", "0 3.5", 1), "line 2: id 3.5"),
    "id twice in a frame": (
        read_labels,
        LABEL,
        LABEL,
        "line 2: id 3 is in frame 0 already, by line 1",
    ),
    "frame before the first": (
        read_labels,
        LABEL,
        LABEL.replace("0 3", "-2 3", 1),
        "line 2: frame -2",
    ),
    "short label": (read_labels, LABEL, "0 3", "line 2: 2 numbers, expected 16"),
    "label with a score": (read_labels, LABEL, f"{LABEL} 0.9", "line 2: 17 numbers, expected 16"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_lines_are_named(case: str, tmp_path: Path) -> None:
    reader, good, bad, message = BROKEN[case]
    path = tmp_path / "0000.txt"
    path.write_text(f"{good}\n{bad}\n")
    with pytest.raises(KittiFileError, match=message) as error:
        reader(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KittiFileError, match=r"0000\.txt cannot be read"):
        read_labels(tmp_path / "0000.txt")


@given(st.text(max_size=60))
def test_any_text_is_refused_by_name(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("kitti") / "0000.txt"
    path.write_text(text, encoding="utf-8")
    empty = not text.strip()
    for reader in (read_detections, read_labels):
        with nullcontext() if empty else pytest.raises(KittiFileError, match="line"):
            assert len(reader(path).frame) == 0
