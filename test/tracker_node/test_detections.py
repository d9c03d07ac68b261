# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from perception_kit.types import Instance
from tracker_node.detections import usable_detections

nan, inf = float("nan"), float("inf")

BAD = {
    "NaN in the box": (dict(box=np.array([0, 0, nan, 5])), "is not finite"),
    "infinite box": (dict(box=np.array([0, 0, inf, 5])), "is not finite"),
    "infinite on both sides": (dict(box=np.array([inf, 0, inf, 5])), "is not finite"),
    "no width": (dict(box=np.array([5, 5, 5, 9])), "0 px wide and 4 px high"),
    "negative height": (dict(box=np.array([5, 9, 8, 5])), "3 px wide and -4 px high"),
    "far outside of any image": (dict(box=np.array([0, 0, 1e9, 5])), "more than 1000000 px out"),
    "three numbers": (dict(box=np.array([0, 0, 5])), r"shape \(3,\)"),
    "score that is no number": (dict(score=nan), "score is nan"),
    "longer descriptor": (dict(descriptor=np.ones(5, np.float32)), "5 values, expected 3"),
    "zero descriptor": (dict(descriptor=np.zeros(3, np.float32)), "norm 0, expected a unit vector"),
    "huge descriptor": (
        dict(descriptor=np.full(3, 1e30, np.float32)),
        r"norm 1.73205e\+30, expected a unit vector",
    ),
    "NaN in the descriptor": (
        dict(descriptor=np.array([1, nan, 0], np.float32)),
        "descriptor is not finite",
    ),
    "infinite descriptor": (
        dict(descriptor=np.array([1, inf, 0], np.float32)),
        "descriptor is not finite",
    ),
}


@pytest.mark.parametrize(("known_length", "holders"), [(0, 0), (3, 2)])
@pytest.mark.parametrize("case", BAD)
def test_bad_detections_are_named_and_the_others_stay(
    case: str, known_length: int, holders: int, detection: Callable[..., Instance]
) -> None:
    changes, reason = BAD[case]
    good = detection([10, 20, 30, 60], descriptor=[1, 2, 3])
    other = detection([100, 20, 130, 60], class_id=2)
    detections, rejected = usable_detections(
        [good, replace(good, **changes), good, other], known_length, holders
    )
    assert detections.index.tolist() == [0, 2, 3]
    assert detections.class_id.tolist() == [1, 1, 2]
    assert detections.has_descriptor.tolist() == [True, True, False]
    np.testing.assert_allclose(detections.measurements[0], [20, 40, 0.5, 40])
    ((index, message),) = rejected
    assert index == 1
    assert re.search(reason, message)


def test_no_detections() -> None:
    detections, rejected = usable_detections([], 128, 1)
    assert len(detections) == 0
    assert detections.boxes.shape == (0, 4)
    assert rejected == []


def test_descriptors_are_scaled_to_norm_one(detection: Callable[..., Instance]) -> None:
    instance = replace(detection([0, 0, 5, 5]), descriptor=np.array([3, 4], np.float32))
    detections, _ = usable_detections([instance], 0, 0)
    np.testing.assert_allclose(detections.descriptors, [[0.6, 0.8]], rtol=1e-6)


def test_most_common_length_counts_while_none_is_known(detection: Callable[..., Instance]) -> None:
    instances = [
        detection([0, 0, 5, 5], descriptor=values) for values in ([1, 0], [1, 0, 0], [0, 1, 0])
    ]
    _, rejected = usable_detections(instances, 0, 0)
    assert rejected == [(0, "descriptor has 2 values, expected 3 as in the other detections")]


def test_known_length_counts_as_often_as_there_are_tracks(
    detection: Callable[..., Instance],
) -> None:
    instances = [detection([0, 0, 5, 5], descriptor=values) for values in ([1, 0, 0], [0, 1, 0])]
    assert [len(usable_detections(instances, 2, holders)[1]) for holders in (1, 2, 3)] == [0, 2, 2]
