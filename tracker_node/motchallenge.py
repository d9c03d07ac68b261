# SPDX-License-Identifier: Apache-2.0
"""Text files of the MOTChallenge.

A line is frame, id, left, top, width, height, confidence, …; frames count from 1. MOT15 has 10
columns, MOT16/17 has 7 (detections) or 9 (ground truth, with the class in column 8). Nothing else
that follows the confidence is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_iou
from perception_kit.metrics.tracking import TrackedBoxes
from tracker_node.text_files import numbered_lines

MIN_COLUMNS = 6
GROUND_TRUTH_COLUMNS_WITH_CATEGORY = 9
PEDESTRIAN = 1
# People that a tracker need not find, and may: on a vehicle, static, distractor (statue, picture),
# reflection.
DISTRACTORS = (2, 7, 8, 12)
MATCH_IOU = 0.5
# Four days at 30 frames a second: more is a damaged number, which would be walked through frame by
# frame.
MAX_FRAME = 10_000_000
MAX_ID = 2**53  # beyond it, floating-point numbers skip whole numbers
EXPECTED = "frame,id,left,top,width,height[,confidence,…]"


class MotFileError(ValueError):
    """A file that is not MOTChallenge text; the message names the file and the line."""


@dataclass
class MotTable:
    """Rows in file order.

    ``frame`` (N,) and ``id`` (N,) int64, ``boxes`` (N, 4) x_min, y_min, x_max, y_max px,
    ``confidence`` (N,), ``category`` (N,) int64, PEDESTRIAN where the file says nothing.
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

    @property
    def counts(self) -> np.ndarray:
        """(N,) whether a label counts: pedestrians whose confidence is not 0."""
        return (self.confidence != 0) & (self.category == PEDESTRIAN)

    def evaluated(self, frame: int) -> TrackedBoxes:
        """The labels of a frame that count."""
        rows = self.rows_of(frame)
        rows = rows[self.counts[rows]]
        return TrackedBoxes(self.id[rows], self.boxes[rows])

    def without_distractors(self, frame: int, tracked: TrackedBoxes) -> TrackedBoxes:
        """The tracks of a frame without those that match a label among DISTRACTORS.

        They are neither right nor wrong (Milan 2016).
        """
        labels = self.rows_of(frame)
        iou = box_iou(tracked.boxes[:, None], self.boxes[labels])
        iou[iou < MATCH_IOU] = 0.0

        rows, columns = linear_sum_assignment(iou, maximize=True)
        is_distractor = np.isin(self.category[labels[columns]], DISTRACTORS)
        dropped = rows[(iou[rows, columns] > 0) & is_distractor]
        kept = np.setdiff1d(np.arange(len(tracked.ids)), dropped)
        return TrackedBoxes(tracked.ids[kept], tracked.boxes[kept])


def read_mot(path: Path) -> MotTable:
    """Read detections or tracks; confidence is 1 where the file has none.

    Boxes may be of any kind: the tracker names those that it cannot use. Raises MotFileError with
    the number of a broken line.
    """
    lines = numbered_lines(path, MotFileError)
    return _table([_parse(path, number, line) for number, line in lines])


def read_ground_truth(path: Path) -> MotTable:
    """Read labels.

    Raises MotFileError with the number of a broken line, also of one that cannot be true: a box
    that is not finite, or that counts and has no area or an id that its frame has already.
    """
    lines = numbered_lines(path, MotFileError)
    table = _table([_parse(path, number, line) for number, line in lines])

    counts, sizes = table.counts, table.boxes[:, 2:] - table.boxes[:, :2]
    line_of: dict[tuple[int, int], int] = {}
    for row, (number, _) in enumerate(lines):
        identity, frame = int(table.id[row]), int(table.frame[row])
        if not np.isfinite([*table.boxes[row], table.confidence[row]]).all():
            raise MotFileError(
                f"{path}, line {number}: box and confidence of id {identity} are not all finite"
                " numbers"
            )

        if counts[row] and sizes[row].min() <= 0:
            raise MotFileError(
                f"{path}, line {number}: the box of id {identity} is {sizes[row, 0]:g} x"
                f" {sizes[row, 1]:g} px, expected an area"
            )

        first = line_of.setdefault((frame, identity), number) if counts[row] else number
        if first != number:
            raise MotFileError(
                f"{path}, line {number}: id {identity} is in frame {frame} already, by line"
                f" {first}: leave one of them out"
            )
    return table


def write_tracks(path: Path, rows: Iterable[tuple[int, int, np.ndarray]]) -> None:
    """Write rows in the ten columns of a MOTChallenge result.

    They are (frame, track id, box), the box x_min, y_min, x_max, y_max.
    """
    with path.open("w", encoding="utf-8") as file:
        for frame, track_id, (left, top, right, bottom) in rows:
            box = f"{left:.4f},{top:.4f},{right - left:.4f},{bottom - top:.4f}"
            file.write(f"{frame},{track_id},{box},1,-1,-1,-1\n")


def _table(rows: list[list[float]]) -> MotTable:
    """The table of parsed lines."""
    values = np.array(rows, np.float64).reshape(-1, 8)
    boxes = np.concatenate([values[:, 2:4], values[:, 2:4] + values[:, 4:6]], axis=1)
    frame, identity, category = values[:, [0, 1, 7]].T.astype(np.int64)
    return MotTable(frame, identity, boxes, values[:, 6], category)


def _parse(path: Path, number: int, line: str) -> list[float]:
    """Frame, id, left, top, width, height, confidence and category of one line."""
    try:
        values = [float(field) for field in line.split(",")]
    except ValueError as error:
        raise MotFileError(
            f"{path}, line {number}: {line.strip()!r} is not comma-separated numbers, expected"
            f" {EXPECTED}"
        ) from error

    if len(values) < MIN_COLUMNS:
        raise MotFileError(
            f"{path}, line {number}: {len(values)} columns, expected at least {MIN_COLUMNS}:"
            f" {EXPECTED}"
        )

    frame, identity = values[:2]
    is_frame = frame.is_integer() and 1 <= frame <= MAX_FRAME
    is_id = identity.is_integer() and abs(identity) <= MAX_ID
    if not (is_frame and is_id):
        raise MotFileError(
            f"{path}, line {number}: frame {frame:g}, id {identity:g}; expected whole numbers,"
            f" frames from 1 to {MAX_FRAME}"
        )

    confidence = values[MIN_COLUMNS] if len(values) > MIN_COLUMNS else 1.0
    category = values[7] if len(values) == GROUND_TRUTH_COLUMNS_WITH_CATEGORY else float(PEDESTRIAN)
    if not (category.is_integer() and abs(category) <= MAX_ID):
        raise MotFileError(
            f"{path}, line {number}: class {category:g} in column 8, expected a whole number,"
            f" {PEDESTRIAN} for pedestrians"
        )
    return [*values[:MIN_COLUMNS], confidence, category]
