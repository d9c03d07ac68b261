# SPDX-License-Identifier: Apache-2.0
"""Text files of the MOTChallenge and of benchmarks that took over its columns.

A line is frame, id, left, top, width, height, confidence, …; frames count from 1. What follows the
confidence differs between benchmarks: see ``tracker_node.layouts``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker_node.text_files import numbered_lines

MIN_COLUMNS = 6
# Four days at 30 frames a second: more is a damaged number, which would be walked through frame by
# frame.
MAX_FRAME = 10_000_000
MAX_ID = 2**53  # beyond it, floating-point numbers skip whole numbers
EXPECTED = "frame,id,left,top,width,height[,confidence,…]"


class MotFileError(ValueError):
    """A file that is not what its reader expects; the message names the file and the line."""


@dataclass
class MotTable:
    """N rows in file order.

    ``frame`` (N,) and ``id`` (N,) int64, ``boxes`` (N, 4) x_min, y_min, x_max, y_max px,
    ``confidence`` (N,), ``columns`` (N, C) all numbers of the file, of which a line has the first
    ``length`` (N,), ``line`` (N,) line numbers.
    """

    frame: np.ndarray
    id: np.ndarray
    boxes: np.ndarray
    confidence: np.ndarray
    columns: np.ndarray
    length: np.ndarray
    line: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def rows_of(self, frame: int) -> np.ndarray:
        """Row numbers of a frame, in file order."""
        return np.flatnonzero(self.frame == frame)

    def select(self, rows: np.ndarray) -> MotTable:
        """The rows of a mask (N,) or of indices."""
        return MotTable(
            self.frame[rows],
            self.id[rows],
            self.boxes[rows],
            self.confidence[rows],
            self.columns[rows],
            self.length[rows],
            self.line[rows],
        )


def read_mot(path: Path) -> MotTable:
    """Read detections, tracks or labels; confidence is 1 where the file has none.

    Boxes may be of any kind: the tracker names those that it cannot use. Raises MotFileError with
    the number of a broken line.
    """
    lines = numbered_lines(path, MotFileError)
    rows = [_parse(path, number, line) for number, line in lines]

    length = np.array([len(row) for row in rows], np.int64)
    columns = np.full((len(rows), length.max(initial=MIN_COLUMNS)), np.nan)
    for columns_of_row, row in zip(columns, rows, strict=True):
        columns_of_row[: len(row)] = row
    return mot_table(columns, length, np.array([number for number, _ in lines], np.int64))


def mot_table(columns: np.ndarray, length: np.ndarray, line: np.ndarray) -> MotTable:
    """The table of (N, C) numbers, C at least 6, of which ``length`` (N,) are in each ``line``."""
    confidence = np.ones(len(columns))
    given = length > MIN_COLUMNS
    if given.any():
        confidence[given] = columns[given, MIN_COLUMNS]

    frame, identity = columns[:, :2].T.astype(np.int64)
    boxes = np.concatenate([columns[:, 2:4], columns[:, 2:4] + columns[:, 4:6]], axis=1)
    return MotTable(frame, identity, boxes, confidence, columns, length, line)


def write_tracks(path: Path, rows: Iterable[tuple[int, int, np.ndarray]]) -> None:
    """Write rows in the ten columns of a MOTChallenge result.

    They are (frame, track id, box), the box x_min, y_min, x_max, y_max.
    """
    with path.open("w", encoding="utf-8") as file:
        for frame, track_id, (left, top, right, bottom) in rows:
            box = f"{left:.6f},{top:.6f},{right - left:.6f},{bottom - top:.6f}"
            file.write(f"{frame},{track_id},{box},1,-1,-1,-1\n")


def _parse(path: Path, number: int, line: str) -> list[float]:
    """All numbers of a line, between commas, or as some programs write them between blanks."""
    try:
        values = [float(field) for field in (line.split(",") if "," in line else line.split())]
    except ValueError as error:
        raise MotFileError(
            f"{path}, line {number}: {line.strip()!r} is not numbers between commas (or blanks),"
            f" expected {EXPECTED}"
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
        from_zero = " (add 1 where they count from 0)" if frame == 0 else ""
        raise MotFileError(
            f"{path}, line {number}: frame {frame:g}, id {identity:g}; expected whole numbers,"
            f" frames from 1 to {MAX_FRAME}{from_zero}"
        )
    return values
