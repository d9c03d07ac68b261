# SPDX-License-Identifier: Apache-2.0
"""Damages files as a bad disk, a broken download or somebody hostile would."""

from __future__ import annotations

import re

import numpy as np

_NUMBERS = (b"-1", b"0", b"1e999", b"nan", b"99999999999999999999", b"2147483648", b"null", b'"x"')
_WORDS = (b"[" * 5000, b"{" * 300, b"\x00", b"\xff\xfe", b"\n", b'"', b"&a *a", b"<!--<script>")


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """``content`` cut off, with bytes or a number replaced, or with something put in."""
    kind = rng.integers(5)
    if kind == 0:
        return content[: rng.integers(len(content) + 1)]
    if kind == 1:
        return _with_bytes(content, len(content), rng)
    if kind == 2:  # sizes and kinds stand at the beginning
        return _with_bytes(content, 200, rng)

    places = list(re.finditer(rb"-?\d+(\.\d+)?", content[:100_000]))
    if kind == 3 and places:
        place = places[rng.integers(len(places))]
        number = _NUMBERS[rng.integers(len(_NUMBERS))]
        return content[: place.start()] + number + content[place.end() :]
    position = rng.integers(len(content) + 1)
    return content[:position] + _WORDS[rng.integers(len(_WORDS))] + content[position:]


def _with_bytes(content: bytes, reach: int, rng: np.random.Generator) -> bytes:
    """``content`` with up to ten other bytes among its first ``reach``."""
    changed = bytearray(content)
    for position in rng.integers(0, max(min(len(content), reach), 1), rng.integers(1, 11)):
        changed[position : position + 1] = rng.bytes(1)
    return bytes(changed)
