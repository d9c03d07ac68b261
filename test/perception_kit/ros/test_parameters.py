# SPDX-License-Identifier: Apache-2.0
"""Config dataclasses as ROS parameters, and the YAML files that set them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise

import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from actionrec_node.config import ActionConfig
from perception_kit.parameters import check_parameters, parameter
from perception_kit.resources import package_folder
from perception_kit.ros.fusion_node import FusionNodeConfig
from perception_kit.ros.lifecycle import NodeConfig
from perception_kit.ros.parameters import (
    declare_parameters,
    updated_config,
    warn_of_unknown_parameters,
)
from pose6d_node.config import Pose6dConfig
from tracker_node.config import TrackerNodeConfig
from video_search.config import SearchNodeConfig

pytestmark = pytest.mark.ros


@dataclass(frozen=True)
class Example:
    """One field of each kind, and a check across two."""

    gain: float = parameter(1.0, "gain", 0.0, 2.0)
    count: int = parameter(3, "count", minimum=1)
    mode: str = parameter("fast", "mode", choices=("fast", "good"))
    path: str = parameter("", "path", fixed=True)

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.mode == "good" and self.count < 2:
            raise ValueError(f"mode 'good' needs count of at least 2, got {self.count}")


@pytest.fixture
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context, domain_id=0)
    yield context
    context.try_shutdown()


def node_with(context: Context, **values: object) -> Node:
    """A node as it would start with these parameters."""
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return Node(
        "example", context=context, parameter_overrides=overrides, start_parameter_services=False
    )


def test_a_misspelled_parameter_is_named(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    node = node_with(context, gian=2.0, whatever=1, use_sim_time=False, count=4)
    warned: list[str] = []
    monkeypatch.setattr(node.get_logger(), "warning", warned.append)
    declare_parameters(node, Example)
    warn_of_unknown_parameters(node)
    assert warned == [
        "parameter 'gian' is not known and has no effect: did you mean 'gain'?",
        "parameter 'whatever' is not known and has no effect",
    ]


def test_values_come_from_outside_then_the_node_then_the_field(context: Context) -> None:
    config = declare_parameters(node_with(context, gain=1.5), Example, gain=0.5, count=7)
    assert config == Example(gain=1.5, count=7, mode="fast", path="")


def test_descriptors_tell_range_choices_and_when_a_change_counts(context: Context) -> None:
    node = node_with(context)
    declare_parameters(node, Example)
    gain, count, mode, path = (
        node.describe_parameter(name) for name in ("gain", "count", "mode", "path")
    )
    assert gain.description == "gain"
    (limits,) = gain.floating_point_range
    assert (limits.from_value, limits.to_value) == (0.0, 2.0)
    (limits,) = count.integer_range
    assert (limits.from_value, limits.to_value) == (1, 2**63 - 1)
    assert mode.additional_constraints == "one of 'fast', 'good'"
    assert path.additional_constraints == "read when the node is configured"


@pytest.mark.parametrize(
    ("values", "error", "reason"),
    [
        ({"gain": 2.5}, InvalidParameterValueException, "Max: 2.0"),
        ({"count": 0}, InvalidParameterValueException, "Min: 1"),
        ({"count": 1.5}, InvalidParameterTypeException, "INTEGER"),
        (
            {"mode": "slow"},
            ValueError,
            "mode is 'slow', expected one of 'fast', 'good'",
        ),
        ({"mode": "good", "count": 1}, ValueError, "needs count of at least 2, got 1"),
    ],
)
def test_a_start_with_a_wrong_value_says_what_is_wrong(
    context: Context, values: dict[str, object], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        declare_parameters(node_with(context, **values), Example)


@pytest.mark.parametrize("config_type", [Pose6dConfig, ActionConfig])
def test_a_node_does_not_start_on_a_device_that_no_machine_has(
    context: Context, config_type: type
) -> None:
    with pytest.raises(ValueError, match="unknown device 'tpu': expected cpu, cuda"):
        declare_parameters(node_with(context, device="tpu"), config_type)


def test_a_change_gives_a_new_config() -> None:
    before = Example()
    changes = [Parameter("gain", value=0.25), Parameter("use_sim_time", value=True)]
    after = updated_config(before, changes, configured=True)
    assert (before.gain, after.gain) == (1.0, 0.25)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "path",
            "/other",
            "parameter 'path' is read when the node is configured: clean the node up first",
        ),
        ("mode", "slow", "mode is 'slow', expected one of"),
    ],
)
def test_a_change_that_is_not_possible_says_why(name: str, value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        updated_config(Example(), [Parameter(name, value=value)], configured=True)


def test_a_fixed_parameter_may_change_while_unconfigured_or_to_the_value_it_has() -> None:
    moved, same = Parameter("path", value="/other"), Parameter("path", value="")
    assert updated_config(Example(), [moved], configured=False).path == "/other"
    assert updated_config(Example(), [same], configured=True) == Example()


@pytest.mark.parametrize(
    ("name", "config_types"),
    [
        ("pose6d_node", [Pose6dConfig, NodeConfig]),
        ("tracker_node", [TrackerNodeConfig, NodeConfig]),
        ("actionrec_node", [ActionConfig, NodeConfig]),
        ("video_search_node", [SearchNodeConfig, NodeConfig]),
        ("fusion_node", [FusionNodeConfig]),
    ],
)
def test_the_yaml_of_a_node_has_every_parameter_and_only_those(
    name: str, config_types: list[type]
) -> None:
    text = (package_folder() / "config" / f"{name}.yaml").read_text()
    values = yaml.safe_load(text)[f"/**/{name}"]["ros__parameters"]
    known = {field.name: field.default for config in config_types for field in fields(config)}
    assert set(values) == set(known)

    own = {"input_reliability": "reliable"} if name == "tracker_node" else {}
    differing = {key for key, default in (known | own).items() if values[key] != default}
    allowed = {"segmentation_model", "pose_model", "model"}
    assert differing <= allowed, "the files state the defaults, and the demo's models"
    assert all(isinstance(values[key], type(default)) for key, default in known.items())

    lines = [line.strip() for line in text.splitlines()]
    uncommented = [
        line
        for before, line in pairwise(lines)
        if line.split(":")[0] in known and not before.startswith("#")
    ]
    assert uncommented == []
