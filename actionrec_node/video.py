# SPDX-License-Identifier: Apache-2.0
"""Video files as square uint8 frames at a fixed rate."""

from __future__ import annotations

import math
from pathlib import Path

import av
import cv2
import numpy as np

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")


class VideoError(ValueError):
    """A video file that cannot be used; the message names it."""


def resize_frame(rgb: np.ndarray, size: int) -> np.ndarray:
    """(H, W, 3) uint8 stretched to (size, size, 3): the whole frame stays in view, whatever its aspect ratio."""
    interpolation = cv2.INTER_AREA if min(rgb.shape[:2]) >= size else cv2.INTER_LINEAR
    return cv2.resize(rgb, (size, size), interpolation=interpolation)


def read_video(path: str | Path, fps: float, size: int) -> np.ndarray:
    """(N, size, size, 3) uint8 RGB: frame k is what the video shows at ``k / fps`` seconds after its first frame.

    Time comes from the presentation stamps, so a variable frame rate is right. Raises VideoError for a file that does not
    decode or holds no frame.
    """
    frames: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(f"'{path}' has no video stream")
            start: float | None = None
            current: av.VideoFrame | None = None
            for frame in container.decode(video=0):
                time = float(frame.time) if frame.time is not None else (start or 0.0)
                start = time if start is None else start
                due = math.ceil((time - start - 1e-6) * fps) - len(frames)  # instants before this frame, which show the one before
                if current is not None and due > 0:
                    frames += [resize_frame(current.to_ndarray(format="rgb24"), size)] * due
                current = frame
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(f"'{path}' could not be decoded ({error}): re-encode or remove it") from error
    if current is None:
        raise VideoError(f"'{path}' holds no frame: remove it")
    frames.append(resize_frame(current.to_ndarray(format="rgb24"), size))
    return np.stack(frames)
