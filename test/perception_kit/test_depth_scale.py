# SPDX-License-Identifier: Apache-2.0
"""Objects are measured by their masks, and a wrong unit of the depth is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.depth_scale import metric_width, scale_warning
from perception_kit.types import Instance, Intrinsics

CAMERA = Intrinsics(600.0, 600.0, 320.0, 240.0, 640, 480)


def instance(left: int, top: int, width: int, height: int) -> Instance:
    box = np.array([left, top, left + width, top + height], np.float32)
    return Instance(0, "cup", 1.0, box, np.ones((height, width), bool), (left, top))


@given(st.integers(2, 200), st.integers(2, 200), st.floats(0.2, 5.0))
def test_width_is_that_of_the_larger_side(width: int, height: int, meters: float) -> None:
    depth = np.full((480, 640), meters, np.float32)
    depth[:, ::3] = 0  # holes do not count
    measured = metric_width(instance(100, 100, width, height), depth, CAMERA)
    assert measured == pytest.approx((max(width, height) - 1) / 600 * meters, rel=1e-6)


@pytest.mark.parametrize(
    "case", [(0, 100, 50, 50), (590, 100, 50, 50), (100, 0, 50, 50), (100, 430, 50, 50)]
)
def test_what_the_border_cuts_off_is_not_measured(case: tuple[int, int, int, int]) -> None:
    assert metric_width(instance(*case), np.ones((480, 640), np.float32), CAMERA) is None


def test_without_depth_nothing_is_measured() -> None:
    assert metric_width(instance(9, 9, 9, 9), np.zeros((480, 640), np.float32), CAMERA) is None
    assert metric_width(instance(9, 9, 0, 0), np.ones((480, 640), np.float32), CAMERA) is None


# Seen from all sides and partly hidden, objects are 0.4 to 1.1 of their diameter wide
WIDTHS = st.lists(st.floats(0.4, 1.1), min_size=5, max_size=40)


@given(WIDTHS)
def test_objects_of_their_size_are_no_reason_to_warn(ratios: list[float]) -> None:
    assert scale_warning(ratios) is None


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (10.0, "10 times too large (units of 0.1 mm"),
        (4.0, "4 times too large (units of 0.25 mm"),
        (1000.0, "1000 times too large (millimetres read as metres)"),
        (0.1, "10 times too small (centimetres"),
        (0.001, "1000 times too small (metres read as millimetres)"),
    ],
)
@given(st.lists(st.floats(0.6, 1.05), min_size=5, max_size=40))
def test_the_factor_is_named(factor: float, text: str, ratios: list[float]) -> None:
    warning = scale_warning([ratio * factor for ratio in ratios])
    assert warning is not None
    assert text in warning


def test_a_few_objects_are_too_little_to_judge_by() -> None:
    assert scale_warning([10.0] * 4) is None


def test_a_factor_that_no_unit_explains_is_not_named() -> None:
    warning = scale_warning([30.0] * 9)
    assert warning is not None
    assert "30.0 times as large as their models, which no common unit explains" in warning
