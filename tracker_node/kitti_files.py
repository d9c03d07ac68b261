# SPDX-License-Identifier: Apache-2.0
"""Text files of the KITTI tracking benchmark: labels and detections.

A label line is ``frame id type truncated occluded alpha x1 y1 x2 y2 h w l x y z ry``. A detection
line has a 2D and a 3D box, as AB3DMOT writes it:
``frame,type,x1,y1,x2,y2,score,h,w,l,x,y,z,ry,alpha``. Frames count from 0. Boxes are in pixels;
the remaining values are in metres and radians in the camera's optical frame, where x, y, z is the
middle of the box's bottom and ry turns about the y axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.types import Instance, PoseEstimate
from tracker_node.text_files import numbered_lines

LABEL_COLUMNS = 17
DETECTION_COLUMNS = 15
# More than a day at 10 Hz: a larger number is a damaged one, and would be walked through frame by
# frame.
MAX_FRAME = 1_000_000
NO_MASK = np.zeros((0, 0), bool)
PEDESTRIAN_CODE = 1  # of a detection's type, as AB3DMOT numbers them
PEDESTRIAN = "Pedestrian"


class KittiFileError(ValueError):
    """A file that is not in KITTI's form; the message names the file and the line."""


@dataclass
class KittiDetections:
    """N detections in file order.

    ``frame`` (N,), ``boxes`` (N, 4) px, ``score`` (N,), ``size`` (N, 3) in metres along the
    object's own x (length), y (height), z (width), ``center`` (N, 3) in metres, ``rotation``
    (N, 3, 3) object to camera.
    """

    frame: np.ndarray
    boxes: np.ndarray
    score: np.ndarray
    size: np.ndarray
    center: np.ndarray
    rotation: np.ndarray

    def of_frame(self, frame: int, min_score: float) -> tuple[list[Instance], list[PoseEstimate]]:
        """The pedestrians of a frame that score at least ``min_score``, and a pose for each."""
        rows = np.flatnonzero((self.frame == frame) & (self.score >= min_score))
        instances = [
            Instance(1, PEDESTRIAN, float(self.score[row]), self.boxes[row], NO_MASK, (0, 0))
            for row in rows
        ]

        poses = [
            PoseEstimate(
                detection_index=index,
                class_id=1,
                class_name=PEDESTRIAN,
                rotation=self.rotation[row],
                translation=self.center[row],
                confidence=float(self.score[row]),
                size=self.size[row],
            )
            for index, row in enumerate(rows)
        ]
        return instances, poses


@dataclass
class KittiLabels:
    """N labels in file order.

    ``frame`` (N,), ``id`` (N,) (-1 in areas without labels), ``kind`` (N,) type names,
    ``truncated`` (N,), ``occluded`` (N,) 0 (fully visible) to 3 (unknown), ``boxes`` (N, 4) px.
    """

    frame: np.ndarray
    id: np.ndarray
    kind: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    boxes: np.ndarray


def read_detections(path: Path) -> KittiDetections:
    """Read detections.

    Raises KittiFileError with the number of a broken line, of a box without area, and of what is no
    pedestrian.
    """
    lines = numbered_lines(path, KittiFileError)
    rows = [_detection(path, number, line) for number, line in lines]
    values = np.array(rows, np.float64).reshape(-1, DETECTION_COLUMNS)

    # From the middle of the bottom to the center: y points down.
    height, width, length = values[:, 7:10].T
    center = values[:, 10:13].copy()
    center[:, 1] -= height / 2
    return KittiDetections(
        frame=values[:, 0].astype(np.int64),
        boxes=values[:, 2:6],
        score=values[:, 6],
        size=np.stack([length, height, width], axis=1),
        center=center,
        rotation=Rotation.from_rotvec(values[:, 13:14] * [0.0, 1.0, 0.0]).as_matrix(),
    )


def read_labels(path: Path) -> KittiLabels:
    """Read labels.

    Raises KittiFileError with the number of a broken line, and of an id that its frame has already.
    """
    rows, kinds = [], []
    line_of: dict[tuple[float, float], int] = {}
    for number, line in numbered_lines(path, KittiFileError):
        words = line.split()
        kinds.append(words.pop(2) if len(words) > 2 else "")
        row = _numbers(path, number, words, LABEL_COLUMNS - 1)

        frame, identity, occluded = row[0], row[1], row[3]
        if not (identity.is_integer() and occluded.is_integer()):
            raise KittiFileError(
                f"{path}, line {number}: id {identity:g}, occluded {occluded:g}; expected whole"
                " numbers"
            )
        first = line_of.setdefault((frame, identity), number) if identity >= 0 else number
        if first != number:
            raise KittiFileError(
                f"{path}, line {number}: id {identity:g} is in frame {frame:g} already, by line"
                f" {first}"
            )
        rows.append(row)

    values = np.array(rows, np.float64).reshape(-1, LABEL_COLUMNS - 1)
    return KittiLabels(
        frame=values[:, 0].astype(np.int64),
        id=values[:, 1].astype(np.int64),
        kind=np.array(kinds, np.str_),
        truncated=values[:, 2],
        occluded=values[:, 3].astype(np.int64),
        boxes=values[:, 5:9],
    )


def _detection(path: Path, number: int, line: str) -> list[float]:
    """The numbers of a detection's line."""
    values = _numbers(path, number, line.split(","), DETECTION_COLUMNS)

    if values[1] != PEDESTRIAN_CODE:
        raise KittiFileError(
            f"{path}, line {number}: type {values[1]:g}, expected {PEDESTRIAN_CODE}: only"
            " pedestrians are tracked here"
        )
    x_min, y_min, x_max, y_max = values[2:6]
    if not (x_min < x_max and y_min < y_max):
        raise KittiFileError(
            f"{path}, line {number}: box {values[2:6]}, expected x1, y1, x2, y2 with an area"
        )
    return values


def _numbers(path: Path, number: int, words: list[str], count: int) -> list[float]:
    """The ``count`` numbers of a line, the first of which is a frame."""
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise KittiFileError(f"{path}, line {number}: {error}") from error

    if len(values) != count:
        raise KittiFileError(f"{path}, line {number}: {len(values)} numbers, expected {count}")
    if not (values[0].is_integer() and 0 <= values[0] <= MAX_FRAME):
        raise KittiFileError(
            f"{path}, line {number}: frame {values[0]:g}, expected a whole number from 0 to"
            f" {MAX_FRAME}"
        )
    if not np.isfinite(values).all():
        raise KittiFileError(f"{path}, line {number}: not all numbers are finite")
    return values
