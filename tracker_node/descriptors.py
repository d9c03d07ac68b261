# SPDX-License-Identifier: Apache-2.0
"""Appearance descriptors in ``.npy`` arrays: one a detection, or Deep SORT's own files.

Deep SORT's ``generate_detections`` writes the ten columns of the detection in front of each
descriptor, with the frames in ascending order.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from perception_kit.budgets import regular
from tracker_node.motchallenge import MAX_FRAME, MIN_COLUMNS, MotFileError, MotTable, mot_table

DETECTION_COLUMNS = 10
TOLERANCE_PX = 0.01  # of numbers that were printed with two decimals
BOX_COLUMNS = slice(2, MIN_COLUMNS)
ALIKE = 0.9  # of the pairs within one frame


def read_features(path: Path, table: MotTable) -> np.ndarray:
    """(N, D) float32 descriptors of the N detections of ``table``.

    Of Deep SORT's own arrays, the ten columns that repeat the detections are taken off. Raises
    ValueError for another number of rows, other than real numbers, no array, and for columns of
    other detections.
    """
    features = _read_array(path)
    if len(features) != len(table):
        raise ValueError(
            f"{path} has shape {np.shape(features)}, expected ({len(table)}, D): one descriptor for"
            " each detection"
        )
    if features.shape[1] <= DETECTION_COLUMNS or not len(table):
        return _float32(features)

    # The rows as they stand, or in the order of the frames, which Deep SORT writes.
    for order in (np.arange(len(table)), np.argsort(table.frame, kind="stable")):
        if _repeats(features, table.select(order)):
            print(
                f"{path}: Deep SORT's array, {features.shape[1] - DETECTION_COLUMNS} numbers behind"
                f" the {DETECTION_COLUMNS} columns of each detection",
                file=sys.stderr,
            )
            descriptors = np.empty_like(features[:, DETECTION_COLUMNS:])
            descriptors[order] = features[:, DETECTION_COLUMNS:]
            return _float32(descriptors)

    if _has_detection_columns(features):
        raise ValueError(
            f"{path} begins with frames and boxes, as Deep SORT's arrays do, but not with those of"
            " the detections: give it as --detections, or the file that it was made from"
        )
    return _float32(features)


def is_deep_sort_array(path: Path) -> bool:
    """Whether detections lie in an array."""
    return path.suffix == ".npy"


def read_deep_sort_array(path: Path) -> tuple[MotTable, np.ndarray]:
    """Detections and their (N, D) descriptors. Raises MotFileError, and ValueError for no array."""
    values = _read_array(path)
    if values.shape[1] <= DETECTION_COLUMNS or not _has_detection_columns(values):
        raise MotFileError(
            f"{path} has shape {values.shape}, expected Deep SORT's detections: {DETECTION_COLUMNS}"
            " columns of MOTChallenge text and a descriptor behind them"
        )
    columns = values[:, :DETECTION_COLUMNS].astype(np.float64)
    length = np.full(len(columns), DETECTION_COLUMNS)
    table = mot_table(columns, length, np.arange(1, len(columns) + 1))
    return table, _float32(values[:, DETECTION_COLUMNS:])


def warn_alike(frame: np.ndarray, features: np.ndarray, max_distance: float) -> None:
    """Warn where the (N, D) descriptors of one frame nearly all match each other.

    ``frame`` (N,); they match at a cosine distance of at most ``max_distance``.
    """
    near = pairs = 0
    for number in np.unique(frame):
        rows = features[frame == number].astype(np.float64)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if len(rows) < 2 or not np.isfinite(norms).all() or not norms.all():
            continue
        unit = rows / norms
        cosine = (unit @ unit.T)[np.triu_indices(len(rows), 1)]
        near += int((1 - cosine <= max_distance).sum())
        pairs += len(cosine)
    if pairs and near > ALIKE * pairs:
        print(
            f"warning: {near} of {pairs} pairs of detections in one frame have descriptors closer"
            f" than max_cosine_distance {max_distance:g}: appearance tells nothing apart; are these"
            " descriptors?",
            file=sys.stderr,
        )


def _read_array(path: Path) -> np.ndarray:
    """(N, D) real numbers, D at least 1."""
    try:
        values = np.load(regular(path), allow_pickle=False)
    except Exception as error:  # what NumPy raises depends on where the header is damaged
        raise ValueError(f"{path} cannot be read as a .npy array: {error}") from error

    if not isinstance(values, np.ndarray) or values.ndim != 2:
        raise ValueError(
            f"{path} has shape {np.shape(values)}, expected (N, D): one descriptor for each"
            " detection"
        )
    if values.dtype.kind not in "fiu" or values.shape[1] == 0:
        raise ValueError(
            f"{path} has {values.shape[1]} values of type {values.dtype} a row, expected at least"
            " one real number"
        )
    return values


def _repeats(values: np.ndarray, table: MotTable) -> bool:
    """Whether frame and box of the rows are those of the table."""
    same_frame = np.array_equal(values[:, 0], table.frame)
    difference = np.abs(values[:, BOX_COLUMNS] - table.columns[:, BOX_COLUMNS])
    return bool(same_frame and np.nanmax(difference, initial=0.0) <= TOLERANCE_PX)


def _has_detection_columns(values: np.ndarray) -> bool:
    """Whether rows begin as MOTChallenge text: with a frame, and -1 in columns 8 to 10."""
    frame, tail = values[:, 0], values[:, 7:DETECTION_COLUMNS]
    is_frame = (frame == np.round(frame)) & (frame >= 1) & (frame <= MAX_FRAME)
    return bool(is_frame.all() and (tail == -1).all())


def _float32(values: np.ndarray) -> np.ndarray:
    # What is too large becomes infinite, and its detection is skipped by name.
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
