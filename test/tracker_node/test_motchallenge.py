# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.metrics.tracking import TrackedBoxes
from tracker_node.motchallenge import MotFileError, read_mot, write_tracks
from tracker_node.sequence_files import ReadingOptions, read_sequence_labels

LAYOUTS = {
    "MOT15": "1,-1,10.5,20,30,40,0.75,-1,-1,-1\n2,-1,11,20,30,40,0.5,-1,-1,-1\n",
    "MOT16/17 detections": "1,-1,10.5,20,30,40,0.75\n2,-1,11,20,30,40,0.5\n",
    "MOT16/17 truth": "1,-1,10.5,20,30,40,0.75,1,0.9\n2,-1,11,20,30,40,0.5,1,0.9\n",
    "Windows byte order mark, line ends, spaces and an empty line": (
        "\ufeff1, -1, 10.5, 20, 30, 40, 0.75\r\n\r\n2.0,-1,11,20,30,40,0.5\r\n"
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_bytes(LAYOUTS[layout].encode())
    table = read_mot(path)
    assert table.frame.tolist() == [1, 2]
    assert table.id.tolist() == [-1, -1]
    np.testing.assert_allclose(table.boxes, [[10.5, 20, 40.5, 60], [11, 20, 41, 60]])
    np.testing.assert_allclose(table.confidence, [0.75, 0.5])
    assert table.rows_of(2).tolist() == [1]


def test_confidence_is_one_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "tracks.txt"
    path.write_text("1,7,10,20,30,40\n")
    assert read_mot(path).confidence.tolist() == [1.0]


GROUND_TRUTH = {
    "MOT16/17: pedestrian, ignored pedestrian, static person, car, other frame": (
        "1,1,0,0,10,10,1,1,1\n1,2,20,0,10,10,0,1,1\n1,3,40,0,10,10,0,7,1\n"
        "1,4,60,0,10,10,0,3,1\n2,5,80,0,10,10,1,1,1\n",
        [1],
        [10, 20, 40, 50],
    ),
    "MOT15, where no column is the class": (
        "1,1,0,0,10,10,1,-1,-1,-1\n1,3,40,0,10,10,0,7,7,7\n",
        [1],
        [10, 20, 30, 40, 50],
    ),
}


@pytest.mark.parametrize("case", GROUND_TRUTH)
def test_labels_that_count_and_tracks_that_are_scored(case: str, tmp_path: Path) -> None:
    text, counted, scored = GROUND_TRUTH[case]
    (tmp_path / "gt.txt").write_text(text)
    ground_truth = read_sequence_labels(tmp_path / "gt.txt", ReadingOptions())
    lefts = {10: 0, 20: 22, 30: 43, 40: 60, 50: 80}
    tracked = TrackedBoxes(list(lefts), [[left, 0, left + 10, 10] for left in lefts.values()])
    assert ground_truth.counted(1).ids.tolist() == counted
    assert ground_truth.scored(1, tracked).ids.tolist() == scored


@pytest.mark.parametrize("separator", [",", ", ", " ", "\t"])
def test_numbers_stand_between_commas_or_blanks(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "det.txt"
    path.write_text(separator.join(["3", "-1", "10.5", "20", "30", "40", "0.5"]))
    table = read_mot(path)
    assert (table.frame.tolist(), table.confidence.tolist()) == ([3], [0.5])
    assert table.boxes.tolist() == [[10.5, 20.0, 40.5, 60.0]]


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text("\n")
    assert len(read_mot(path)) == 0


BROKEN = {
    "commas in numbers": ("1 -1 1,5 2 3 4", "line 3: '1 -1 1,5 2 3 4' is not numbers between"),
    "semicolons": ("1;-1;1;2;3;4", "line 3: '1;-1;1;2;3;4' is not numbers between"),
    "word": ("1,-1,1,2,three,4", "line 3: '1,-1,1,2,three,4' is not numbers between commas"),
    "too few columns": ("1,-1,1,2,3", "line 3: 5 columns, expected at least 6"),
    "frame 0": ("0,-1,1,2,3,4", r"line 3: frame 0.*\(add 1 where they count from 0\)"),
    "part of a frame": ("1.5,-1,1,2,3,4", "line 3: frame 1.5"),
    "frame NaN": ("nan,-1,1,2,3,4", "line 3: frame nan"),
    "endless frame": ("inf,-1,1,2,3,4", "line 3: frame inf"),
    "damaged frame": (
        "900000000,-1,1,2,3,4",
        r"line 3: frame 9e\+08, id -1; expected whole numbers, frames from 1 to 10000000",
    ),
    "id beyond whole numbers": ("1,1e30,1,2,3,4", r"line 3: frame 1, id 1e\+30"),
}
UNTRUE = {
    "class NaN": ("1,1,1,2,3,4,1,nan,1", "line 3: class nan in column 8"),
    "part of a class": ("1,1,1,2,3,4,1,1.5,1", "line 3: class 1.5 in column 8"),
    "box that is not finite": ("1,1,nan,2,3,4,1,1,1", "line 3: box and confidence of id 1"),
    "confidence NaN": ("1,1,1,2,3,4,nan,1,1", "line 3: box and confidence of id 1"),
    "box without area": ("1,1,1,2,-3,4,1,1,1", "line 3: the box of id 1 is -3 x 4 px"),
    "id twice in a frame": ("2,5,1,2,3,4,1,1,1", "line 3: id 5 is in frame 2 already, by line 2"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_lines_are_named(case: str, tmp_path: Path) -> None:
    line, message = BROKEN[case]
    path = tmp_path / "det.txt"
    path.write_text(f"1,-1,1,2,3,4\n\n{line}\n1,-1,1,2,3,4\n")
    with pytest.raises(MotFileError, match=message) as error:
        read_mot(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("case", UNTRUE)
def test_labels_that_cannot_be_true_are_named(case: str, tmp_path: Path) -> None:
    line, message = UNTRUE[case]
    path = tmp_path / "gt.txt"
    path.write_text(f"1,5,1,2,3,4,1,1,1\n2,5,1,2,3,4,1,1,1\n{line}\n")
    with pytest.raises(MotFileError, match=message):
        read_sequence_labels(path, ReadingOptions())
    assert len(read_mot(path)) == 3, "a tracker can skip such a detection"


def test_labels_that_do_not_count_may_repeat_an_id(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text("1,1,1,2,3,4,1,1,1\n1,-1,1,2,3,4,0,1,1\n1,-1,5,2,0,4,0,1,1\n")
    assert len(read_sequence_labels(path, ReadingOptions())) == 3


def test_files_that_are_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(MotFileError, match=r"absent\.txt cannot be read"):
        read_mot(tmp_path / "absent.txt")
    (tmp_path / "binary.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(MotFileError, match=r"binary\.txt cannot be read as text"):
        read_mot(tmp_path / "binary.txt")


@given(
    st.lists(
        st.tuples(
            st.integers(1, 99),
            st.integers(1, 99),
            *[st.floats(-500, 500)] * 2,
            *[st.floats(0.1, 500)] * 2,
        ),
        max_size=5,
    )
)
def test_written_tracks_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, ...]]
) -> None:
    path = tmp_path_factory.mktemp("mot") / "tracks.txt"
    boxes = [
        np.array([left, top, left + width, top + height]) for _, _, left, top, width, height in rows
    ]
    write_tracks(path, [(row[0], row[1], box) for row, box in zip(rows, boxes, strict=True)])
    table = read_mot(path)
    keys = list(zip(table.frame.tolist(), table.id.tolist(), strict=True))
    assert keys == [row[:2] for row in rows]
    np.testing.assert_allclose(table.boxes, np.array(boxes).reshape(-1, 4), atol=2e-4)
