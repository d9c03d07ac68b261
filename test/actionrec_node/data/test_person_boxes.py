# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actionrec_node.data.annotations import DataError
from actionrec_node.data.person_boxes import BoxTrack, read_boxes

HEADER = "video,time,x_min,y_min,x_max,y_max\n"


def test_boxes_of_two_videos(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(
        f"{HEADER}b.mp4,0.1,1,2,3,4\na.mp4,0,5,6,7,8\nb.mp4,0,2,2,3,4\n"
    )
    (tmp_path / "none").mkdir()
    (tmp_path / "a.mp4").touch()
    tracks = read_boxes([tmp_path, tmp_path / "none"])
    assert tracks.keys() == {tmp_path / "a.mp4", tmp_path / "b.mp4"}
    assert tracks[tmp_path / "b.mp4"].times.tolist() == [0.0, 0.1]
    assert tracks[tmp_path / "b.mp4"].boxes.tolist() == [[2, 2, 3, 4], [1, 2, 3, 4]]


def test_paths_that_were_written_on_windows(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.mp4").touch()
    (tmp_path / "boxes.csv").write_text(f"{HEADER}videos\\a.mp4,0,5,6,7,8\n")
    assert read_boxes([tmp_path]).keys() == {tmp_path / "videos/a.mp4"}


def test_the_nearest_box_in_time_as_fractions_of_the_image() -> None:
    track = BoxTrack(np.array([1.0, 1.2]), np.array([[0.0, 0, 10, 20], [20, 20, 60, 40]]))
    boxes = track.at(np.array([0.5, 0.95, 1.09, 1.15, 1.25, 1.4]), width=40, height=40)
    first, second = [0.0, 0.0, 0.25, 0.5], [0.5, 0.5, 1.0, 1.0]
    np.testing.assert_allclose(boxes, [[np.nan] * 4, first, first, second, second, [np.nan] * 4])


def test_one_box_alone() -> None:
    track = BoxTrack(np.array([1.0]), np.array([[0.0, 0, 10, 20]]))
    boxes = track.at(np.array([0.0, 1.0]), width=40, height=40)
    np.testing.assert_allclose(boxes, [[np.nan] * 4, [0, 0, 0.25, 0.5]])


def test_a_box_outside_the_image_shows_nobody() -> None:
    track = BoxTrack(np.array([1.0, 2.0]), np.array([[-30.0, 0, -10, 20], [-30, 0, 10, 20]]))
    np.testing.assert_allclose(
        track.at(np.array([1.0, 2.0]), width=40, height=40), [[np.nan] * 4, [0, 0, 0.25, 0.5]]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("video,time\n", r"boxes\.csv' lacks the columns \['x_max'", id="columns"),
        pytest.param(
            f"{HEADER}other.mp4,0,1,2,3,4\n",
            r"boxes\.csv' names is there, such as '.*other\.mp4'",
            id="other videos",
        ),
        pytest.param(
            f"{HEADER}a.mp4,0,1,2,three,4\n", r"line 2: time and box must be numbers", id="text"
        ),
        pytest.param(
            f"{HEADER}a.mp4,0,0.1,0.2,0.5,1.0\n",
            r"boxes\.csv' is above 1, so the boxes are fractions of the image",
            id="fractions",
        ),
        pytest.param(
            f"{HEADER}a.mp4,0,1,2,3,4\na.mp4,0,3,2,3,4\n",
            r"line 3: a box has x_min < x_max",
            id="empty box",
        ),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "boxes.csv").write_text(text)
    if "fractions" in message:
        (tmp_path / "a.mp4").touch()
    with pytest.raises(DataError, match=message):
        read_boxes([tmp_path])
