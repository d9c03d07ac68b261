# SPDX-License-Identifier: Apache-2.0
"""Tiny videos of a moving square."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_moving_square(
    path: Path,
    times_s: np.ndarray,
    speed: float = 0.0,
    height: int = 48,
    width: int = 64,
    colors: str = "yuv420p",
) -> Path:
    """A bright square that moves ``speed`` pixels a second, with one frame at each of the times.

    ``colors`` is the format of its pixels; any but the usual one is kept without loss.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4" if colors == "yuv420p" else "ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, colors
        stream.codec_context.time_base = Fraction(1, 1000)

        for time in times_s:
            image = np.full((height, width, 3), 40, np.uint8)
            left = int(4 + speed * time) % (width - 12)
            image[16:28, left : left + 12] = 220
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
