# SPDX-License-Identifier: Apache-2.0
"""Which predicted instance is which true one, and how many true instances were found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.types import Instance

# A true instance is evaluated when at least this fraction of it is visible (``score`` of a true
# instance).
MIN_VISIBLE_FRACTION = 0.1


def is_evaluated(ground_truth: Instance) -> bool:
    """Whether a true instance, whose ``score`` is its visible fraction, is visible enough to count."""
    return ground_truth.score >= MIN_VISIBLE_FRACTION


def mask_iou(first: Instance, second: Instance) -> float:
    """Intersection over union of two visible masks, 0 when both are empty."""
    (x1, y1), (x2, y2) = first.mask_origin, second.mask_origin
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
    ground_truth: Sequence[Instance], predictions: Sequence[Instance], iou_threshold: float = 0.5
) -> list[tuple[int, int]]:
    """One-to-one pairs (truth index, prediction index) of the same class name with mask IoU of at
    least ``iou_threshold``.

    The assignment has as many pairs as possible and, among those, the largest sum of IoUs.
    Ascending truth index.
    """
    gain = np.zeros((len(ground_truth), len(predictions)))
    for i, true_instance in enumerate(ground_truth):
        for j, prediction in enumerate(predictions):
            if true_instance.class_name == prediction.class_name:
                iou = mask_iou(true_instance, prediction)
                # Adding more than all IoUs together to each allowed pair makes the number of pairs
                # come first.
                gain[i, j] = iou + min(gain.shape) if iou >= iou_threshold else 0.0
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if gain[i, j] > 0]


def count_found(
    ground_truth: Iterable[Sequence[Instance]],
    predictions: Iterable[Sequence[Instance]],
    iou_threshold: float = 0.5,
) -> dict[str, int]:
    """``total`` true instances that are visible enough in all frames, and how many of them were
    ``found`` (see match_instances).
    """
    total = found = 0
    for true_instances, predicted_instances in zip(ground_truth, predictions, strict=True):
        visible = [instance for instance in true_instances if is_evaluated(instance)]
        total += len(visible)
        found += len(match_instances(visible, predicted_instances))
    return {"total": total, "found": found}
