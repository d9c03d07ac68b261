# SPDX-License-Identifier: Apache-2.0
"""RVL depth comes back as it was."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rvl_encoder import encode_rvl

from perception_kit.bags.rvl import decode_rvl

RUNS = st.lists(
    st.one_of(st.lists(st.just(0), max_size=9), st.lists(st.integers(1, 65535), max_size=9)),
    min_size=1,
    max_size=8,
)


@given(RUNS)
def test_depth_comes_back(runs: list[list[int]]) -> None:
    pixels = np.array([0, *(pixel for run in runs for pixel in run)], np.uint16)
    assert np.array_equal(decode_rvl(encode_rvl(pixels), len(pixels)), pixels)


def test_a_stream_written_by_hand() -> None:
    """Two zeros, then the three depths 5, 4, 4: differences 5, -1, 0, in zigzag 10, 1, 0."""
    nibbles = [2, 3, 0xA, 1, 1, 0, 0, 0]  # 10 is 2 with more to follow, then 1
    word = int("".join(f"{nibble:x}" for nibble in nibbles), 16)
    assert decode_rvl(struct.pack("<I", word), 5).tolist() == [0, 0, 5, 4, 4]


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 4),
        (encode_rvl(np.arange(1, 40, dtype=np.uint16))[:8], 39),
        (encode_rvl(np.arange(1, 40, dtype=np.uint16)), 30),
        (b"\xff" * 64, 4),
        (b"", 2**40),
    ],
    ids=["nothing", "cut off", "too many", "an endless number", "an impossible size"],
)
def test_damage_is_refused(data: bytes, count: int) -> None:
    with pytest.raises(ValueError, match="pixel"):
        decode_rvl(data, count)


@given(st.binary(max_size=60), st.integers(1, 200))
def test_any_bytes_are_decoded_or_refused(data: bytes, count: int) -> None:
    with suppress(ValueError):
        assert decode_rvl(data, count).shape == (count,)
