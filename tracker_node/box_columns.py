# SPDX-License-Identifier: Apache-2.0
"""Ways to write a box in four columns, and how to tell that another one was meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tracker_node.motchallenge import MotFileError, MotTable, mot_table

FORMS = ("size", "corners", "center")
"""left, top, width, height; left, top, right, bottom; middle x, middle y, width, height."""

# Fewer rows, or boxes that hardly move, may look like corners by chance.
MIN_ROWS = 10
MIN_SPREAD = 0.5  # standard deviation of the position in mean widths
MIN_CORRELATION = 0.8
MAX_SLOPE_ERROR = 0.25  # an edge moves as far as the other one


def check_boxes(path: Path, table: MotTable, remedy: str) -> None:
    """Raises MotFileError for boxes that are no left, top, width and height in pixels.

    They are fractions of the image, or columns 5 and 6 look like right and bottom edges; ``remedy``
    says what to do about the latter.
    """
    boxes = table.columns[:, 2:6]
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if len(boxes) and np.abs(boxes).max() <= 1.0:
        raise MotFileError(
            f"{path}: no coordinate is above 1, so the boxes are fractions of the image; expected"
            " pixels: multiply left and width by the image's width, top and height by its height"
        )
    if _are_corners(boxes):
        raise MotFileError(
            f"{path}: columns 5 and 6 are larger than columns 3 and 4 in all {len(boxes)} rows and"
            " move with them, as right and bottom edges do; expected width and height:"
            f" {remedy}, or say --boxes size where they are sizes all the same"
        )


def _are_corners(boxes: np.ndarray) -> bool:
    """Whether columns 3 and 4 of (N, 4) numbers look like right and bottom edges.

    The right edge of a box moves as far as the left one; its width does not.
    """
    near, far = boxes[:, :2], boxes[:, 2:]
    if len(boxes) < MIN_ROWS or not (far > near).all():
        return False

    # Along the axis on which the boxes are spread.
    axis = int(near.std(axis=0).argmax())
    first, second = near[:, axis], far[:, axis]
    if first.std() <= MIN_SPREAD * (second - first).mean() or second.std() == 0:
        return False
    correlation = np.corrcoef(first, second)[0, 1]
    slope = correlation * second.std() / first.std()
    return bool(correlation > MIN_CORRELATION and abs(slope - 1) < MAX_SLOPE_ERROR)


def with_sizes(table: MotTable, form: str) -> MotTable:
    """The table with left, top, width and height in columns 3 to 6, which were of ``form``."""
    columns = table.columns.copy()
    if form == "corners":
        columns[:, 4:6] -= columns[:, 2:4]
    elif form == "center":
        columns[:, 2:4] -= columns[:, 4:6] / 2
    return mot_table(columns, table.length, table.line)
