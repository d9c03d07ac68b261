# SPDX-License-Identifier: Apache-2.0
"""Video files, and folders of frames, as uint8 frames at a fixed rate."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v",
    ".mpg", ".mpeg", ".wmv", ".ts", ".mts", ".3gp", ".gif",
)  # fmt: skip
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
MAX_STILL_S = 60.0
"""A longer time between two frames is no recording but a damaged time stamp."""
_CUT_OFF_S = 1.0  # the duration that a file declares may be this wrong


Pixels = Callable[[], np.ndarray]
"""Makes the (H, W, 3) uint8 RGB pixels of a frame, which not all frames need."""


class VideoError(ValueError):
    """A video that cannot be used; the message names it."""


@dataclass(frozen=True)
class VideoFormat:
    """How videos are read: ``fps`` frames per second, of at most ``max_side`` pixels.

    Frames whose longer side is above ``max_side`` are made smaller. ``folder_fps`` is the rate at
    which the pictures of a folder of frames were taken.
    """

    fps: float
    max_side: int
    folder_fps: float = 30.0


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
    return path.suffix.lower() in VIDEO_SUFFIXES if path.is_file() else bool(_pictures(path))


def read_video(path: str | Path, form: VideoFormat) -> np.ndarray:
    """(N, H, W, 3) uint8 RGB: all ``video_frames``. Raises VideoError as these do."""
    return np.stack(list(video_frames(path, form)))


def video_frames(path: str | Path, form: VideoFormat) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB each, at a fixed rate.

    Frame k is what the video shows at ``k / fps`` seconds after its first frame. Time comes from
    the presentation stamps, so a variable frame rate is right. Raises VideoError for a video that
    does not decode, holds no frame, or changes its size.
    """
    path = Path(path)
    count, first_shape = 0, None
    for pixels, repeats in _resampled(path, form):
        frame = shrink(pixels, form.max_side)
        if frame.shape != (first_shape or frame.shape):
            raise VideoError(
                f"the frames of '{path}' change their size at {count / form.fps:.2f} s:"
                " split it there, or scale them to one size"
            )
        first_shape = frame.shape
        count += repeats
        yield from [frame] * repeats


def _resampled(path: Path, form: VideoFormat) -> Iterator[tuple[np.ndarray, int]]:
    """(H, W, 3) pixels of the frames that are seen at the rate, and how often each is seen."""
    count = 0
    current: Pixels | None = None
    for time, upcoming in _frames(path, form.folder_fps):
        # Instants before this frame, at which the one before is still seen.
        due = math.ceil((time - 1e-6) * form.fps) - count
        if due > MAX_STILL_S * form.fps:
            raise VideoError(
                f"'{path}' has no frame from {count / form.fps:.2f} to {time:.2f} s:"
                " its time stamps are damaged, or it is several videos: split or re-encode it"
            )

        if current is not None and due > 0:
            yield current(), due
            count += due
        current = upcoming

    if current is None:
        raise VideoError(f"'{path}' holds no frame: remove it")
    yield current(), 1


def frame_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of a video's first frame.

    Raises VideoError as ``video_frames`` does.
    """
    for _, pixels in _frames(path, folder_fps=1.0):
        height, width = pixels().shape[:2]
        return width, height
    raise VideoError(f"'{path}' holds no frame: remove it")


def _frames(path: Path, folder_fps: float) -> Iterator[tuple[float, Pixels]]:
    """Seconds since the first frame, and the pixels, of each frame."""
    if not path.exists():
        raise VideoError(f"video '{path}' does not exist")
    return _folder_frames(path, folder_fps) if path.is_dir() else _file_frames(path)


def _file_frames(path: Path) -> Iterator[tuple[float, Pixels]]:
    """``_frames`` of a video file."""
    start: float | None = None
    end = 0.0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(f"'{path}' has no video stream")

            for frame in container.decode(video=0):
                time = float(frame.time) if frame.time is not None else (start or 0.0)
                start = time if start is None else start
                # A still picture may last.
                end = max(end, time + float((frame.duration or 0) * (frame.time_base or 0)))
                yield time - start, partial(upright, frame)

            # A file that was cut off ends without an error.
            declared = _declared_duration(container)
            if end < declared - _CUT_OFF_S:
                raise VideoError(
                    f"'{path}' ends at {end:.2f} s, but says that it has {declared:.2f} s:"
                    " it was cut off, re-encode what is left"
                )
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(
            f"'{path}' could not be decoded ({error}): re-encode or remove it"
        ) from error


def _declared_duration(container: av.container.InputContainer) -> float:
    """Seconds of video that the file was to have, 0 where that is not known.

    Matroska alone is read to where it ends without an error.
    """
    only_video = len(container.streams) == 1 and "matroska" in container.format.name
    return container.duration / av.time_base if only_video and container.duration else 0.0


def upright(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB as players show it.

    A telephone that is held upright stores frames lying on their side, and how to turn them.
    """
    stored = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(stored, round(frame.rotation / 90)))


def _folder_frames(folder: Path, fps: float) -> Iterator[tuple[float, Pixels]]:
    """``_frames`` of the pictures in a folder."""
    for index, path in enumerate(_pictures(folder)):
        try:
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        except cv2.error as error:  # a header that names a picture of terabytes
            raise VideoError(
                f"'{path}' is not a picture that can be read ({error.err}): remove it"
            ) from error
        if picture is None:
            raise VideoError(f"'{path}' is not a picture that can be read: remove it")
        yield index / fps, partial(cv2.cvtColor, picture, cv2.COLOR_BGR2RGB)


def _pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names: 2.png before 10.png."""
    if not folder.is_dir():
        return []

    def by_number(path: Path) -> list[int | str]:
        pieces = re.split(r"([0-9]+)", path.name)
        return [int(piece) if piece.isdecimal() else piece for piece in pieces]

    pictures = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(pictures, key=by_number)
