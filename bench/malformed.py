# SPDX-License-Identifier: Apache-2.0
"""Makes malformed messages of good ones: a field that cannot be meant, or damaged bytes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message

_HEADER_BYTES = 4  # that say how CDR is encoded; without them nothing can be published
_FLOATS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-300, 1e38, -1e38)
_INTEGERS = (0, 1, 2, 7, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
_REFUSED = (AssertionError, OverflowError, SystemError, TypeError, ValueError)
_TEXTS = (
    "",
    "x" * 5000,
    "<!--<script>alert(1)</script>",
    "\x1b[31m\n\r\x07",
    "../../etc/passwd",
    "rgb8",
    "mono16",
    "32FC1",
    "bayer_rggb8",
    "\u202e%s%n{0}",
)


def malformed(good: Any, rng: np.random.Generator) -> bytes:
    """CDR bytes of the message ``good`` with something wrong in it."""
    if rng.random() < 0.6:
        message = copy.deepcopy(good)
        for _ in range(rng.integers(1, 4)):
            _spoil(message, rng)
        try:
            return bytes(serialize_message(message))
        except _REFUSED:  # by the type of an element of a list
            pass
    return damaged(bytes(serialize_message(good)), rng)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """``data`` that is cut off, overwritten, or has bytes too many; its first four are kept."""
    head, body = data[:_HEADER_BYTES], bytearray(data[_HEADER_BYTES:])
    kind = rng.integers(5)
    if kind == 0:
        return head + bytes(body[: rng.integers(len(body) + 1)])
    if kind == 1:
        return head + rng.bytes(int(rng.integers(300)))
    if kind == 2:
        return head + bytes(body) + rng.bytes(int(rng.integers(1, 300)))

    # Lengths of texts and lists are near the beginning.
    reach = min(len(body), 400) if kind == 3 else len(body)
    for position in rng.integers(0, max(reach, 1), rng.integers(1, 20)):
        body[position : position + 1] = rng.bytes(1)
    return head + bytes(body)


def _spoil(message: Any, rng: np.random.Generator) -> None:
    """Give a field of a message, or of one inside it, a value that cannot be meant."""
    fields = message.get_fields_and_field_types()
    name = str(rng.choice(list(fields)))
    value = getattr(message, name)
    if hasattr(value, "get_fields_and_field_types"):
        _spoil(value, rng)
        return
    try:
        setattr(message, name, _wild(value, rng))
    except _REFUSED:
        return  # such a message cannot be made, nor sent


def _wild(value: Any, rng: np.random.Generator) -> Any:
    """Another value of the kind of ``value``."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return int(rng.choice(_INTEGERS)) * int(rng.choice((1, -1)))
    if isinstance(value, float):
        return float(rng.choice(_FLOATS))
    if isinstance(value, str):
        return str(rng.choice(_TEXTS))
    return _wild_list(value, rng)


def _wild_list(values: Any, rng: np.random.Generator) -> Any:
    """A list, or an array of numbers, of another length or with a wild element."""
    if not len(values) or rng.random() < 0.3:
        return values[: rng.integers(len(values) + 1)]

    spoiled = copy.deepcopy(values)
    index = int(rng.integers(len(spoiled)))
    if hasattr(spoiled[index], "get_fields_and_field_types"):
        _spoil(spoiled[index], rng)
    else:
        element = spoiled[index]
        spoiled[index] = _wild(element.item() if hasattr(element, "item") else element, rng)
    return spoiled
