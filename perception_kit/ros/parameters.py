# SPDX-License-Identifier: Apache-2.0
"""Declares ROS parameters that mirror a config dataclass.

Each field has a default, which gives the type, and ``metadata``: ``description``, and where they
apply ``min`` and ``max`` (inclusive), ``choices`` (tuple) and ``fixed`` (True: may only change
while the node is unconfigured). Its ``__post_init__`` calls ``check_parameters``, and may check
further.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import Field, fields, replace
from difflib import get_close_matches
from sys import float_info
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from perception_kit.parameters import Dataclass

Config = TypeVar("Config", bound=Dataclass)
_OF_ROS = ("qos_overrides.", "use_sim_time", "start_type_description_service")


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
    return config_type(**values)


def warn_of_unknown_parameters(node: Node) -> None:
    """Name each given parameter that the node, which has declared its own, does not know.

    ROS leaves them out without a word, and the node runs with the default of what was meant.
    """
    # rclpy says what was given, and lists what was declared, in no public way.
    declared = [name for name in node._parameters if not name.startswith(_OF_ROS)]
    unknown = [
        name
        for name in sorted(node._parameter_overrides)
        if not node.has_parameter(name) and not name.startswith(_OF_ROS)
    ]
    for name in unknown:
        meant = get_close_matches(name, declared, n=1)
        hint = f": did you mean '{meant[0]}'?" if meant else ""
        node.get_logger().warning(f"parameter '{name}' is not known and has no effect{hint}")


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
        changes[entry.name] = change.value

    return replace(config, **changes)


def _descriptor(entry: Field) -> ParameterDescriptor:
    """Description, range and constraints that ``ros2 param describe`` shows."""
    descriptor = ParameterDescriptor(name=entry.name, description=entry.metadata["description"])

    constraints = []
    if entry.metadata.get("choices") is not None:
        constraints.append(f"one of {', '.join(map(repr, entry.metadata['choices']))}")
    if entry.metadata.get("fixed", False):
        constraints.append("read when the node is configured")
    descriptor.additional_constraints = "; ".join(constraints)

    # A range that is open at one end has the largest number of the type there.
    low, high = entry.metadata.get("min"), entry.metadata.get("max")
    if low is None and high is None:
        return descriptor
    if isinstance(entry.default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(
                from_value=-float_info.max if low is None else float(low),
                to_value=float_info.max if high is None else float(high),
            )
        ]
    else:
        descriptor.integer_range = [
            IntegerRange(
                from_value=-(2**63) if low is None else low,
                to_value=2**63 - 1 if high is None else high,
            )
        ]
    return descriptor
