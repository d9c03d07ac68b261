# SPDX-License-Identifier: Apache-2.0
"""Detections and labels of one sequence, from the files of any of the known benchmarks.

Each reader prints one line of what it understood.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_kit.arguments import bounded_float
from tracker_node.box_columns import FORMS, check_boxes, with_sizes
from tracker_node.descriptors import is_deep_sort_array, read_deep_sort_array
from tracker_node.duplicates import warn_duplicates, without_duplicates
from tracker_node.kitti_files import (
    MAX_OCCLUDED,
    PEDESTRIAN,
    KittiFileError,
    is_kitti_text,
    read_detections,
    read_labels,
    report_labels,
)
from tracker_node.labels import Labels, Role
from tracker_node.layouts import LAYOUTS, Layout, find_layout
from tracker_node.motchallenge import MotFileError, MotTable, mot_table, read_mot
from tracker_node.table_summary import report_table, warn_low_confidence
from tracker_node.text_files import numbered_lines

KITTI = "kitti"


@dataclass(frozen=True)
class ReadingOptions:
    """How files are read.

    ``layout`` of the labels and ``boxes``, the form of the detections' boxes: None where the files
    show it. ``classes`` that count (names or numbers); empty: those of the benchmark. Detections
    below ``min_confidence`` are left out, and of those of one class in a frame that overlap by an
    IoU of more than ``nms_overlap`` all but the most confident.
    """

    layout: str | None = None
    classes: tuple[str, ...] = ()
    min_confidence: float | None = None
    boxes: str | None = None
    nms_overlap: float | None = None


@dataclass
class SequenceDetections:
    """N detections that are used, of those that the file holds.

    ``row`` (N,) of each in the ``whole`` table; ``features`` (rows of the file, D) where the file
    holds the descriptors too.
    """

    table: MotTable
    row: np.ndarray
    whole: MotTable
    features: np.ndarray | None = None


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``reading_options``."""
    parser.add_argument(
        "--layout",
        choices=[*LAYOUTS, KITTI],
        help="benchmark whose columns and rules the ground truth has (default: as its columns and"
        " its folder show)",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        default=(),
        metavar="CLASS",
        help="numbers or names of the classes that count (default: the benchmark's)",
    )
    parser.add_argument(
        "--min-confidence",
        type=float,
        metavar="VALUE",
        help="leave out detections below it (default: none)",
    )
    parser.add_argument(
        "--nms-overlap",
        type=bounded_float(0.0, 1.0),
        metavar="IOU",
        help="of detections of a frame that overlap by more than it, keep the most confident"
        " (default: keep all)",
    )
    parser.add_argument(
        "--boxes",
        choices=FORMS,
        help="columns 3 to 6 of the detections: left, top, width, height (size), left, top, right,"
        " bottom (corners), or middle, width, height (center); default: size, and corners are"
        " refused",
    )


def reading_options(args: argparse.Namespace) -> ReadingOptions:
    """The options from a command line."""
    return ReadingOptions(
        args.layout, tuple(args.classes), args.min_confidence, args.boxes, args.nms_overlap
    )


def read_sequence_detections(path: Path, options: ReadingOptions) -> SequenceDetections:
    """Detections of MOTChallenge text, KITTI results or Deep SORT's ``.npy``.

    Frames count from 1. Raises MotFileError and KittiFileError.
    """
    features = None
    if is_deep_sort_array(path):
        table, features = read_deep_sort_array(path)
        title, classes = "Deep SORT's array", np.zeros(0, np.str_)
    elif is_kitti_text(numbered_lines(path, MotFileError)):
        table, title, classes = _kitti_results(path, options)
    else:
        table, title, classes = _mot_detections(path)

    if options.boxes is None:
        check_boxes(path, table, "say what they are with --boxes corners")
    else:
        table = with_sizes(table, options.boxes)

    # Classes and confidences that are wanted.
    used = np.ones(len(table), bool)
    if options.classes and len(classes):
        used &= np.isin(classes, _names(classes, options.classes))
    if options.min_confidence is not None:
        used &= table.confidence >= options.min_confidence
    classes_used = classes[used] if len(classes) else classes
    used[used] = _without_duplicates(path, table.select(used), classes_used, options)
    report_table(path, title, table.frame, used, Counter(classes.tolist()), table.confidence)
    if options.min_confidence is None:
        warn_low_confidence(path, table.confidence)
    return SequenceDetections(table.select(used), np.flatnonzero(used), table, features)


