# SPDX-License-Identifier: Apache-2.0
"""What the metadata of a model file may say: types, ranges and sizes of every field.

One schema for all kinds of models, checked before anything is built of the values. Which fields a
kind needs, and how they fit together, its specification says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

KINDS = ("segmentation", "pose", "action")

_MAX_CLASSES = 1000
_MAX_NAME = 100  # characters of a name
_MAX_SYMMETRIES = 1000  # of one object
_MAX_CLIP_PIXELS = 2**25  # ten times those of the largest published networks

# Returns what is expected where a value is something else.
Check = Callable[[Any], str]


def metadata_fault(metadata: Any) -> str:
    """What is wrong with the metadata of a model file, empty where nothing is.

    Fields that are not of the schema, such as the record of the training, are not looked at.
    """
    if not isinstance(metadata, dict):
        return f"the metadata is a {type(metadata).__name__}, expected fields by name"
    for name, check in _SCHEMA.items():
        if name in metadata and metadata[name] is not None and (expected := check(metadata[name])):
            return f"{name} is {_short(metadata[name])}, expected {expected}"
    return _clip_fault(metadata)


def _clip_fault(metadata: dict[str, Any]) -> str:
    """Whether a clip of frames, each of which may be large, has more pixels than memory."""
    length, size = metadata.get("clip_length") or 1, metadata.get("input_size") or [1, 1]
    if length * size[0] * size[1] <= _MAX_CLIP_PIXELS:
        return ""
    return (
        f"clips have {length} frames of {size[0]}x{size[1]} pixels, expected at most"
        f" {_MAX_CLIP_PIXELS} pixels in all"
    )


def _short(value: Any) -> str:
    """A value for people to read."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME and value.isprintable()


def _name(value: Any) -> str:
    return "" if _is_name(value) else f"printable text of 1 to {_MAX_NAME} characters"


def _names(value: Any) -> str:
    expected = f"1 to {_MAX_CLASSES} different names, printable and of at most {_MAX_NAME}"
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= _MAX_CLASSES:
        return f"{expected} characters"
    is_good = all(map(_is_name, value)) and len(set(value)) == len(value)
    return "" if is_good else f"{expected} characters"


def _some_names(value: Any) -> str:
    return "" if value in ([], ()) else _names(value)


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        is_good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if is_good else f"a whole number from {low} to {high}"

    return check


def _number(low: float, high: float) -> Check:
    def check(value: Any) -> str:
        is_good = _is_number(value) and low <= value <= high
        return "" if is_good else f"a number from {low:g} to {high:g}"

    return check


def _one_of(*choices: str) -> Check:
    return lambda value: "" if value in choices else f"one of {', '.join(choices)}"


def _list_of(check: Check, low: int, high: int) -> Check:
    """A list of ``low`` to ``high`` elements that each pass ``check``."""

    def check_list(value: Any) -> str:
        length = f"{low}" if low == high else f"{low} to {high}"
        if not isinstance(value, list | tuple) or not low <= len(value) <= high:
            return f"a list of {length} elements"
        faults = (fault for element in value if (fault := check(element)))
        fault = next(faults, "")
        return f"a list of {length}, each of them {fault}" if fault else ""

    return check_list


_LENGTH = _number(1e-6, 100.0)  # metres
_TRANSFORM = _list_of(_list_of(_number(-1e3, 1e3), 4, 4), 4, 4)
_SCHEMA: dict[str, Check] = {
    "kind": _one_of(*KINDS),
    "architecture": _name,
    "class_names": _names,
    # The input of networks for images.
    "input_size": _list_of(_integer(8, 4096), 2, 2),
    "mean": _list_of(_number(-10.0, 10.0), 3, 3),
    "std": _list_of(_number(1e-3, 10.0), 3, 3),
    "depth": _flag,
    "bfloat16": _flag,
    "descriptor_size": _integer(1, 65536),
    # Clips.
    "clip_length": _integer(2, 1024),
    "clip_fps": _number(0.01, 1000.0),
    "resize": _name,
    "alarm_classes": _some_names,
    "lying_classes": _some_names,
    "surroundings": _number(0.0, 1.0),
    # Objects.
    "diameters": _list_of(_LENGTH, 1, _MAX_CLASSES),
    "sizes": _list_of(_list_of(_number(0.0, 100.0), 3, 3), 1, _MAX_CLASSES),
    "symmetries": _list_of(_list_of(_TRANSFORM, 1, _MAX_SYMMETRIES), 1, _MAX_CLASSES),
    "crop_size": _integer(8, 512),
    "crop_margin": _number(0.1, 10.0),
    "num_points": _integer(1, 10_000),
    "input_frame": _name,
    "num_untrained": _integer(0, _MAX_CLASSES),
    "size_variation": _one_of("known", "uniform", "axes"),
    "size_range": _list_of(_number(1e-3, 1e3), 2, 2),
}
