# SPDX-License-Identifier: Apache-2.0
"""ROS parameters that mirror a config dataclass.

Each field has a default, which gives the type, and ``metadata``: ``description``, and where they
apply ``min`` and ``max`` (inclusive), ``choices`` (tuple) and ``fixed`` (True: may only change
while the node is unconfigured). ``__post_init__`` may check further.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import Field, field, fields, replace
from sys import float_info
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

Config = TypeVar("Config")


def parameter(
    default: Any,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    fixed: bool = False,
) -> Any:
    """A dataclass field with this metadata."""
    metadata = {
        "description": description,
        "min": minimum,
        "max": maximum,
        "choices": choices,
        "fixed": fixed,
    }
    return field(default=default, metadata=metadata)


def declare_parameters(node: Node, config_type: type[Config], **defaults: Any) -> Config:
    """Declare one parameter per field and return the config of their values.

    The values come from YAML or the command line, else from ``defaults``, else they are the fields'
    own defaults. Raises rclpy's ParameterException for a value of the wrong type or out of range,
    ValueError for one that the config refuses.
    """
    values: dict[str, Any] = {}
    for entry in fields(config_type):
        default = defaults.get(entry.name, entry.default)
        values[entry.name] = node.declare_parameter(entry.name, default, _descriptor(entry)).value
        _check_choice(entry, values[entry.name])
    return config_type(**values)


def updated_config(config: Config, parameters: Iterable[Parameter], configured: bool) -> Config:
    """``config`` with the ``parameters`` that belong to it.

    Raises ValueError with the reason where a change is not possible.
    """
    known = {entry.name: entry for entry in fields(config)}
    changes: dict[str, Any] = {}
    for change in parameters:
        entry = known.get(change.name)
        if entry is None or change.value == getattr(config, entry.name):
            continue
        if configured and entry.metadata.get("fixed", False):
            raise ValueError(
                f"parameter '{entry.name}' is read when the node is configured: clean the node up"
                " first, then change it"
            )
        _check_choice(entry, change.value)
        changes[entry.name] = change.value
    return replace(config, **changes)


def _check_choice(entry: Field, value: Any) -> None:
    choices = entry.metadata.get("choices")
    if choices is not None and value not in choices:
        raise ValueError(
            f"parameter '{entry.name}' is {value!r}, expected one of"
            f" {', '.join(map(repr, choices))}"
        )


def _descriptor(entry: Field) -> ParameterDescriptor:
    """Description, range and constraints that ``ros2 param describe`` shows."""
    descriptor = ParameterDescriptor(name=entry.name, description=entry.metadata["description"])
    constraints = ["read when the node is configured"] if entry.metadata.get("fixed", False) else []
    if entry.metadata.get("choices") is not None:
        constraints.insert(0, f"one of {', '.join(map(repr, entry.metadata['choices']))}")
    descriptor.additional_constraints = "; ".join(constraints)
    low, high = entry.metadata.get("min"), entry.metadata.get("max")
    if low is None and high is None:
        return descriptor
    if isinstance(entry.default, float):
        limits = (-float_info.max if low is None else low, float_info.max if high is None else high)
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))
        ]
    else:
        limits = (-(2**63) if low is None else low, 2**63 - 1 if high is None else high)
        descriptor.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1], step=0)]
    return descriptor
