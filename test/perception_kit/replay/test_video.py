# SPDX-License-Identifier: Apache-2.0
"""The annotated video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from perception_kit.replay.video import VideoWriter


@pytest.mark.parametrize(("height", "width"), [(480, 640), (47, 65)])
def test_frames_are_shown_at_their_stamps(tmp_path: Path, height: int, width: int) -> None:
    stamps_ns = [10**18 + round(seconds * 1e9) for seconds in (0.0, 0.1, 0.15, 0.5)]
    with VideoWriter(tmp_path / "video.mp4") as writer:
        for k, stamp_ns in enumerate(stamps_ns):
            writer.write(np.full((height, width, 3), 60 * k, np.uint8), stamp_ns)
    with av.open(str(tmp_path / "video.mp4")) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].codec_context.name == "h264"
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.1, 0.15, 0.5], abs=1e-4)
    assert [(frame.height, frame.width) for frame in frames] == [
        (height // 2 * 2, width // 2 * 2)
    ] * 4
    levels = [frame.to_ndarray(format="rgb24").mean() for frame in frames]
    assert levels == pytest.approx([0, 60, 120, 180], abs=6)


def test_video_without_frames_can_be_closed(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4"):
        pass
    assert not (tmp_path / "video.mp4").exists()  # no file that a player refuses


def test_frames_of_other_sizes_are_shown_whole(tmp_path: Path) -> None:
    sizes = [(48, 64), (24, 32), (96, 64), (47, 63)]
    with VideoWriter(tmp_path / "video.mp4") as writer:
        for k, (height, width) in enumerate(sizes):
            writer.write(np.full((height, width, 3), 200, np.uint8), k * 10**8)
    with av.open(str(tmp_path / "video.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [picture.shape[:2] for picture in pictures] == [(48, 64)] * 4
    shown = [np.argwhere(picture[..., 0] > 100).max(axis=0) + 1 for picture in pictures]
    np.testing.assert_allclose(shown, [(48, 64), (24, 32), (48, 32), (46, 62)], atol=2)
