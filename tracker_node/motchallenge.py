# SPDX-License-Identifier: Apache-2.0
"""Text files of the MOTChallenge: frame, id, left, top, width, height, confidence, … with frames counted from 1.

MOT15 has 10 columns and MOT16/17 has 7 (detections) or 9 (truth, with the class in column 8); what else follows the confidence is not used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_iou
from perception_kit.metrics.tracking import TrackedBoxes

MIN_COLUMNS = 6
TRUTH_COLUMNS_WITH_CATEGORY = 9
PEDESTRIAN = 1
# People that a tracker need not find, and may: on a vehicle, static, distractor (statue, picture), reflection.
DISTRACTORS = (2, 7, 8, 12)
MATCH_IOU = 0.5
EXPECTED = "frame,id,left,top,width,height[,confidence,…]"


class MotFileError(ValueError):
    """A file that is not MOTChallenge text; the message names the file and the line."""


@dataclass
class MotTable:
    """Rows in file order: ``frame`` (N,) and ``id`` (N,) int64, ``boxes`` (N, 4) x_min, y_min, x_max, y_max px, ``confidence`` (N,),
    ``category`` (N,) int64, PEDESTRIAN where the file says nothing.
    """

    frame: np.ndarray
    id: np.ndarray
    boxes: np.ndarray
    confidence: np.ndarray
    category: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def rows_of(self, frame: int) -> np.ndarray:
        """Row numbers of a frame, in file order."""
        return np.flatnonzero(self.frame == frame)

    def evaluated(self, frame: int) -> TrackedBoxes:
        """The labels of a frame that count: pedestrians whose confidence is not 0."""
        rows = self.rows_of(frame)
        rows = rows[(self.confidence[rows] != 0) & (self.category[rows] == PEDESTRIAN)]
        return TrackedBoxes(self.id[rows], self.boxes[rows])

    def without_distractors(self, frame: int, tracked: TrackedBoxes) -> TrackedBoxes:
        """The tracks of a frame but those that match a label among DISTRACTORS, which are neither right nor wrong (Milan 2016)."""
        labels = self.rows_of(frame)
        iou = box_iou(tracked.boxes[:, None], self.boxes[labels])
        iou[iou < MATCH_IOU] = 0.0
        rows, columns = linear_sum_assignment(iou, maximize=True)
        dropped = rows[(iou[rows, columns] > 0) & np.isin(self.category[labels[columns]], DISTRACTORS)]
        kept = np.setdiff1d(np.arange(len(tracked.ids)), dropped)
        return TrackedBoxes(tracked.ids[kept], tracked.boxes[kept])


def read_mot(path: Path) -> MotTable:
    """Read detections, tracks or truth; confidence is 1 where the file has none. Raises MotFileError with the number of a broken line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MotFileError(f"{path} cannot be read as text: {error}") from error
    rows = [_parse(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    values = np.array(rows, np.float64).reshape(-1, 8)
    boxes = np.concatenate([values[:, 2:4], values[:, 2:4] + values[:, 4:6]], axis=1)
    frame, identity, category = values[:, [0, 1, 7]].T.astype(np.int64)
    return MotTable(frame, identity, boxes, values[:, 6], category)


def write_tracks(path: Path, rows: Iterable[tuple[int, int, np.ndarray]]) -> None:
    """Write (frame, track id, box x_min, y_min, x_max, y_max) rows in the ten columns of a MOTChallenge result."""
    with path.open("w", encoding="utf-8") as file:
        for frame, track_id, (left, top, right, bottom) in rows:
            file.write(f"{frame},{track_id},{left:.4f},{top:.4f},{right - left:.4f},{bottom - top:.4f},1,-1,-1,-1\n")


def _parse(path: Path, number: int, line: str) -> list[float]:
    """Frame, id, left, top, width, height, confidence and category of one line."""
    try:
        values = [float(field) for field in line.split(",")]
    except ValueError as error:
        raise MotFileError(f"{path}, line {number}: {line.strip()!r} is not comma-separated numbers, expected {EXPECTED}") from error
    if len(values) < MIN_COLUMNS:
        raise MotFileError(f"{path}, line {number}: {len(values)} columns, expected at least {MIN_COLUMNS}: {EXPECTED}")
    frame, identity = values[:2]
    if not (frame.is_integer() and frame >= 1 and identity.is_integer()):
        raise MotFileError(f"{path}, line {number}: frame {frame:g}, id {identity:g}; expected whole numbers, frames from 1")
    confidence = values[MIN_COLUMNS] if len(values) > MIN_COLUMNS else 1.0
    return [*values[:MIN_COLUMNS], confidence, values[7] if len(values) == TRUTH_COLUMNS_WITH_CATEGORY else PEDESTRIAN]
