# SPDX-License-Identifier: Apache-2.0
"""Labels of a sequence, and which tracks a benchmark scores beside them.

The procedures of MOTChallenge (Milan 2016) and KITTI (Geiger 2012), as TrackEval carries them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_area, box_iou
from perception_kit.metrics.tracking import TrackedBoxes

MATCH_IOU = 0.5
AREA_FRACTION = 0.5  # of a track's box in an ignored area
EPSILON = np.finfo(float).eps  # an exact overlap such as 0.5 passes in spite of rounding


class Role(IntEnum):
    """What a label means for the tracks that match it."""

    COUNTED = 0  # is to be found
    IGNORED = 1  # need not be found, and may
    OTHER = 2  # must not be found; takes part in the matching all the same
    AREA = 3  # ignored area: unmatched tracks in it are neither right nor wrong
    UNUSED = 4


@dataclass
class Labels:
    """N labels in file order.

    ``frame`` (N,) and ``id`` (N,) int64, ``boxes`` (N, 4) x_min, y_min, x_max, y_max px, ``role``
    (N,) of Role. Unmatched tracks of at most ``min_height`` px are not scored.
    """

    frame: np.ndarray
    id: np.ndarray
    boxes: np.ndarray
    role: np.ndarray
    min_height: float = -np.inf

    def __len__(self) -> int:
        return len(self.frame)

    def counted(self, frame: int) -> TrackedBoxes:
        """The labels of a frame that count."""
        rows = np.flatnonzero((self.frame == frame) & (self.role == Role.COUNTED))
        return TrackedBoxes(self.id[rows], self.boxes[rows])

    def scored(self, frame: int, tracked: TrackedBoxes) -> TrackedBoxes:
        """The tracks of a frame without those that are neither right nor wrong."""
        here = self.frame == frame
        labels = np.flatnonzero(here & (self.role <= Role.OTHER))
        boxes = tracked.boxes

        # Matched with all labels, so that a track on somebody who counts stays.
        iou = box_iou(self.boxes[labels][:, None], boxes)
        iou[iou < MATCH_IOU - EPSILON] = 0.0
        rows, columns = linear_sum_assignment(iou, maximize=True)
        matched = iou[rows, columns] > EPSILON
        rows, columns = rows[matched], columns[matched]
        dropped = np.zeros(len(boxes), bool)
        dropped[columns] = self.role[labels[rows]] == Role.IGNORED

        # Those that match nothing may be small or lie in an ignored area.
        unmatched = np.ones(len(boxes), bool)
        unmatched[columns] = False
        areas = self.boxes[here & (self.role == Role.AREA)]
        in_area = (_covered(boxes, areas) > AREA_FRACTION + EPSILON).any(axis=1)
        is_small = boxes[:, 3] - boxes[:, 1] <= self.min_height + EPSILON
        dropped |= unmatched & (in_area | is_small)
        return TrackedBoxes(tracked.ids[~dropped], boxes[~dropped])

    def compare(
        self, tracked: Sequence[TrackedBoxes], first_frame: int
    ) -> tuple[list[TrackedBoxes], list[TrackedBoxes]]:
        """Labels and tracks of each frame from ``first_frame`` on, as the metrics take them."""
        numbered = list(enumerate(tracked, start=first_frame))
        return (
            [self.counted(frame) for frame, _ in numbered],
            [self.scored(frame, boxes) for frame, boxes in numbered],
        )


def _covered(boxes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """(N, M) fraction of each of (N, 4) boxes that lies in each of (M, 4) areas."""
    corner = np.maximum(boxes[:, None, :2], areas[:, :2])
    opposite = np.minimum(boxes[:, None, 2:], areas[:, 2:])
    intersection = np.maximum(opposite - corner, 0.0).prod(axis=2)
    own = box_area(boxes)[:, None]
    return np.divide(intersection, own, out=np.zeros_like(intersection), where=own > 0)
