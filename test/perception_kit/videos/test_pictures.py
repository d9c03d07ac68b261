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


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm"])
def test_pictures_of_every_format_are_read(tmp_path: Path, ending: str) -> None:
    write(tmp_path, f"img_#{ending}", COLOR)
    frames = read_video(tmp_path, FORM)
    assert len(frames) == 5
    assert np.abs(frames.astype(int) - (30, 20, 10)).max() <= 4


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    for name in ("a.heic", "b.heic", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(VideoError, match=r"holds no picture .*; found 2 \.heic, 1 \.txt"):
        read_video(tmp_path, FORM)


GAP = r"has no picture between 'img_019\.png' and 'img_031\.png': copy them"


@pytest.mark.parametrize(
    ("numbers", "step", "message"),
    [
        ([*range(20), *range(31, 50)], 1, GAP),
        ([*range(5), *range(31, 36)], 1, "between 'img_004.png' and 'img_031.png'"),
        ([*range(20), *range(31, 50)], 5, "has no picture between 'img_095.png' and 'img_155.png'"),
        ([*range(0, 40, 7)], 1, None),
        ([0, 1, 2, 30, 31, 60, 61, 90], 1, None),
    ],
    ids=["lost", "few left", "lost of every fifth", "regular", "chosen by hand"],
)
def test_numbers_that_are_missing_for_long_are_named(
    tmp_path: Path, numbers: list[int], step: int, message: str | None
) -> None:
    for number in numbers:
        cv2.imwrite(str(tmp_path / f"img_{number * step:03d}.png"), COLOR)
    if message is None:
        assert len(read_video(tmp_path, FORM)) == len(numbers)
        return
    with pytest.raises(VideoError, match=message):
        read_video(tmp_path, FORM)


@pytest.mark.parametrize("step", [1, 5, 33_333_333])
def test_a_short_hole_in_the_numbers_is_time_in_which_nothing_changes(
    tmp_path: Path, step: int
) -> None:
    numbers = [*range(5), *range(12, 17), 18]
    for number in numbers:
        pixels = np.full((6, 8, 3), number, np.uint8)
        cv2.imwrite(str(tmp_path / f"f{number * step:010d}.png"), pixels)
    frames = read_video(tmp_path, FORM)
    expected = [*range(5), *[4] * 7, *range(12, 17), 16, 18]
    assert frames[:, 0, 0, 0].tolist() == expected


def test_what_is_left_of_a_folder_is_used_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "img_#.png", COLOR, count=20)
    (tmp_path / "img_004.png").write_bytes(b"no picture")
    with pytest.raises(
        VideoError, match=r"img_004\.png' is not a picture that can be read: remove"
    ):
        read_video(tmp_path, FORM)
    form = VideoFormat(fps=10, max_side=8, folder_fps=10, keep_damaged=True)
    assert len(read_video(tmp_path, form)) == 20  # the one before is seen for longer
    assert "img_004.png' is not a picture that can be read; the rest" in capsys.readouterr().err
