# SPDX-License-Identifier: Apache-2.0
"""Several detections of one object in a frame, as detectors give them before their suppression."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from perception_kit.boxes import box_iou

DUPLICATE_IOU = 0.7  # two people who stand together seldom overlap as much
MANY = 0.25  # of the detections


def without_duplicates(
    boxes: np.ndarray, confidence: np.ndarray, groups: np.ndarray, max_iou: float
) -> np.ndarray:
    """(N,) bool, true for those that non-maximum suppression keeps.

    Of ``boxes`` (N, 4) x_min, y_min, x_max, y_max with the same number in ``groups`` (N,) that
    overlap by more than ``max_iou``, the one of the highest ``confidence`` (N,) is kept.
    """
    kept = np.zeros(len(boxes), bool)
    order = np.lexsort((-confidence, groups))
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    for rows in np.split(order, starts):
        iou = box_iou(boxes[rows, None], boxes[rows])
        chosen: list[int] = []
        for row in range(len(rows)):
            if not (iou[row, chosen] > max_iou).any():
                chosen.append(row)
        kept[rows[chosen]] = True
    return kept


def warn_duplicates(
    path: Path, boxes: np.ndarray, confidence: np.ndarray, groups: np.ndarray
) -> None:
    """Warn where many of the detections, as in ``without_duplicates``, are of the same objects."""
    again = int((~without_duplicates(boxes, confidence, groups, DUPLICATE_IOU)).sum())
    if again and again >= MANY * len(boxes):
        print(
            f"warning: {again} of the {len(boxes)} detections in {path} overlap a more confident"
            f" one of their frame by more than {DUPLICATE_IOU:g} and become tracks like all others:"
            f" --nms-overlap {DUPLICATE_IOU:g} leaves them out",
            file=sys.stderr,
        )