def _without_duplicates(
    path: Path, table: MotTable, classes: np.ndarray, options: ReadingOptions
) -> np.ndarray:
    """(N,) bool, true for the detections of ``table`` that --nms-overlap keeps.

    ``classes`` (N,), or empty where there are none.
    """
    columns = [table.frame, np.unique(classes, return_inverse=True)[1]]
    frames_and_classes = np.column_stack(columns if len(classes) else columns[:1])
    groups = np.unique(frames_and_classes, axis=0, return_inverse=True)[1].reshape(-1)
    if options.nms_overlap is None:
        warn_duplicates(path, table.boxes, table.confidence, groups)
        return np.ones(len(table), bool)
    return without_duplicates(table.boxes, table.confidence, groups, options.nms_overlap)


def read_sequence_labels(path: Path, options: ReadingOptions) -> Labels:
    """Labels in the layout of any of the benchmarks; frames count from 1.

    Raises MotFileError and KittiFileError with the number of a broken line, also of one that cannot
    be true: a box that is not finite, or that counts and has no area or an id that its frame has
    already; and where no row counts.
    """
    if options.layout == KITTI or (
        options.layout is None and is_kitti_text(numbered_lines(path, MotFileError))
    ):
        return _kitti_labels(path, options)

    table = read_mot(path)
    layout = find_layout(path, table, options.layout)
    if options.classes:
        layout = layout.counting(path, options.classes)
    classes = layout.class_numbers(path, table)
    role = layout.roles(table, classes)
    _check_labels(path, table, role)
    if options.boxes != FORMS[0]:
        check_boxes(path, table, "subtract left and top from them")

    has_classes = layout.class_column is not None
    names = Counter(map(layout.name, sorted(classes.tolist()))) if has_classes else Counter[str]()
    counts = role == Role.COUNTED
    title = f"{layout.title}, {table.columns.shape[1]} columns"
    remedy = _remedy(layout, names) if has_classes else ""
    if len(table) and not counts.any():
        why = remedy or "column 7, which says whether a label counts, is 0 everywhere"
        raise MotFileError(f"no row of {path} counts, read as {title}: {why}")
    report_table(path, title, table.frame, counts, names, remedy=remedy)

    labels = Labels(table.frame, table.id, table.boxes, role)
    is_uavdt = layout.title == LAYOUTS["uavdt"].title
    return _with_uavdt_areas(path, labels) if is_uavdt else labels


def warn_uncovered(labels: Labels, detections: MotTable, frames: int) -> None:
    """Warn of detections in frames 1 to ``frames`` that lie before or after all labels."""
    if not len(labels):
        return
    first, last = int(labels.frame.min()), int(labels.frame.max())
    tracked = detections.frame[detections.frame <= frames]
    outside = int(((tracked < first) | (tracked > last)).sum())
    if outside:
        print(
            f"warning: {outside} of {len(tracked)} detections lie outside of the truth's frames"
            f" {first} to {last}, and their tracks count as false: --frames {last} ends with it",
            file=sys.stderr,
        )


def _remedy(layout: Layout, names: Counter[str]) -> str:
    """What to do about labels that do not count."""
    found = ", ".join(f"{name}: {rows}" for name, rows in names.items())
    counted = ", ".join(map(layout.name, sorted(layout.counted))) or "none"
    numbers = [name.split(" ")[0] for name, _ in names.most_common()]
    uncounted = [number for number in numbers if int(number) not in layout.counted]
    yours = (
        f"name yours with --classes, such as --classes {uncounted[0]}"
        if uncounted
        else ("column 7 is 0 in the others")
    )
    return (
        f"column {layout.class_column} holds the classes {{{found}}}; counted: {counted};"
        f" {yours}, or the benchmark with --layout"
    )


