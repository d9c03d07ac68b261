# SPDX-License-Identifier: Apache-2.0
"""Writes H.264 video files that every player and browser opens."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from perception_kit.closing import Closing

# The customary clock of MPEG streams, 90 kHz.
_TIME_BASE = Fraction(1, 90_000)

# Hz. The stamps decide when a frame is shown.
_NOMINAL_RATE = 30


class VideoWriter(Closing):
    """MP4 file of RGB frames shown at their stamps.

    The size is that of the first frame, rounded down to even numbers; a smaller frame is shown in
    its upper left, a larger one reduced. Use as a context manager. ``container_format`` is needed
    where the name of the file does not end in .mp4.
    """

    def __init__(self, path: str | Path, container_format: str | None = None) -> None:
        self._container = av.open(
            str(path), "w", format=container_format, options={"movflags": "faststart"}
        )
        self._stream = self._container.add_stream("libx264", rate=_NOMINAL_RATE)
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "23", "preset": "veryfast"}
        self._stream.time_base = self._stream.codec_context.time_base = _TIME_BASE
        self._first_ns: int | None = None

    def write(self, rgb: np.ndarray, stamp_ns: int) -> None:
        """Append an (H, W, 3) uint8 image; ``stamp_ns`` must grow.

        It is shown at its stamp relative to that of the first image.
        """
        if self._first_ns is None:
            self._first_ns = stamp_ns
            self._stream.height, self._stream.width = (size // 2 * 2 for size in rgb.shape[:2])

        pixels = _fitted(rgb, self._stream.height, self._stream.width)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = round((stamp_ns - self._first_ns) * 1e-9 / _TIME_BASE)
        frame.time_base = _TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds and the index."""
        if self._first_ns is not None:
            self._container.mux(self._stream.encode())
        self._container.close()


def _fitted(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """(``height``, ``width``, 3) picture with all of ``rgb``, but an odd last row and column."""
    rows, columns = (size // 2 * 2 for size in rgb.shape[:2])
    pixels = rgb[:rows, :columns]
    if (rows, columns) == (height, width):
        return np.ascontiguousarray(pixels)

    scale = min(1.0, height / rows, width / columns)
    if scale < 1:
        size = round(columns * scale), round(rows * scale)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    return canvas
