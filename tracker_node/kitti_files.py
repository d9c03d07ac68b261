# SPDX-License-Identifier: Apache-2.0
"""Text files of the KITTI tracking benchmark: labels and detections.

A label line is ``frame id type truncated occluded alpha x1 y1 x2 y2 h w l x y z ry``, that of a
result has a score behind it. A detection line is that of a result, or has a 2D and a 3D box as
AB3DMOT writes it: ``frame,type,x1,y1,x2,y2,score,h,w,l,x,y,z,ry,alpha``. Frames count from 0.
Boxes are in pixels; the remaining values are in metres and radians in the camera's optical frame,
where x, y, z is the middle of the box's bottom and ry turns about the y axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.metrics.tracking import TrackedBoxes
from perception_kit.types import Instance, PoseEstimate
from tracker_node.labels import Labels, Role
from tracker_node.table_summary import class_counts, report_table
from tracker_node.text_files import numbered_lines

LABEL_COLUMNS = 17
RESULT_COLUMNS = 18  # with a score
DETECTION_COLUMNS = 15
# More than a day at 10 Hz: a larger number is a damaged one, and would be walked through frame by
# frame.
MAX_FRAME = 1_000_000
NO_MASK = np.zeros((0, 0), bool)
PEDESTRIAN_CODE = 1  # of a detection's type, as AB3DMOT numbers them
PEDESTRIAN = "Pedestrian"
AREA = "DontCare"
# Classes that are evaluated, and those that are like them: tracks on these are not scored.
NEIGHBORS = {PEDESTRIAN: ("Person", "Person_sitting"), "Car": ("Van",), "Cyclist": ()}
# What the benchmark leaves out of the labels, and does not count as false either.
MAX_OCCLUDED, MAX_TRUNCATED, MIN_HEIGHT_PX = 2, 0, 25.0
LABELS_TITLE, RESULTS_TITLE = "KITTI labels", "KITTI results"


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

    def evaluated(self, kind: str = PEDESTRIAN) -> Labels:
        """The labels by KITTI's procedure for one class. Raises ValueError for any but KITTI's."""
        if kind not in NEIGHBORS:
            raise ValueError(f"class '{kind}' is not evaluated by KITTI: {', '.join(NEIGHBORS)}")

        visible = (self.occluded <= MAX_OCCLUDED) & (
            self.truncated.astype(np.int64) <= MAX_TRUNCATED
        )
        has_id, is_kind = self.id >= 0, self.kind == kind
        role = np.full(len(self.frame), int(Role.UNUSED))
        role[has_id & (is_kind | np.isin(self.kind, NEIGHBORS[kind]))] = Role.IGNORED
        role[has_id & is_kind & visible] = Role.COUNTED
        role[self.kind == AREA] = Role.AREA
        return Labels(self.frame, self.id, self.boxes, role, MIN_HEIGHT_PX)


def read_detections(path: Path, kind: str = PEDESTRIAN) -> KittiDetections:
    """Read detections.

    Those of one ``kind`` are kept of results. Raises KittiFileError with the number of a broken
    line, of a box without area, and of what is no pedestrian in a file of another form.
    """
    lines = numbered_lines(path, KittiFileError)
    if is_kitti_text(lines):
        title = RESULTS_TITLE
        rows, kinds = _results(path, lines)
    else:
        title = "AB3DMOT's detections"
        rows = [_detection(path, number, line) for number, line in lines]
        kinds = [PEDESTRIAN] * len(rows)
    values = np.array(rows, np.float64).reshape(-1, DETECTION_COLUMNS)
    wanted = np.array([name == kind for name in kinds], bool)
    counts = class_counts(kinds)
    report_table(path, title, values[:, 0].astype(np.int64), wanted, counts, values[:, 6])
    values = values[wanted]

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


def write_results(path: Path, tracked: Sequence[TrackedBoxes]) -> None:
    """Write the tracks of frames 0, 1, … as results of pedestrians, without 3D boxes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for frame, boxes in enumerate(tracked):
            for track_id, box in zip(boxes.ids, boxes.boxes, strict=True):
                corners = " ".join(f"{value:.6f}" for value in box)
                file.write(
                    f"{frame} {track_id} {PEDESTRIAN} -1 -1 -10 {corners}"
                    " -1 -1 -1 -1000 -1000 -1000 -10 1\n"
                )


def report_labels(path: Path, labels: KittiLabels, kind: str = PEDESTRIAN) -> None:
    """Print what the labels of a file are; see ``report_table``."""
    role = labels.evaluated(kind).role
    report_table(
        path,
        LABELS_TITLE,
        labels.frame,
        role == Role.COUNTED,
        class_counts(labels.kind.tolist()),
        candidates=labels.kind == kind,
    )


def is_kitti_text(lines: list[tuple[int, str]]) -> bool:
    """Whether lines are those of labels or results: words, of which the third is a type."""
    words = lines[0][1].split() if lines else []
    return len(words) >= LABEL_COLUMNS and "," not in lines[0][1] and words[2][0].isalpha()


def _results(path: Path, lines: list[tuple[int, str]]) -> tuple[list[list[float]], list[str]]:
    """The numbers of results in the order of AB3DMOT's columns, and their types."""
    rows, kinds = [], []
    for number, line in lines:
        words = line.split()
        kinds.append(words.pop(2) if len(words) > 2 else "")
        scored = [*words, "1"] if len(words) == LABEL_COLUMNS - 1 else words
        frame, _, _, _, alpha, *rest = _numbers(path, number, scored, RESULT_COLUMNS - 1)
        box, shape, score = rest[:4], rest[4:11], rest[11]
        _check_area(path, number, box)
        rows.append([frame, PEDESTRIAN_CODE, *box, score, *shape, alpha])
    return rows, kinds


def _detection(path: Path, number: int, line: str) -> list[float]:
    """The numbers of a detection's line."""
    values = _numbers(path, number, line.split(","), DETECTION_COLUMNS)

    if values[1] != PEDESTRIAN_CODE:
        raise KittiFileError(
            f"{path}, line {number}: type {values[1]:g}, expected {PEDESTRIAN_CODE}: only"
            " pedestrians are tracked here"
        )
    _check_area(path, number, values[2:6])
    return values


def _check_area(path: Path, number: int, box: list[float]) -> None:
    x_min, y_min, x_max, y_max = box
    if not (x_min < x_max and y_min < y_max):
        raise KittiFileError(
            f"{path}, line {number}: box {box}, expected x1, y1, x2, y2 with an area"
        )


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
