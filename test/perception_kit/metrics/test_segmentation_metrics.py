# SPDX-License-Identifier: Apache-2.0
"""Mask AP with known answers, and against torchmetrics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision

from perception_kit.metrics.segmentation import box_average_precision, mask_average_precision
from perception_kit.types import Instance

HEIGHT, WIDTH = 48, 64


def rectangle(
    x: int, y: int, width: int, height: int, name: str = "mug", score: float = 1.0
) -> Instance:
    return Instance(
        1,
        name,
        score,
        np.array([x, y, x + width, y + height], np.float32),
        np.ones((height, width), bool),
        (x, y),
    )


BOX = (5, 5, 20, 20)
CASES = {
    "perfect": ([[rectangle(*BOX)]], [[rectangle(*BOX, score=0.9)]], 1.0, 1.0),
    "nothing found": ([[rectangle(*BOX)]], [[]], 0.0, 0.0),
    "wrong class": ([[rectangle(*BOX)]], [[rectangle(*BOX, "bowl")]], 0.0, 0.0),
    "IoU 0.8 passes 7 of 10 thresholds": (
        [[rectangle(*BOX)]],
        [[rectangle(5, 5, 20, 16)]],
        0.7,
        1.0,
    ),
    "one of two": (
        [[rectangle(*BOX), rectangle(40, 5, 10, 10)]],
        [[rectangle(*BOX)]],
        51 / 101,
        51 / 101,
    ),
    "false positive scored above the hit": (
        [[rectangle(*BOX)]],
        [[rectangle(40, 5, 10, 10, score=0.9), rectangle(*BOX, score=0.8)]],
        0.5,
        0.5,
    ),
    "barely visible truth is neither missed nor a false positive": (
        [[rectangle(*BOX), rectangle(40, 5, 10, 10, score=0.05)]],
        [[rectangle(40, 5, 10, 10, score=0.9), rectangle(*BOX, score=0.8)]],
        1.0,
        1.0,
    ),
    "no truth": ([[]], [[rectangle(*BOX)]], None, None),
    "only barely visible truth": ([[rectangle(*BOX, score=0.01)]], [[rectangle(*BOX)]], None, None),
}


@pytest.mark.parametrize("case", CASES)
def test_mask_average_precision(case: str) -> None:
    ground_truth, predictions, expected_map, expected_map50 = CASES[case]
    metrics = mask_average_precision(ground_truth, predictions, HEIGHT, WIDTH)
    assert metrics["map"] == (None if expected_map is None else pytest.approx(expected_map))
    assert metrics["map50"] == (None if expected_map50 is None else pytest.approx(expected_map50))


def test_per_class() -> None:
    ground_truth = [[rectangle(*BOX), rectangle(40, 5, 10, 10, "bowl")]]
    metrics = mask_average_precision(ground_truth, [[rectangle(*BOX)]], HEIGHT, WIDTH)
    assert metrics["per_class"] == {
        "bowl": {"map": 0.0, "map50": 0.0, "map_medium_large": None},
        "mug": {
            "map": pytest.approx(1.0),
            "map50": pytest.approx(1.0),
            "map_medium_large": None,
        },
    }
    assert metrics["map"] == pytest.approx(0.5)


def test_small_instances_are_neither_missed_nor_false_among_the_larger_ones() -> None:
    truth = [rectangle(0, 0, 40, 40), rectangle(50, 5, 10, 10)]
    found = [rectangle(0, 0, 40, 40), rectangle(50, 30, 10, 10, score=0.95)]
    metrics = mask_average_precision([truth], [found], HEIGHT, WIDTH)
    assert metrics["map"] < 0.6
    assert metrics["map_medium_large"] == pytest.approx(1.0)


def test_boxes_are_judged_apart_from_masks() -> None:
    thin = replace(rectangle(*BOX), mask=np.eye(20, dtype=bool))
    assert mask_average_precision([[rectangle(*BOX)]], [[thin]], HEIGHT, WIDTH)["map"] == 0.0
    assert box_average_precision([[rectangle(*BOX)]], [[thin]], HEIGHT, WIDTH)[
        "map"
    ] == pytest.approx(1.0)
    shifted = replace(
        rectangle(*BOX), box=np.array([5, 5, 25, 21], np.float32)
    )  # IoU 0.8 passes 7 of 10 thresholds
    assert box_average_precision([[rectangle(*BOX)]], [[shifted]], HEIGHT, WIDTH)[
        "map"
    ] == pytest.approx(0.7)


def test_frames_must_pair() -> None:
    with pytest.raises(ValueError, match="shorter"):
        mask_average_precision([[], []], [[]], HEIGHT, WIDTH)


def test_agrees_with_torchmetrics_on_random_frames() -> None:
    rng = np.random.default_rng(0)
    names = ["bowl", "mug"]

    def disturbed(instance: Instance) -> Instance:
        x, y = np.array(instance.mask_origin) + rng.integers(0, 3, 2)
        name = instance.class_name if rng.random() < 0.8 else names[rng.integers(2)]
        return rectangle(int(x), int(y), *instance.mask.shape[::-1], name, float(rng.random()))

    ground_truth = [
        [
            rectangle(*rng.integers(0, 20, 2), *rng.integers(10, 25, 2), names[rng.integers(2)])
            for _ in range(4)
        ]
        for _ in range(6)
    ]
    predictions = [
        [disturbed(instance) for instance in frame for _ in range(2)] for frame in ground_truth
    ]

    def as_tensors(frame: list[Instance]) -> dict[str, torch.Tensor]:
        masks = np.stack([instance.full_mask(HEIGHT, WIDTH) for instance in frame])
        labels = torch.tensor([names.index(instance.class_name) for instance in frame])
        return {
            "masks": torch.from_numpy(masks),
            "labels": labels,
            "scores": torch.tensor([instance.score for instance in frame]),
        }

    # torchmetrics rounds its default thresholds to single precision, which moves values that are
    # equal to one.
    thresholds = {
        "iou_thresholds": np.linspace(0.5, 0.95, 10).tolist(),
        "rec_thresholds": np.linspace(0, 1, 101).tolist(),
    }
    reference = MeanAveragePrecision(iou_type="segm", **thresholds)
    reference.update(
        [as_tensors(frame) for frame in predictions], [as_tensors(frame) for frame in ground_truth]
    )
    expected = reference.compute()
    metrics = mask_average_precision(ground_truth, predictions, HEIGHT, WIDTH)
    assert metrics["map"] == pytest.approx(float(expected["map"]))
    assert metrics["map50"] == pytest.approx(float(expected["map_50"]))
    assert 0.1 < metrics["map"] < 0.95
