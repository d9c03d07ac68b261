# SPDX-License-Identifier: Apache-2.0
"""Video files, and folders of frames, as uint8 frames at a fixed rate."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from perception_kit.videos.pictures import folder_frames, has_pictures
from perception_kit.videos.video_file import Pixels, VideoError, file_frames

# Without time stamps: refused with the remedy
UNTIMED_SUFFIXES = (".h264", ".264", ".h265", ".265", ".hevc")
VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v",
    ".mpg", ".mpeg", ".wmv", ".ts", ".mts", ".3gp", ".gif", *UNTIMED_SUFFIXES,
)  # fmt: skip
_LIVE = re.compile(r"\d+$|[A-Za-z][A-Za-z0-9+.-]+:/|/dev/")
MAX_STILL_S = 60.0
"""A longer time between two frames is no recording but a damaged time stamp."""


@dataclass(frozen=True)
class VideoFormat:
    """How videos are read: ``fps`` frames per second, of at most ``max_side`` pixels.

    Frames whose longer side is above ``max_side`` are made smaller. ``folder_fps`` is the rate at
    which the pictures of a folder of frames were taken, ``pictures`` a glob of those that are
    frames (None: all, which then must be of one kind). With ``keep_damaged``, what is left of a
    damaged file is used, and what is lost is printed.
    """

    fps: float
    max_side: int
    folder_fps: float = 30.0
    pictures: str | None = None
    keep_damaged: bool = False


@dataclass(frozen=True)
class HeldFrame:
    """A frame ``rgb`` (H, W, 3) uint8, which ``count`` frames at a fixed rate show.

    The video itself shows it for ``seconds``, until its next frame; the last one for none.
    """

    rgb: np.ndarray
    count: int
    seconds: float


def shrink(rgb: np.ndarray, max_side: int) -> np.ndarray:
    """The image (H, W, 3) uint8, or a smaller one whose longer side is ``max_side`` pixels.

    The aspect ratio stays.
    """
    factor = max_side / max(rgb.shape[:2])
    if factor >= 1:
        return rgb
    width, height = (max(1, round(side * factor)) for side in rgb.shape[1::-1])
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def is_video(path: Path) -> bool:
    """Whether ``path`` looks like a video.

    It is a file with the suffix of one, or a folder with pictures in it.
    """
    return path.suffix.lower() in VIDEO_SUFFIXES if path.is_file() else has_pictures(path)


def read_video(path: str | Path, form: VideoFormat) -> np.ndarray:
    """(N, H, W, 3) uint8 RGB: all ``video_frames``. Raises VideoError as these do."""
    return np.stack(list(video_frames(path, form)))


def video_frames(path: str | Path, form: VideoFormat) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB each, at a fixed rate.

    Frame k is what the video shows at ``k / fps`` seconds after its first frame. Time comes from
    the presentation stamps, so a variable frame rate is right. Raises VideoError for a video that
    does not decode, holds no frame, changes its size, or has lost something; and for a folder of
    pictures of several kinds.
    """
    for frame in held_frames(path, form):
        yield from [frame.rgb] * frame.count


def held_frames(path: str | Path, form: VideoFormat) -> Iterator[HeldFrame]:
    """The ``video_frames``, each once. Raises VideoError as these do."""
    path = Path(path)
    count, first_shape = 0, None
    for pixels, repeats, seconds in _resampled(path, form):
        rgb = shrink(pixels, form.max_side)
        if rgb.shape != (first_shape or rgb.shape):
            raise VideoError(
                f"the frames of '{path}' change their size at {count / form.fps:.2f} s:"
                " split it there, or scale them to one size"
            )
        first_shape = rgb.shape
        count += repeats
        yield HeldFrame(rgb, repeats, seconds)


def _resampled(path: Path, form: VideoFormat) -> Iterator[tuple[np.ndarray, int, float]]:
    """(H, W, 3) pixels of the frames that are seen at the rate, how often, and for how long."""
    count, since = 0, 0.0
    current: Pixels | None = None
    for time, upcoming in _frames(path, form):
        # Instants before this frame, at which the one before is still seen.
        due = math.ceil((time - 1e-6) * form.fps) - count
        if due > MAX_STILL_S * form.fps:
            raise VideoError(
                f"'{path}' has no frame from {count / form.fps:.2f} to {time:.2f} s:"
                " its time stamps are damaged, or it is several videos: split or re-encode it"
            )

        if current is not None and due > 0:
            yield current(), due, time - since
            count += due
        current, since = upcoming, time

    if current is None:
        raise VideoError(f"'{path}' holds no frame that can be decoded: re-encode or remove it")
    yield current(), 1, 0.0


def frame_size(path: Path, form: VideoFormat) -> tuple[int, int]:
    """(width, height) in pixels of a video's first frame.

    Raises VideoError as ``video_frames`` does.
    """
    for _, pixels in _frames(path, form):
        height, width = pixels().shape[:2]
        return width, height
    raise VideoError(f"'{path}' holds no frame: remove it")


def _frames(path: Path, form: VideoFormat) -> Iterator[tuple[float, Pixels]]:
    """Seconds since the first frame, and the pixels, of each frame."""
    if path.is_char_device() or (not path.exists() and _LIVE.match(str(path))):
        address = re.sub(r":/+", "://", str(path), count=1)
        raise VideoError(
            f"'{address}' is a camera or an address, and what is read here are files: record or"
            " download it, for example ffmpeg -i ADDRESS -t 60 -c copy video.mp4; live there are"
            " 'perception classify' and, with the camera's ROS 2 driver, actionrec_node"
        )
    if not path.exists():
        raise VideoError(f"video '{path}' does not exist")
    if path.is_dir():
        return folder_frames(path, form.folder_fps, form.pictures, form.keep_damaged)
    return file_frames(path, form.keep_damaged)
