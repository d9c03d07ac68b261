# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for generated messages, made from the published definitions of their packages.

They know the fields and the types of the definitions, and refuse others, as rclpy's do.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

DEFINITIONS = Path(__file__).parents[1] / "data" / "message_definitions.yaml"
PRIMITIVES = {"string": str, "float64": float}


def message_classes(package: str) -> dict[str, type]:
    """The classes of a package of the definitions by name."""
    classes: dict[str, type] = {}
    for name, text in yaml.safe_load(DEFINITIONS.read_text())[package].items():
        fields = {field: kind for kind, field in re.findall(r"(\S+) +(\S+)", text)}
        classes[name] = _message_class(name, package, fields, classes)
    return classes


def _message_class(
    name: str, package: str, fields: dict[str, str], classes: dict[str, type]
) -> type:
    """A class with these fields; those of its own package come from ``classes``."""

    def type_of(kind: str) -> Any:
        if kind in PRIMITIVES:
            return PRIMITIVES[kind]
        folder, _, short = kind.rpartition("/")
        if folder in ("", package):
            return classes[short]
        return getattr(import_module(f"{folder}.msg"), short)

    types = {
        field: list if kind.endswith("[]") else type_of(kind) for field, kind in fields.items()
    }
    items = {field: type_of(kind[:-2]) for field, kind in fields.items() if kind.endswith("[]")}

    class Message:
        __slots__ = tuple(fields)

        def __init__(self, **values: Any) -> None:
            for field, kind in types.items():
                setattr(self, field, values.pop(field) if field in values else kind())
            assert not values, f"{name} has no {sorted(values)}"

        def __setattr__(self, field: str, value: Any) -> None:
            assert field in types, f"{name} has no {field}"
            assert isinstance(value, types[field]), f"{name}.{field}: {value!r}"
            if field in items:
                assert all(isinstance(item, items[field]) for item in value), f"{name}.{field}"
            object.__setattr__(self, field, value)

    Message.__name__ = Message.__qualname__ = name
    return Message
