# SPDX-License-Identifier: Apache-2.0
"""Folders of pictures of one kind, and of several."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_kit.videos.video import VideoError, VideoFormat, is_video, read_video

FORM = VideoFormat(fps=10, max_side=8, folder_fps=10)
COLOR, GREY = np.full((6, 8, 3), (10, 20, 30), np.uint8), np.full((6, 8), 40, np.uint8)
DEPTH = np.full((6, 8), 1500, np.uint16)


def write(folder: Path, names: str, picture: np.ndarray, count: int = 5) -> None:
    """Pictures whose names have their number for the #."""
    for index in range(count):
        cv2.imwrite(str(folder / names.replace("#", f"{index:03d}")), picture)


MIXED = {
    # names and pixels, what the error says
    "color and flow": (
        [("img_#.jpg", COLOR), ("flow_x_#.jpg", GREY), ("flow_y_#.jpg", GREY)],
        r"3 kinds: 5 flow_x_#\.jpg \(grey\), 5 flow_y_#\.jpg \(grey\), 5 img_#\.jpg \(color\); .*"
        r"--pictures 'img_\*\.jpg'",
    ),
    "color and depth, alternating": (
        [("frame_#_depth.png", DEPTH), ("frame_#_rgb.png", COLOR)],
        r"2 kinds: .*5 frame_#_depth\.png \(16 bit\).*--pictures 'frame_\*_rgb\.png'",
    ),
    "two cameras": ([("left#.png", COLOR), ("right#.png", COLOR)], r"5 left#\.png \(color\)"),
    "two formats": ([("#.png", COLOR), ("#.jpg", COLOR)], r"5 #\.jpg \(color\)"),
    "one name, two kinds of pixels": ([("a_0#.png", COLOR), ("a_1#.png", GREY)], r"\(grey\)"),
    "depth alone": ([("#.png", DEPTH)], "have 16 bit, as depth has; expected color or grey"),
}


@pytest.mark.parametrize("case", MIXED)
def test_pictures_of_several_kinds_are_refused(case: str, tmp_path: Path) -> None:
    kinds, message = MIXED[case]
    for names, picture in kinds:
        write(tmp_path, names, picture)
    assert is_video(tmp_path)
    with pytest.raises(VideoError, match=message):
        read_video(tmp_path, FORM)


def test_pictures_are_chosen_by_name(tmp_path: Path) -> None:
    write(tmp_path, "img_#.png", COLOR)
    write(tmp_path, "flow_#.png", GREY, count=7)
    for pattern, count, pixel in (("img_*", 5, (30, 20, 10)), ("flow_*.png", 7, (40, 40, 40))):
        form = VideoFormat(fps=10, max_side=8, folder_fps=10, pictures=pattern)
        frames = read_video(tmp_path, form)
        assert len(frames) == count
        assert tuple(frames[0, 0, 0]) == pixel


def test_a_pattern_that_takes_two_kinds_of_pixels_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "img_#.png", COLOR)
    write(tmp_path, "flow_#.png", GREY)
    with pytest.raises(VideoError, match=r"2 kinds: 5 \(.*\), 5 \(.*\); "):
        read_video(tmp_path, VideoFormat(fps=10, max_side=8, pictures="*"))


def test_names_of_any_kind_are_taken_where_the_pattern_says_so(tmp_path: Path) -> None:
    for name in ("start.png", "middle.png", "the_end.png"):
        write(tmp_path, name, COLOR, count=1)
    with pytest.raises(VideoError, match="3 kinds"):
        read_video(tmp_path, FORM)
    form = VideoFormat(fps=10, max_side=8, folder_fps=10, pictures="*")
    assert len(read_video(tmp_path, form)) == 3


def test_a_pattern_without_pictures_is_named(tmp_path: Path) -> None:
    write(tmp_path, "img_#.png", COLOR)
    with pytest.raises(VideoError, match="no picture whose name matches 'rgb_\\*'"):
        read_video(tmp_path, VideoFormat(fps=10, max_side=8, pictures="rgb_*"))
