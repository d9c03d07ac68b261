# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actionrec_node.video import VideoError, read_video, resize_frame


@pytest.mark.parametrize(("rate", "count"), [(30, 60), (15, 30), (10, 20)])
def test_any_frame_rate_gives_the_clip_rate(write_video, rate: int, count: int) -> None:
    frames = read_video(write_video("v.mkv", np.arange(count) / rate), fps=15, size=32)
    assert abs(len(frames) - 30) <= 2
    assert frames.shape[1:] == (32, 32, 3)


def test_frames_follow_the_stamps_of_a_variable_rate(write_video) -> None:
    times = np.concatenate([np.arange(0, 1, 1 / 30), np.arange(1, 2, 1 / 6)])
    frames = read_video(write_video("v.mkv", times, speed=20.0), fps=15, size=64)
    columns = np.array([frame[22, :, 0].astype(float) @ np.arange(64) / frame[22, :, 0].sum() for frame in frames])
    # One second apart the square is 20 pixels further, whether the camera was fast or slow.
    assert columns[15] - columns[0] == pytest.approx(columns[28] - columns[13], abs=2.5)


def test_whole_frame_stays_in_view() -> None:
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, 90:] = 255
    assert resize_frame(image, 20)[:, 18:].min() == 255


@pytest.mark.parametrize("content", [b"", b"this is no video"])
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        read_video(path, fps=15, size=32)
