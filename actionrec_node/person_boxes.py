# SPDX-License-Identifier: Apache-2.0
"""Where the person is in the videos of a data folder: ``boxes.csv`` with the columns video, time, x_min, y_min, x_max, y_max.

Times are seconds since the video's first frame, boxes pixels of the video, and a video has one person; other columns are not looked at.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionrec_node.annotations import DataError

_COLUMNS = ("time", "x_min", "y_min", "x_max", "y_max")
_MAX_DISTANCE = 0.1
"""Seconds from an instant to the nearest box that still tells where the person is."""


@dataclass(frozen=True)
class BoxTrack:
    """A person's ``boxes`` (M, 4) x_min, y_min, x_max, y_max in pixels at ``times`` (M,) seconds, ascending."""

    times: np.ndarray
    boxes: np.ndarray

    def at(self, instants: np.ndarray, width: int, height: int) -> np.ndarray:
        """(N, 4) boxes at N instants (seconds) as shares of the image's size, NaN where none is near in time."""
        after = np.clip(np.searchsorted(self.times, instants), 1, max(len(self.times) - 1, 1))
        before = after - 1
        after = np.minimum(after, len(self.times) - 1)
        nearest = np.where(np.abs(self.times[after] - instants) < np.abs(self.times[before] - instants), after, before)
        known = np.abs(self.times[nearest] - instants) <= _MAX_DISTANCE
        return np.where(known[:, None], np.clip(self.boxes[nearest] / (width, height, width, height), 0.0, 1.0), np.nan)


def read_boxes(folders: Iterable[str | Path]) -> dict[Path, BoxTrack]:
    """Boxes of the videos of several data folders, under absolute paths; a folder without ``boxes.csv`` has none.

    Raises DataError naming the file and the line for a box that is none.
    """
    rows: dict[Path, list[tuple[float, ...]]] = defaultdict(list)
    for path in (Path(folder) / "boxes.csv" for folder in folders):
        if path.is_file():
            _read_file(path, rows)
    tracks = {video: np.array(sorted(of_video)) for video, of_video in rows.items()}
    return {video: BoxTrack(track[:, 0], track[:, 1:]) for video, track in tracks.items()}


def _read_file(path: Path, rows: dict[Path, list[tuple[float, ...]]]) -> None:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = {"video", *_COLUMNS} - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"'{path}' lacks the columns {sorted(missing)}, found {reader.fieldnames}")
        for row in reader:
            try:
                time, x_min, y_min, x_max, y_max = (float(row[name]) for name in _COLUMNS)
            except (TypeError, ValueError) as error:
                raise DataError(f"'{path}' line {reader.line_num}: time and box must be numbers, got {row}") from error
            if not (x_min < x_max and y_min < y_max and np.isfinite([time, x_min, y_min, x_max, y_max]).all()):
                raise DataError(f"'{path}' line {reader.line_num}: a box has x_min < x_max and y_min < y_max, got {row}")
            rows[(path.parent / row["video"]).resolve()].append((time, x_min, y_min, x_max, y_max))