def _check_labels(path: Path, table: MotTable, role: np.ndarray) -> None:
    """Raises MotFileError for a row that cannot be true."""
    sizes = table.boxes[:, 2:] - table.boxes[:, :2]
    finite = np.isfinite(table.boxes).all(axis=1) & np.isfinite(table.confidence)
    line_of: dict[tuple[int, int], int] = {}
    for row, number in enumerate(table.line.tolist()):
        identity, frame = int(table.id[row]), int(table.frame[row])
        if not finite[row]:
            raise MotFileError(
                f"{path}, line {number}: box and confidence of id {identity} are not all finite"
                " numbers"
            )
        if role[row] != Role.COUNTED:
            continue

        if sizes[row].min() <= 0:
            raise MotFileError(
                f"{path}, line {number}: the box of id {identity} is {sizes[row, 0]:g} x"
                f" {sizes[row, 1]:g} px, expected an area"
            )
        first = line_of.setdefault((frame, identity), number)
        if first != number:
            raise MotFileError(
                f"{path}, line {number}: id {identity} is in frame {frame} already, by line"
                f" {first}: leave one of them out"
            )


def _with_uavdt_areas(path: Path, labels: Labels) -> Labels:
    """The labels and the ignored areas of UAVDT, which lie in a file of their own."""
    areas_path = path.with_name(path.name.replace("_gt_whole", "_gt_ignore"))
    if areas_path == path or not areas_path.is_file():
        return labels
    areas = read_mot(areas_path)
    print(f"{areas_path}: {len(areas)} ignored areas", file=sys.stderr)
    return Labels(
        np.concatenate([labels.frame, areas.frame]),
        np.concatenate([labels.id, areas.id]),
        np.concatenate([labels.boxes, areas.boxes]),
        np.concatenate([labels.role, np.full(len(areas), int(Role.AREA))]),
    )


def _mot_detections(path: Path) -> tuple[MotTable, str, np.ndarray]:
    """Table, title, and the class of each row (N,), empty where there is no class column."""
    table = read_mot(path)
    layout = find_layout(path, table, has_identities=False)
    title = f"{layout.title}, {table.columns.shape[1]} columns"
    if layout.class_column is None:
        return table, title, np.zeros(0, np.str_)
    numbers = layout.class_numbers(path, table)
    return table, title, np.array([layout.name(number) for number in numbers.tolist()], np.str_)


def _kitti_results(path: Path, options: ReadingOptions) -> tuple[MotTable, str, np.ndarray]:
    """The results of one class of KITTI."""
    kind = _kitti_kind(options)
    seen = read_detections(path, kind)
    sizes = seen.boxes[:, 2:] - seen.boxes[:, :2]
    columns = np.column_stack(
        [seen.frame + 1, np.full(len(sizes), -1), seen.boxes[:, :2], sizes, seen.score]
    )
    rows = np.arange(1, len(sizes) + 1)
    table = mot_table(columns, np.full(len(sizes), columns.shape[1]), rows)
    return table, f"those of {kind}, frames from 1", np.zeros(0, np.str_)


def _kitti_labels(path: Path, options: ReadingOptions) -> Labels:
    """Labels of KITTI, whose frames count from 0, with frames from 1."""
    kind = _kitti_kind(options)
    known = read_labels(path)
    report_labels(path, known, kind)
    labels = known.evaluated(kind)
    if len(labels) and not (labels.role == Role.COUNTED).any():
        raise KittiFileError(
            f"no row of {path} counts as {kind}, not truncated and occluded at most"
            f" {MAX_OCCLUDED}: it holds {', '.join(sorted(set(known.kind.tolist())))}; name the"
            " class with --classes"
        )
    labels.frame = labels.frame + 1
    return labels


def _kitti_kind(options: ReadingOptions) -> str:
    """The class of KITTI that counts."""
    if len(options.classes) > 1:
        raise KittiFileError(f"KITTI evaluates one class at a time, got {list(options.classes)}")
    return options.classes[0] if options.classes else PEDESTRIAN


def _names(classes: np.ndarray, wanted: tuple[str, ...]) -> list[str]:
    """The names among "NUMBER NAME" of ``classes`` that ``wanted`` numbers or names mean."""
    return [
        name
        for name in np.unique(classes).tolist()
        if name.split(" ", 1)[0] in wanted or name.split(" ", 1)[-1] in wanted
    ]
