# SPDX-License-Identifier: Apache-2.0
"""Matches predicted with ground-truth instances: the definition of found, missed and ignored.

A ground-truth instance *counts* where at least ``MIN_VISIBLE_FRACTION`` of it is visible. It is
*found* where ``match_instances`` gives it a prediction, else *missed*; a prediction finds at most
one instance. What lies on an instance that does not count is *ignored*: neither right nor wrong.
All scores of instances, poses and tracks use this definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.types import Instance

MIN_VISIBLE_FRACTION = 0.1
"""Visible fraction from which on an instance counts, as in the BOP Challenge."""
MATCH_IOU = 0.5
"""Mask IoU from which on a prediction finds an instance, as PASCAL VOC and COCO's AP50 have it."""
IGNORE_IOU = 0.5
"""IoU from which on something lies on an instance that does not count."""


@dataclass(frozen=True)
class InstanceMatch:
    """A ground-truth instance that counts, and the prediction that found it.

    Both are indices. ``detection_index`` is None for a missed instance, whose ``iou`` is 0.
    """

    ground_truth_index: int
    detection_index: int | None
    iou: float

    @property
    def is_found(self) -> bool:
        """Whether a prediction matches."""
        return self.detection_index is not None


def is_evaluated(ground_truth: Instance) -> bool:
    """Whether an instance counts; ``score`` of a ground-truth instance is its visible fraction."""
    return ground_truth.score >= MIN_VISIBLE_FRACTION


def mask_iou(first: Instance, second: Instance) -> float:
    """Intersection over union of two visible masks, 0 when both are empty."""
    (x1, y1), (x2, y2) = first.mask_origin, second.mask_origin

    # The rectangle that both masks cover, in pixels of the image.
    left, top = max(x1, x2), max(y1, y2)
    right = min(x1 + first.mask.shape[1], x2 + second.mask.shape[1])
    bottom = min(y1 + first.mask.shape[0], y2 + second.mask.shape[0])
    if right <= left or bottom <= top:
        return 0.0

    common = (
        first.mask[top - y1 : bottom - y1, left - x1 : right - x1]
        & second.mask[top - y2 : bottom - y2, left - x2 : right - x2]
    )
    intersection = np.count_nonzero(common)
    union = np.count_nonzero(first.mask) + np.count_nonzero(second.mask) - intersection
    return intersection / union if union else 0.0


def match_instances(
    ground_truth: Sequence[Instance],
    predictions: Sequence[Instance],
    iou_threshold: float = MATCH_IOU,
) -> list[tuple[int, int]]:
    """One-to-one pairs (ground-truth index, prediction index), by ascending ground-truth index.

    Both are of the same class name and their masks have an IoU of at least ``iou_threshold``. The
    assignment has as many pairs as possible and, among those, the largest sum of IoUs.
    """
    gain = np.zeros((len(ground_truth), len(predictions)))
    for i, true_instance in enumerate(ground_truth):
        for j, prediction in enumerate(predictions):
            if true_instance.class_name != prediction.class_name:
                continue
            iou = mask_iou(true_instance, prediction)
            # Each allowed pair gains more than all IoUs together: the number of pairs comes first.
            gain[i, j] = iou + min(gain.shape) if iou >= iou_threshold else 0.0

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if gain[i, j] > 0]


def match_counted(
    ground_truth: Sequence[Instance], predictions: Sequence[Instance]
) -> list[InstanceMatch]:
    """A match of each ground-truth instance of one frame that counts, in their order."""
    counted = [index for index, instance in enumerate(ground_truth) if is_evaluated(instance)]
    found_by = dict(match_instances([ground_truth[index] for index in counted], predictions))

    matches = []
    for position, index in enumerate(counted):
        found = found_by.get(position)
        iou = 0.0 if found is None else mask_iou(ground_truth[index], predictions[found])
        matches.append(InstanceMatch(index, found, iou))
    return matches


def detection_verdicts(
    ground_truth: Sequence[Instance],
    predictions: Sequence[Instance],
    matches: Sequence[InstanceMatch],
) -> list[bool | None]:
    """For each prediction of one frame: whether it found an instance, None where it is ignored.

    ``matches`` are those of ``match_counted``.
    """
    finders = {match.detection_index for match in matches}
    counted = {match.ground_truth_index for match in matches}
    ignored = [instance for index, instance in enumerate(ground_truth) if index not in counted]

    def is_ignored(prediction: Instance) -> bool:
        return any(
            mask_iou(prediction, instance) >= IGNORE_IOU
            for instance in ignored
            if instance.class_name == prediction.class_name
        )

    return [
        True if index in finders else None if is_ignored(prediction) else False
        for index, prediction in enumerate(predictions)
    ]


def count_found(
    ground_truth: Iterable[Sequence[Instance]], predictions: Iterable[Sequence[Instance]]
) -> dict[str, int]:
    """``total`` instances that count in all frames, and how many of them were ``found``.

    Raises ValueError where one of the iterables is shorter.
    """
    matches = [
        match
        for true_instances, predicted_instances in zip(ground_truth, predictions, strict=True)
        for match in match_counted(true_instances, predicted_instances)
    ]
    return {"total": len(matches), "found": sum(match.is_found for match in matches)}
