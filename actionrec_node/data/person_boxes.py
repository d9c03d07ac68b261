# SPDX-License-Identifier: Apache-2.0
"""Boxes of the person in the videos of a data folder, read from ``boxes.csv``.

Its columns are video, time, x_min, y_min, x_max, y_max; others are not looked at. Times are seconds
since the video's first frame, boxes pixels of the video, and a video has one person.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionrec_node.data.annotations import DataError, read_table, video_path

_COLUMNS = ("time", "x_min", "y_min", "x_max", "y_max")
_MAX_DISTANCE = 0.1
"""Seconds from an instant to the nearest box that still tells where the person is."""


@dataclass(frozen=True)
class BoxTrack:
    """A person's ``boxes`` (M, 4) in pixels at ``times`` (M,) seconds, ascending.

    A box is x_min, y_min, x_max, y_max.
    """

    times: np.ndarray
    boxes: np.ndarray

    def at(self, instants: np.ndarray, width: int, height: int) -> np.ndarray:
        """(N, 4) boxes at N instants (seconds) as fractions of the image's size.

        NaN where no box is near in time, or it lies outside of the image.
        """
        # The box before and the box after each instant, of which the nearer one counts.
        after = np.clip(np.searchsorted(self.times, instants), 1, max(len(self.times) - 1, 1))
        before = after - 1
        after = np.minimum(after, len(self.times) - 1)
        nearest = np.where(
            np.abs(self.times[after] - instants) < np.abs(self.times[before] - instants),
            after,
            before,
        )

        # It must be near in time, and have an area within the image.
        boxes = np.clip(self.boxes[nearest] / (width, height, width, height), 0.0, 1.0)
        is_near = np.abs(self.times[nearest] - instants) <= _MAX_DISTANCE
        has_area = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        return np.where((is_near & has_area)[:, None], boxes, np.nan)


def read_boxes(folders: Iterable[str | Path]) -> dict[Path, BoxTrack]:
    """Boxes of the videos of several data folders, under absolute paths.

    A folder without ``boxes.csv`` has none. Raises DataError naming the file, and the line for a
    box that is none; also where none of the videos that it names is there.
    """
    tracks: dict[Path, BoxTrack] = {}
    for path in (Path(folder) / "boxes.csv" for folder in folders):
        if path.is_file():
            tracks |= _read_file(path)
    return tracks


def _read_file(path: Path) -> dict[Path, BoxTrack]:
    rows: dict[Path, list[tuple[float, ...]]] = defaultdict(list)
    for where, row in read_table(path, ("video", *_COLUMNS)):
        try:
            time, x_min, y_min, x_max, y_max = (float(row[name]) for name in _COLUMNS)
        except ValueError as error:
            raise DataError(f"{where}: time and box must be numbers, got {row}") from error

        is_finite = np.isfinite([time, x_min, y_min, x_max, y_max]).all()
        if not (is_finite and x_min < x_max and y_min < y_max):
            raise DataError(f"{where}: a box has x_min < x_max and y_min < y_max, got {row}")
        rows[video_path(path.parent, row["video"]).resolve()].append(
            (time, x_min, y_min, x_max, y_max)
        )

    # False, and no error, where a name is too long for a file
    if rows and not any(os.path.exists(video) for video in rows):
        raise DataError(
            f"none of the videos that '{path}' names is there, such as '{min(rows)}':"
            " is it the file of another data folder?"
        )

    coordinates = np.array([row[1:] for video_rows in rows.values() for row in video_rows])
    if len(coordinates) and np.abs(coordinates).max() <= 1.0:
        raise DataError(
            f"no coordinate in '{path}' is above 1, so the boxes are fractions of the image;"
            " expected pixels: multiply x by the video's width and y by its height"
        )

    tracks = {video: np.array(sorted(video_rows)) for video, video_rows in rows.items()}
    return {video: BoxTrack(track[:, 0], track[:, 1:]) for video, track in tracks.items()}
