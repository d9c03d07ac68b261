# SPDX-License-Identifier: Apache-2.0
"""Small videos and pictures to index, and a small library that tests only read."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from kitchen_library import demo_library
from poster_videos import frames_with, poster, write_video

from video_search import Library


@pytest.fixture
def patterns(tmp_path: Path) -> Path:
    """A folder with the picture of one pattern, "acme"."""
    folder = tmp_path / "patterns"
    folder.mkdir()
    cv2.imwrite(str(folder / "acme.png"), poster()[..., ::-1])
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of 3 s that shows "acme" from 1.0 to 1.9 s, and subtitles beside it."""
    (tmp_path / "shop.srt").write_text(
        "1\n00:00:00,500 --> 00:00:01,500\nDo you see the sign?\n", encoding="utf-8"
    )
    return write_video(tmp_path / "shop.mp4", frames_with(poster(), range(10, 20)))


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A video, what was said in it, and a live source."""
    return demo_library(tmp_path_factory.mktemp("kitchen"))
