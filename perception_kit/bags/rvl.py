# SPDX-License-Identifier: Apache-2.0
"""Decodes RVL depth (Wilson, "Fast Lossless Depth Image Compression", ISS 2017).

The stream alternates the number of zero pixels, the number of others, and the differences of these
to the pixel before. Each number is a chain of nibbles, lowest first: 3 bits, and one that says that
another nibble follows. Eight nibbles make a little-endian word of 32 bits, highest first.
"""

from __future__ import annotations

import numpy as np

_LARGEST_IMAGE = 2**26  # pixels
_LONGEST_CHAIN = 10  # nibbles after the first


def decode_rvl(data: bytes, pixel_count: int) -> np.ndarray:
    """(``pixel_count``,) uint16 depth. Raises ValueError where the data end early or disagree."""
    if not 0 < pixel_count <= _LARGEST_IMAGE:
        raise ValueError(f"{pixel_count} pixels, expected 1 to {_LARGEST_IMAGE}")
    numbers = _numbers(data)
    pixels = np.zeros(pixel_count, np.uint16)

    position = at = 0
    previous = 0
    while position < pixel_count:
        if at >= len(numbers):
            raise ValueError(f"the data end after {position} of {pixel_count} pixels")

        # A run of zeros, and one of differences in zigzag order: 0, -1, 1, -2, …
        zeros = int(numbers[at])
        others = int(numbers[at + 1]) if at + 1 < len(numbers) else 0
        coded = numbers[at + 2 : at + 2 + others]
        at, position = at + 2 + others, position + zeros
        if len(coded) < others or position + others > pixel_count:
            raise ValueError(f"a run of {others} pixels at {position} of {pixel_count} is cut off")

        if others:
            values = previous + np.cumsum((coded >> 1) ^ -(coded & 1))
            pixels[position : position + others] = values
            previous = int(values[-1])
            position += others
    return pixels


def _numbers(data: bytes) -> np.ndarray:
    """(N,) int64, all numbers of the stream."""
    words = np.frombuffer(data[: len(data) // 4 * 4], "<u4")
    shifts = np.arange(28, -4, -4, dtype=np.uint32)
    nibbles = ((words[:, None] >> shifts) & 0xF).reshape(-1).astype(np.int64)

    # A number ends with the first nibble whose highest bit is not set.
    ends = np.flatnonzero(nibbles < 8)
    if not len(ends):
        return np.zeros(0, np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(ends[-1] + 1) - np.repeat(starts, ends - starts + 1)
    if place.max() > _LONGEST_CHAIN:
        raise ValueError("a number is longer than any pixel")
    return np.add.reduceat((nibbles[: ends[-1] + 1] & 7) << (3 * place), starts)
