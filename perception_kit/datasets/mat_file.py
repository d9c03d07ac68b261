# SPDX-License-Identifier: Apache-2.0
"""Reads the arrays of numbers in MATLAB files (version 5, MathWorks "MAT-File Format").

SciPy's reader ends the process by a segmentation fault where a file is damaged.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from perception_kit.budgets import regular

_HEADER_BYTES = 128
_MAX_BYTES = 2**28  # of what a compressed part may hold
_MATRIX, _COMPRESSED, _UINT32, _INT32, _INT8 = 14, 15, 6, 5, 1
# Numbers as they are stored, and as the array has them.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_STORED |= {12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"}
_CLASSES |= {14: "i8", 15: "u8"}


class MatFileError(ValueError):
    """The file is none of MATLAB's, or is damaged."""


def read_mat(path: Path) -> dict[str, np.ndarray]:
    """Arrays of real numbers by name; texts, structures and others are left out.

    Raises MatFileError, and OSError where the file cannot be read.
    """
    content = regular(path).read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER_BYTES], "")
    if not order:
        raise MatFileError("it is no MATLAB file of version 5")
    try:
        elements = _elements(content[_HEADER_BYTES:], order, padded=False)
        arrays = (_array(*_unpacked(*element, order), order) for element in elements)
        return dict(array for array in arrays if array is not None)
    except MatFileError:
        raise
    except (ValueError, zlib.error, MemoryError) as error:
        raise MatFileError(f"it is damaged ({error})") from error


def _unpacked(kind: int, data: bytes, order: str) -> tuple[int, bytes]:
    """Type and content of an element that may be compressed."""
    if kind != _COMPRESSED:
        return kind, data
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(data, _MAX_BYTES)
    if unpacker.unconsumed_tail:
        raise MatFileError(f"a part of it is larger than {_MAX_BYTES} bytes")
    return next(_elements(unpacked, order, padded=False), (0, b""))


def _array(kind: int, data: bytes, order: str) -> tuple[str, np.ndarray] | None:
    """Name and numbers: a matrix has flags, dimensions, its name, and a list of numbers.

    None for other things.
    """
    parts = list(_elements(data, order, padded=True)) if kind == _MATRIX else []
    kinds = [part for part, _ in parts]
    if kinds[:3] != [_UINT32, _INT32, _INT8] or len(kinds) != 4 or kinds[3] not in _STORED:
        return None

    flags, sizes, name, numbers = (content for _, content in parts)
    number_class = int(np.frombuffer(flags, f"{order}u4")[:1].sum()) & 0xFF
    if number_class not in _CLASSES:
        return None
    shape = tuple(np.frombuffer(sizes, f"{order}i4").tolist())
    values = np.frombuffer(numbers, f"{order}{_STORED[kinds[3]]}")
    if min(shape, default=-1) < 0 or prod(shape) != values.size:
        raise MatFileError(f"an array of the shape {shape} has {values.size} numbers")
    with np.errstate(invalid="ignore"):  # numbers that the class does not have
        array = values.astype(_CLASSES[number_class]).reshape(shape, order="F")
    return name.decode("ascii", "replace"), array


def _elements(data: bytes, order: str, padded: bool) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element; within a matrix they are ``padded`` to 8 bytes."""
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            raise MatFileError("it is cut off")
        kind, size = (int(word) for word in np.frombuffer(data, f"{order}u4", 2, position))
        is_small = kind >> 16 != 0  # its content stands in the tag
        if is_small:
            kind, size = kind & 0xFFFF, kind >> 16
        start = position + (4 if is_small else 8)
        if start + size > len(data) or (is_small and size > 4):
            raise MatFileError("it is cut off")
        yield kind, data[start : start + size]
        padding = -size % 8 if padded else 0
        position += 8 if is_small else 8 + size + padding
