# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from perception_kit.boxes import box_area, box_iou

CASES = {
    "same box": ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
    "half of the other": ([0, 0, 10, 10], [0, 0, 10, 5], 0.5),
    "quarter overlap": ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7),
    "touching": ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),
    "apart in both axes": ([0, 0, 1, 1], [5, 5, 6, 6], 0.0),
    "no area": ([5, 5, 5, 9], [0, 0, 10, 10], 0.0),
    "inverted": ([10, 10, 0, 0], [0, 0, 10, 10], 0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_box_iou(case: str) -> None:
    first, second, expected = CASES[case]
    assert box_iou(np.array(first, float), np.array(second, float)) == pytest.approx(expected)


def test_every_pair() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [9, 9, 10, 10]], float)
    np.testing.assert_allclose(
        box_iou(boxes[:, None], boxes), [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 1]]
    )
    assert box_iou(boxes[:0, None], boxes).shape == (0, 3)


def test_area_of_an_inverted_box_is_zero() -> None:
    np.testing.assert_array_equal(box_area(np.array([[0, 0, 3, 4], [3, 4, 0, 0]], float)), [12, 0])
