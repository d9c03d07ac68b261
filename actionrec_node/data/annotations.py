# SPDX-License-Identifier: Apache-2.0
"""Labels of the videos in data folders, and their split into training and held-out videos.

A data folder holds ``labels.csv`` (columns video, start, end, label, and if you like subject; times
in seconds; video paths relative to the folder; one label at a time), or one folder per class, or
both. A video is a file or a folder of pictures. A folder with a video that ``labels.csv`` names is
not a class folder.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from perception_kit.budgets import regular
from perception_kit.colors import OTHER_LABEL
from perception_kit.short_text import listed
from perception_kit.videos.video import VIDEO_SUFFIXES, is_video

LABELS_FILE = "labels.csv"
LABELS_COLUMNS = ("video", "start", "end", "label")
SUBJECT_COLUMN = "subject"  # may be left out


class DataError(ValueError):
    """Data that cannot be used; the message says what was found where and what was expected."""


@dataclass(frozen=True)
class Segment:
    """``label`` holds from ``start`` (inclusive) to ``end`` (exclusive), in seconds.

    ``subject`` is who is seen, empty if not known.
    """

    start: float
    end: float
    label: str
    subject: str = ""


Annotations = dict[Path, list[Segment]]


def read_annotations(folder: str | Path) -> Annotations:
    """Segments of every labelled video of a data folder.

    Says what it has found. Raises DataError naming the folder or the CSV line.
    """
    folder = Path(folder)
    annotations = _read_folder(folder)
    _report(folder, annotations)
    return annotations


def _read_folder(folder: Path) -> Annotations:
    """The annotations of a data folder. Raises DataError."""
    if not folder.is_dir():
        raise DataError(f"data folder '{folder}' does not exist")
    annotations = _read_csv(folder / LABELS_FILE) if (folder / LABELS_FILE).is_file() else {}

    # Every other folder is a class, except for those in which the videos of labels.csv lie.
    named_in_csv = {parent for video in annotations for parent in (video, *video.parents)}
    for class_folder in _visible(folder):
        if class_folder.is_dir() and class_folder not in named_in_csv:
            label = Segment(0.0, float("inf"), class_folder.name)
            annotations.update({video: [label] for video in _class_videos(class_folder)})

    if not annotations:
        raise DataError(
            f"'{folder}' holds neither labels.csv nor class folders with videos"
            f" ({', '.join(VIDEO_SUFFIXES)})"
        )
    return annotations


def video_path(folder: Path, name: str) -> Path:
    """Path of the video ``name`` of a table in ``folder``; the table may be written on Windows."""
    path = folder / name
    if "\\" in name and not os.path.exists(path):
        return folder / name.replace("\\", "/")
    return path


def _report(folder: Path, annotations: Annotations) -> None:
    """Print on standard error what the labels of a folder are."""
    segments = [segment for video in annotations.values() for segment in video]
    labels = Counter(segment.label for segment in segments)
    ends = [segment.end for segment in segments if isfinite(segment.end)]
    times = f"; times 0 to {max(ends):g} s" if ends else ""
    counts = ", ".join(f"{label}: {count}" for label, count in sorted(labels.items()))
    _warn_similar_labels(labels)
    print(
        f"{folder}: {len(annotations)} videos, {len(segments)} labels ({counts}){times}",
        file=sys.stderr,
    )


def _warn_similar_labels(labels: Iterable[str]) -> None:
    """Warn of labels that differ in upper case, blanks or underscores alone."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(set(labels)):
        alike[re.sub(r"[\s_-]+", "", label).lower()].append(label)
    for names in alike.values():
        if len(names) > 1:
            named = " and ".join(f"'{name}'" for name in names)
            print(
                f"warning: {named} are {len(names)} classes: write them alike if they are one",
                file=sys.stderr,
            )


def _class_videos(class_folder: Path) -> list[Path]:
    """Videos of a class folder; names on standard error what is none.

    Raises DataError where there is no video.
    """
    contents = _visible(class_folder)
    videos = [path for path in contents if is_video(path)]
    if no_videos := [path for path in contents if path not in videos]:
        more = f" and {len(no_videos) - 1} more" if no_videos[1:] else ""
        print(f"not read: '{no_videos[0]}'{more}: no video", file=sys.stderr)
    if not videos:
        raise DataError(
            f"class folder '{class_folder}' holds no video ({', '.join(VIDEO_SUFFIXES)})"
            " and no folder of frames: fill or remove it"
        )
    return videos


def _visible(folder: Path) -> list[Path]:
    """What a folder holds, sorted, without hidden files and folders."""
    return [path for path in sorted(folder.iterdir()) if path.name[0] != "."]


