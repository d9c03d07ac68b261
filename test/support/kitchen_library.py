# SPDX-License-Identifier: Apache-2.0
"""A small library of a video, what was said in it, and a live source."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from perception_kit.replay.video import VideoWriter
from video_search import Library, Source, Tag
from video_search.pictures import thumbnail_jpeg

SECOND = 1_000_000_000
NOON_NS = 1_750_000_000 * SECOND
WIDTH, HEIGHT, FPS, SECONDS = 320, 240, 10, 12


def frame(number: int) -> np.ndarray:
    """(H, W, 3) uint8: a red mug that moves to the right in front of a blue wall."""
    rgb = np.full((HEIGHT, WIDTH, 3), (60, 80, 140), np.uint8)
    cv2.rectangle(rgb, (0, 180), (WIDTH, HEIGHT), (120, 100, 80), -1)
    x = 40 + 2 * number
    cv2.rectangle(rgb, (x, 130), (x + 40, 185), (200, 30, 30), -1)
    cv2.ellipse(rgb, (x + 44, 155), (14, 16), 0, -90, 90, (200, 30, 30), 5)
    return rgb


def mug_box(number: int) -> np.ndarray:
    """(4,) box of the mug."""
    return np.array([40 + 2 * number, 130, 100 + 2 * number, 186], np.float32)


def demo_tags() -> list[Tag]:
    """Tags of the video, of what was said in it, and of the live source."""
    mug = Tag(
        "video",
        0,
        11 * SECOND,
        "track",
        "mug",
        0.93,
        best_ns=5 * SECOND,
        box=mug_box(50),
        position=np.array([0.1, 0.2, 1.5], np.float32),
        frame_id="odom",
        track_id=1,
        color="red",
        thumbnail=thumbnail_jpeg(frame(50), mug_box(50)),
    )
    walking = Tag("video", SECOND, 6 * SECOND, "action", "walking", 0.7, track_id=2)
    falling = Tag("video", 7 * SECOND, 8 * SECOND, "action", "falling", 0.9, track_id=2)
    said = Tag(
        "video", 2 * SECOND, 4 * SECOND, "text", "", text="please bring the <b>blue</b> kettle"
    )
    live = Tag("live", NOON_NS, NOON_NS + 9 * SECOND, "object", "mug", 0.5, track_id=4)
    return [mug, walking, falling, said, live]


def demo_library(folder: Path) -> Library:
    """The library in ``folder``, with its video beside it."""
    video = folder / "kitchen.mp4"
    with VideoWriter(video) as writer:
        for number in range(FPS * SECONDS):
            writer.write(frame(number), number * SECOND // FPS)
    library = Library.create(folder / "library")
    end_ns = SECONDS * SECOND
    library.put_source(Source("video", str(video), "video", end_ns=end_ns, tag_count=4))
    times = {"clock": "wall", "start_ns": NOON_NS, "end_ns": NOON_NS + 9 * SECOND}
    library.put_source(Source("live", "live:/search 1", "live", state="live", **times))
    library.add(demo_tags())
    return library
