# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import fields

import pytest
from scipy.stats import chi2

from tracker_node.config import CHI_SQUARE_95_3, CHI_SQUARE_95_4, TrackerConfig


def test_every_field_has_a_description_and_a_range_that_holds_its_default() -> None:
    for field in fields(TrackerConfig):
        assert len(field.metadata["description"]) > 10
        if not isinstance(field.default, bool | str):
            assert field.metadata["min"] <= field.default <= field.metadata["max"], field.name


@pytest.mark.parametrize(("gate", "freedom"), [(CHI_SQUARE_95_4, 4), (CHI_SQUARE_95_3, 3)])
def test_gates_are_the_95_percent_quantiles(gate: float, freedom: int) -> None:
    assert gate == pytest.approx(chi2.ppf(0.95, freedom), abs=1e-4)


BAD_VALUES = {
    "above the range": (
        dict(motion_weight=1.5),
        ValueError,
        "motion_weight is 1.5, expected 0.0 to 1.0",
    ),
    "below the range": (dict(max_age=0), ValueError, "max_age is 0, expected 1"),
    "not a number": (dict(pose_noise=float("nan")), ValueError, "pose_noise is nan"),
    "not whole": (dict(n_init=2.5), TypeError, "n_init is 2.5, expected an int"),
    "text": (dict(motion_gate="9"), TypeError, "motion_gate is '9'"),
    "truth value for a number": (dict(max_age=True), TypeError, "max_age is True"),
    "number for a name": (dict(fixed_frame=1), TypeError, "fixed_frame is 1, expected a str"),
    "number for a truth value": (dict(class_aware=1), TypeError, "class_aware is 1"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_bad_values_are_named(case: str) -> None:
    arguments, error, message = BAD_VALUES[case]
    with pytest.raises(error, match=message):
        TrackerConfig(**arguments)


def test_max_age_is_time_with_half_a_frame_of_slack() -> None:
    assert TrackerConfig(max_age=30, nominal_frame_rate=30.0).max_age_s == pytest.approx(30.5 / 30)
