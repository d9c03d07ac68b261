# SPDX-License-Identifier: Apache-2.0
"""RVL as its paper writes it, pixel by pixel, to test the decoder with."""

from __future__ import annotations

import struct
from itertools import groupby

import numpy as np


def encode_rvl(pixels: np.ndarray) -> bytes:
    """The stream of uint16 ``pixels``."""
    nibbles: list[int] = []

    def put(number: int) -> None:
        while True:
            number, digit = number >> 3, number & 7
            nibbles.append(digit | 8 if number else digit)
            if not number:
                return

    runs = [list(run) for _, run in groupby(pixels.ravel().tolist(), key=bool)]
    if runs and runs[0][0]:
        runs.insert(0, [])
    previous = 0
    for position, run in enumerate(runs):
        put(len(run))
        if position % 2:
            for pixel in run:
                difference, previous = pixel - previous, pixel
                put(2 * difference if difference >= 0 else -2 * difference - 1)
    if len(runs) % 2:
        put(0)

    nibbles += [0] * (-len(nibbles) % 8)
    words = [nibbles[start : start + 8] for start in range(0, len(nibbles), 8)]
    return b"".join(struct.pack("<I", int("".join(f"{n:x}" for n in word), 16)) for word in words)