def read_folders(folders: Iterable[str | Path]) -> Annotations:
    """The annotations of several data folders, under absolute paths.

    Raises DataError, also for a video that is labelled in two places.
    """
    merged: Annotations = {}
    for folder in folders:
        for path, segments in read_annotations(folder).items():
            if path.resolve() in merged:
                raise DataError(
                    f"'{path}' is labelled in two places: name every video once, in one data folder"
                )
            merged[path.resolve()] = segments
    return merged


def folder_numbers(folders: Sequence[str | Path]) -> dict[Path, int]:
    """In which of the data folders each video is labelled, by its absolute path."""
    return {
        path.resolve(): number
        for number, folder in enumerate(folders)
        for path in _read_folder(Path(folder))
    }


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line of a CSV file: where it stands (``'FILE' line N``), and its values by column.

    The header must have these ``columns``, and may have more. Spaces around values do not count.
    Raises DataError naming the file, and the line that has too few or too many values.
    """
    try:
        with regular(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header = reader.fieldnames or ()
            if missing := set(columns) - set(header):
                raise DataError(
                    f"'{path}' lacks the columns {sorted(missing)}, separated by commas;"
                    f" found {reader.fieldnames}"
                )

            for row in reader:
                where = f"'{path}' line {reader.line_num}"
                if None in row or None in row.values():
                    raise DataError(
                        f"{where}: expected {len(header)} values as in the header,"
                        f" got {list(row.values())}"
                    )
                if any("\0" in value for value in row.values()):
                    raise DataError(f"{where} holds a zero byte: the file is damaged")
                yield where, {name: value.strip() for name, value in row.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' cannot be read as CSV in UTF-8: {error}") from error


def _read_csv(path: Path) -> Annotations:
    annotations: Annotations = {}
    for where, row in read_table(path, LABELS_COLUMNS):
        segment = _segment(row, where)
        segments = annotations.setdefault(video_path(path.parent, row["video"]), [])

        for earlier in segments:
            if segment.start < earlier.end and earlier.start < segment.end:
                named = " and ".join(
                    f"'{overlapping.label}' from {overlapping.start:g} to {overlapping.end:g} s"
                    for overlapping in (earlier, segment)
                )
                raise DataError(
                    f"{where}: {named} overlap in the same video: a frame has one label"
                )
        segments.append(segment)

    if not annotations:
        raise DataError(f"'{path}' has no line below its header")
    return annotations


def _segment(row: dict[str, str], where: str) -> Segment:
    """The segment of a line of ``labels.csv``. Raises DataError, with ``where`` in front."""
    try:
        start, end = float(row["start"]), float(row["end"])
    except ValueError as error:
        raise DataError(
            f"{where}: start and end must be seconds (inf: to the end), got {row}"
        ) from error
    if not 0 <= start < end:
        raise DataError(f"{where}: expected 0 <= start < end, got start {start} and end {end}")
    if not (row["label"] and row["video"]):
        missing = "label" if row["video"] else "video"
        raise DataError(f"{where} has no {missing}: name it, or remove the line")
    return Segment(start, end, row["label"], row.get(SUBJECT_COLUMN, ""))


def class_names_of(annotations: Annotations) -> list[str]:
    """All labels in alphabetical order, the order of the model's outputs.

    Raises DataError for fewer than two.
    """
    names = sorted({segment.label for segments in annotations.values() for segment in segments})
    if len(names) < 2:
        raise DataError(
            f"all videos, such as '{min(annotations)}', show the one class {names}:"
            " there is nothing to tell it from"
        )
    return names


def known_labels(annotations: Annotations, class_names: Sequence[str]) -> Annotations:
    """The annotations with the labels of a model that has ``class_names``.

    What the model does not know is "other" to one that has this class, which is said on standard
    error. Raises DataError naming a video with a label that is none of the classes where it has
    not.
    """
    found = Counter(segment.label for segments in annotations.values() for segment in segments)
    unknown = found.keys() - set(class_names)
    if unknown and OTHER_LABEL not in class_names:
        path, labels = next(
            (path, named)
            for path, segments in annotations.items()
            if (named := sorted(unknown & {segment.label for segment in segments}))
        )
        raise DataError(
            f"'{path}' is labelled {labels}, but the model's classes are {list(class_names)}"
        )
    if unknown:
        counts = listed([f"'{label}' ({found[label]} labels)" for label in sorted(unknown)])
        print(
            f"none of the classes {list(class_names)}, so that it counts as 'other': {counts}",
            file=sys.stderr,
        )
    return {
        path: [
            replace(segment, label=OTHER_LABEL) if segment.label in unknown else segment
            for segment in segments
        ]
        for path, segments in annotations.items()
    }
