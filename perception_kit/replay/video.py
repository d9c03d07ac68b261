# SPDX-License-Identifier: Apache-2.0
"""Writes H.264 video files that every player and browser opens."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

# The customary clock of MPEG streams, 90 kHz.
_TIME_BASE = Fraction(1, 90_000)

# Hz. The stamps decide when a frame is shown.
_NOMINAL_RATE = 30


class VideoWriter:
    """MP4 file of RGB frames shown at their stamps.

    The size is that of the first frame, rounded down to even numbers. Use as a context manager.
    """

    def __init__(self, path: str | Path) -> None:
        self._container = av.open(str(path), "w", options={"movflags": "faststart"})
        self._stream = self._container.add_stream("libx264", rate=_NOMINAL_RATE)
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "23", "preset": "veryfast"}
        self._stream.time_base = self._stream.codec_context.time_base = _TIME_BASE
        self._first_ns: int | None = None

    def write(self, rgb: np.ndarray, stamp_ns: int) -> None:
        """Append an (H, W, 3) uint8 image; ``stamp_ns`` must grow.

        It is shown at its stamp relative to that of the first image.
        """
        height, width = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
        if self._first_ns is None:
            self._first_ns = stamp_ns
            self._stream.height, self._stream.width = height, width

        pixels = np.ascontiguousarray(rgb[:height, :width])
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = round((stamp_ns - self._first_ns) * 1e-9 / _TIME_BASE)
        frame.time_base = _TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds and the index."""
        if self._first_ns is not None:
            self._container.mux(self._stream.encode())
        self._container.close()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
