# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from actionrec_node.networks.resizing import resize_frame
from perception_kit.videos.video import VideoError, VideoFormat, frame_size, read_video, shrink


@pytest.mark.parametrize(("rate", "count"), [(30, 60), (15, 30), (10, 20)])
def test_any_frame_rate_gives_the_clip_rate(write_video, rate: int, count: int) -> None:
    frames = read_video(
        write_video("v.mkv", np.arange(count) / rate), VideoFormat(fps=15, max_side=32)
    )
    assert abs(len(frames) - 30) <= 2
    assert frames.shape[1:] == (24, 32, 3), "of 48 x 64 pixels"


def test_frames_follow_the_stamps_of_a_variable_rate(write_video) -> None:
    times = np.concatenate([np.arange(0, 1, 1 / 30), np.arange(1, 2, 1 / 6)])
    frames = read_video(write_video("v.mkv", times, speed=20.0), VideoFormat(fps=15, max_side=64))
    columns = np.array(
        [frame[22, :, 0].astype(float) @ np.arange(64) / frame[22, :, 0].sum() for frame in frames]
    )
    # One second apart the square is 20 pixels further, whether the camera was fast or slow.
    assert columns[15] - columns[0] == pytest.approx(columns[28] - columns[13], abs=2.5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 3), (33, 101)])
def test_odd_sizes_and_grey_pictures_of_a_folder(tmp_path: Path, height: int, width: int) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((height, width), 100 * index, np.uint8))
    frames = read_video(tmp_path, VideoFormat(fps=20, max_side=8, folder_fps=10))
    assert len(frames) == 5
    assert frames.shape[1:] == {33: (3, 8, 3)}.get(height, (height, width, 3))
    assert frames.max(axis=(1, 2, 3)).tolist() == [0, 0, 100, 100, 200]


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"1\.png' is not a picture"):
        read_video(tmp_path, VideoFormat(fps=20, max_side=8))


def test_pictures_of_different_sizes_are_refused(tmp_path: Path) -> None:
    for index, height in enumerate([20, 20, 20, 30]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.zeros((height, 16, 3), np.uint8))
    with pytest.raises(VideoError, match=rf"frames of '{tmp_path}' change their size at 0\.30 s"):
        read_video(tmp_path, VideoFormat(fps=10, max_side=16, folder_fps=10))


def test_a_grey_video_of_odd_size_has_three_equal_channels(write_video) -> None:
    frames = read_video(
        write_video("v.mkv", np.arange(5) / 15, height=37, width=53, colors="gray"),
        VideoFormat(fps=15, max_side=53),
    )
    assert frames.shape[1:] == (37, 53, 3)
    assert (frames.min(), frames.max()) == (40, 220)
    assert np.ptp(frames, axis=3).max() == 0


def test_a_video_that_is_stored_lying_on_its_side_is_turned_up(write_video) -> None:
    path = write_video("v.mp4", np.arange(3) / 15)
    content = bytearray(path.read_bytes())
    # The matrix of the track's display: show it turned clockwise by a quarter.
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 20] = struct.pack(">5i", 0, 1 << 16, 0, -(1 << 16), 0)
    path.with_name("turned.mp4").write_bytes(content)
    as_stored, turned = (
        read_video(video, VideoFormat(fps=15, max_side=64))
        for video in (path, path.with_name("turned.mp4"))
    )
    np.testing.assert_array_equal(turned, np.rot90(as_stored, -1, axes=(1, 2)))


@pytest.mark.parametrize(("resize", "seen"), [("center", 40), ("center_7_8", 35)])
def test_the_middle_square_of_a_wide_frame(resize: str, seen: int) -> None:
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, 50 - seen // 2 : 50 + seen // 2] = 255
    out = resize_frame(image, 100, resize)
    assert out[:, 4:-4].min() == 255, "the square is as large as that"
    image[:] = 255
    image[:, 30 + (40 - seen) // 2 : 70 - (40 - seen) // 2] = 0
    assert resize_frame(image, 100, resize).max() == 0, "and no larger"


def test_whole_frame_stays_in_view() -> None:
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, 90:] = 255
    assert resize_frame(image, 20)[:, 18:].min() == 255


@pytest.mark.parametrize("content", [b"", b"this is no video"])
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        read_video(path, VideoFormat(fps=15, max_side=32))


def test_a_stamp_hours_later_is_named(write_video) -> None:
    path = write_video("v.mkv", np.array([0, 1 / 15, 2 / 15, 7200]))
    message = r"v\.mkv' has no frame from 0\.13 to 7200\.00 s: its time stamps are damaged"
    with pytest.raises(VideoError, match=message):
        read_video(path, VideoFormat(fps=15, max_side=32))


def test_a_matroska_file_that_was_cut_off_is_named(write_video) -> None:
    path = write_video("v.mkv", np.arange(60) / 15, colors="bgr0")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = r"v\.mkv' ends at [12]\.\d\d s, but says that it has [34]\.\d\d s: it was cut off"
    with pytest.raises(VideoError, match=message):
        read_video(path, VideoFormat(fps=15, max_side=32))


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for index in (1, 2, 10, 11):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((4, 4), index, np.uint8))
    frames = read_video(tmp_path, VideoFormat(fps=10, max_side=4, folder_fps=10))
    assert frames[:, 0, 0, 0].tolist() == [1, 2, 10, 11]


def test_a_picture_whose_header_lies_is_named(tmp_path: Path) -> None:
    chunk = b"IHDR" + struct.pack(">2I5B", 70000, 70000, 8, 2, 0, 0, 0)
    (tmp_path / "1.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    with pytest.raises(VideoError, match=r"1\.png' is not a picture that can be read"):
        read_video(tmp_path, VideoFormat(fps=20, max_side=8))


def test_large_images_are_shrunk_and_small_ones_are_not_touched() -> None:
    small = np.zeros((30, 40, 3), np.uint8)
    assert shrink(small, 40) is small
    assert shrink(np.zeros((300, 150, 3), np.uint8), 100).shape == (100, 50, 3)
    assert shrink(np.zeros((1, 150, 3), np.uint8), 10).shape == (1, 10, 3)


def test_a_video_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"none\.mp4' does not exist"):
        read_video(tmp_path / "none.mp4", VideoFormat(fps=15, max_side=32))


def test_size_of_a_video(write_video) -> None:
    path = write_video("v.mkv", np.arange(3) / 15, height=48, width=64)
    assert frame_size(path, VideoFormat(fps=15, max_side=32)) == (64, 48)
