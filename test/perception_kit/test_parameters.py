# SPDX-License-Identifier: Apache-2.0
"""Values of a config dataclass are checked by the metadata of its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pytest

from actionrec_node import ActionRecognizer
from actionrec_node.config import ActionConfig, RecognizerConfig
from perception_kit.parameters import check_parameters, parameter
from pose6d_node import PoseEstimator, Segmenter
from pose6d_node.config import Pose6dConfig
from tracker_node import TrackerConfig


@dataclass(frozen=True)
class Example:
    gain: float = parameter(1.0, "gain of the loop", 0.0, 2.0)
    count: int = parameter(3, "samples", minimum=1)
    offset: float = parameter(0.0, "offset", maximum=5.0)
    bias: float = parameter(0.0, "bias")
    mode: str = parameter("fast", "mode", choices=("fast", "good"))
    active: bool = parameter(True, "whether it runs")

    def __post_init__(self) -> None:
        check_parameters(self)


def test_values_in_range_are_taken_and_an_int_stands_for_a_float() -> None:
    assert Example(gain=2, count=10**9, offset=-1e9, mode="good", active=False).gain == 2


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"gain": 2.5}, ValueError, "gain is 2.5, expected 0.0 to 2.0: gain of the loop"),
        ({"gain": float("nan")}, ValueError, "gain is nan, expected 0.0 to 2.0"),
        ({"count": 0}, ValueError, "count is 0, expected at least 1: samples"),
        ({"offset": 6.0}, ValueError, "offset is 6.0, expected at most 5.0"),
        ({"bias": float("inf")}, ValueError, "bias is inf, expected a finite number"),
        ({"mode": "slow"}, ValueError, "mode is 'slow', expected one of 'fast', 'good'"),
        ({"count": 1.5}, TypeError, "count is 1.5, expected an int"),
        ({"count": True}, TypeError, "count is True, expected an int"),
        ({"gain": "1"}, TypeError, "gain is '1', expected a number"),
        ({"active": 1}, TypeError, "active is 1, expected a bool"),
        ({"mode": None}, TypeError, "mode is None, expected a str"),
    ],
)
def test_values_that_are_refused(
    values: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Example(**values)


@pytest.mark.parametrize(
    "config_type", [Pose6dConfig, RecognizerConfig, ActionConfig, TrackerConfig]
)
def test_every_range_of_a_node_is_checked(config_type: type) -> None:
    ranges = [entry for entry in fields(config_type) if entry.metadata["min"] is not None]
    assert ranges
    for entry in ranges:
        for value in (entry.metadata["min"] - 1, entry.metadata["max"] + 1):
            kind = type(entry.default)
            with pytest.raises(ValueError, match=f"{entry.name} is .*, expected .* to "):
                config_type(**{entry.name: kind(value)})


@pytest.mark.parametrize(
    ("algorithm", "config_type"),
    [
        (Segmenter, Pose6dConfig),
        (PoseEstimator, Pose6dConfig),
        (ActionRecognizer, ActionConfig),
    ],
)
def test_an_algorithm_has_the_defaults_of_its_node(
    algorithm: Callable[..., object], config_type: type
) -> None:
    defaults = {entry.name: entry.default for entry in fields(config_type)}
    arguments = inspect.signature(algorithm).parameters
    shared = {name: value.default for name, value in arguments.items() if name in defaults}
    assert "device" in shared
    assert shared == {name: defaults[name] for name in shared}
