# SPDX-License-Identifier: Apache-2.0
"""Dataclass fields that a node declares as its parameters; nothing here needs ROS."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def parameter(
    default: Any,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    fixed: bool = False,
) -> Any:
    """A dataclass field with the metadata that ``perception_kit.ros.parameters`` reads.

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
