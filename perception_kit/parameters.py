# SPDX-License-Identifier: Apache-2.0
"""Dataclass fields that a node declares as its parameters; nothing here needs ROS."""

from __future__ import annotations

import math
from dataclasses import Field, field, fields
from typing import Any, ClassVar, Protocol

_KINDS = {bool: "a bool", int: "an int", float: "a number", str: "a str"}


class Dataclass(Protocol):
    """Any instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def parameter(
    default: Any,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    fixed: bool = False,
) -> Any:
    """A dataclass field with the metadata that ``check_parameters`` and the ROS nodes read.

    ``minimum`` and ``maximum`` are inclusive; a ``fixed`` parameter may only change while the node
    is unconfigured.
    """
    metadata = {
        "description": description,
        "min": minimum,
        "max": maximum,
        "choices": choices,
        "fixed": fixed,
    }
    return field(default=default, metadata=metadata)


def check_parameters(config: Dataclass) -> None:
    """Check each field that ``parameter`` made; for ``__post_init__``.

    Raises TypeError for a value of another type than the default's (an int may stand for a float),
    ValueError for one that is out of range or not one of the choices.
    """
    for entry in fields(config):
        name, value, metadata = entry.name, getattr(config, entry.name), entry.metadata

        # A bool is an int in Python, but not here.
        kind: type = type(entry.default)
        accepted: tuple[type, ...] = (int, float) if kind is float else (kind,)
        if not isinstance(value, accepted) or isinstance(value, bool) != (kind is bool):
            raise TypeError(f"{name} is {value!r}, expected {_KINDS[kind]}")

        choices = metadata["choices"]
        if choices is not None and value not in choices:
            raise ValueError(
                f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}"
            )

        if kind in (int, float) and not _in_range(value, metadata["min"], metadata["max"]):
            expected = _describe_range(metadata["min"], metadata["max"])
            raise ValueError(f"{name} is {value}, expected {expected}: {metadata['description']}")


def _in_range(value: Any, low: float | None, high: float | None) -> bool:
    return (
        math.isfinite(value) and (low is None or low <= value) and (high is None or value <= high)
    )


def _describe_range(low: float | None, high: float | None) -> str:
    if low is None:
        return "a finite number" if high is None else f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"
