# SPDX-License-Identifier: Apache-2.0
"""What is labelled in a data folder, and its split into videos to train on and videos to score on.

A data folder holds ``labels.csv`` (columns video, start, end, label, and if you like subject; times
in seconds; video paths relative to the folder; one label at a time), or one folder per class, or
both. A video is a file or a folder of pictures. A folder with a video that ``labels.csv`` names is
not a class folder.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionrec_node.data.video import VIDEO_SUFFIXES, is_video


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

    Raises DataError naming the folder or the CSV line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"data folder '{folder}' does not exist")
    annotations = _read_csv(folder / "labels.csv") if (folder / "labels.csv").is_file() else {}
    named_in_csv = {parent for video in annotations for parent in (video, *video.parents)}
    folders = [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir() and path not in named_in_csv and path.name[0] != "."
    ]
    for class_folder in folders:
        contents = [path for path in sorted(class_folder.iterdir()) if path.name[0] != "."]
        videos = [path for path in contents if is_video(path)]
        if others := [path for path in contents if path not in videos]:
            print(
                f"not read: '{others[0]}'{f' and {len(others) - 1} more' if others[1:] else ''}: no"
                " video",
                file=sys.stderr,
            )
        if not videos:
            raise DataError(
                f"class folder '{class_folder}' holds no video ({', '.join(VIDEO_SUFFIXES)}) and no"
                " folder of frames: fill or remove it"
            )
        annotations.update(
            {video: [Segment(0.0, float("inf"), class_folder.name)] for video in videos}
        )
    if not annotations:
        raise DataError(
            f"'{folder}' holds neither labels.csv nor class folders with videos"
            f" ({', '.join(VIDEO_SUFFIXES)})"
        )
    return annotations


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


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Where it stands (``'FILE' line N``) and the values of each line of a CSV file whose header
    has these ``columns``, among others.

    Spaces around values do not count. Raises DataError naming the file, and the line that has too
    few or too many values.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise DataError(
                    f"'{path}' lacks the columns {sorted(missing)}, separated by commas; found"
                    f" {reader.fieldnames}"
                )
            for row in reader:
                where = f"'{path}' line {reader.line_num}"
                if None in row or None in row.values():
                    raise DataError(
                        f"{where}: expected {len(reader.fieldnames)} values as in the header, got"
                        f" {list(row.values())}"
                    )
                if any("\0" in value for value in row.values()):
                    raise DataError(f"{where} holds a zero byte: the file is damaged")
                yield where, {name: value.strip() for name, value in row.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' cannot be read as CSV in UTF-8: {error}") from error


def _read_csv(path: Path) -> Annotations:
    annotations: Annotations = {}
    for where, row in read_table(path, ("video", "start", "end", "label")):
        try:
            segment = Segment(
                float(row["start"]), float(row["end"]), row["label"], row.get("subject", "")
            )
        except ValueError as error:
            raise DataError(f"{where}: start and end must be seconds, got {row}") from error
        if not 0 <= segment.start < segment.end:
            raise DataError(
                f"{where}: expected 0 <= start < end, got start {segment.start} and end"
                f" {segment.end}"
            )
        if not (segment.label and row["video"]):
            raise DataError(
                f"{where} has no {'label' if row['video'] else 'video'}: name it, or remove the"
                " line"
            )
        segments = annotations.setdefault(path.parent / row["video"], [])
        for other in segments:
            if segment.start < other.end and other.start < segment.end:
                named = " and ".join(
                    f"'{one.label}' from {one.start:g} to {one.end:g} s" for one in (other, segment)
                )
                raise DataError(
                    f"{where}: {named} overlap in the same video: a frame has one label"
                )
        segments.append(segment)
    if not annotations:
        raise DataError(f"'{path}' has no line below its header")
    return annotations


def class_names_of(annotations: Annotations) -> list[str]:
    """All labels in alphabetical order, the order of the model's outputs.

    Raises DataError for fewer than two.
    """
    names = sorted({segment.label for segments in annotations.values() for segment in segments})
    if len(names) < 2:
        raise DataError(
            f"all videos, such as '{min(annotations)}', show the one class {names}: there is"
            " nothing to tell it from"
        )
    return names


def check_labels(annotations: Annotations, class_names: Sequence[str]) -> None:
    """Raises DataError naming a video with a label that is none of ``class_names``."""
    for path, segments in annotations.items():
        unknown = sorted({segment.label for segment in segments} - set(class_names))
        if unknown:
            raise DataError(
                f"'{path}' is labelled {unknown}, but the model's classes are {list(class_names)}"
            )


def check_disjoint(train: Annotations, held_out: Annotations) -> None:
    """Raises DataError where a video is on both sides."""
    shared = sorted(train.keys() & held_out.keys())
    if shared:
        raise DataError(
            f"{len(shared)} videos are in both --data and --val, for example '{shared[0]}': a"
            " held-out video must not be trained on"
        )


def group_of(path: Path, segments: Sequence[Segment], pattern: str | None = None) -> str:
    """What must stay on one side of a split: what the regular expression ``pattern`` finds in the
    video's path (its first group, if it has one), else the subject that ``labels.csv`` names, else
    the video. Raises DataError for a path without the pattern.
    """
    if pattern is None:
        return segments[0].subject or str(path)
    try:
        match = re.search(pattern, str(path))
    except re.error as error:
        raise DataError(f"'{pattern}' is no regular expression: {error}") from error
    if match is None:
        raise DataError(f"'{path}' does not match the pattern '{pattern}' of the groups")
    return match.group(1) if match.re.groups else match.group()


def split(
    annotations: Annotations, fraction: float, seed: int, pattern: str | None = None
) -> tuple[Annotations, Annotations]:
    """Annotations to train on and to score on: of each class about ``share`` of its segments is
    held out, whole groups at a time.

    Groups are drawn at random, for the rarest class first. Raises DataError for a class that would
    be on one side alone, and for a share or a pattern that is none.
    """
    if not 0 < fraction < 1:
        raise DataError(f"the share to hold out must be above 0 and below 1, got {fraction:g}")
    group = {path: group_of(path, segments, pattern) for path, segments in annotations.items()}
    counts: dict[str, dict[str, int]] = defaultdict(
        lambda: defaultdict(int)
    )  # of segments, by label and group
    for path, segments in annotations.items():
        for segment in segments:
            counts[segment.label][group[path]] += 1
    order = np.random.default_rng(seed).permutation(sorted(set(group.values()))).tolist()
    held: set[str] = set()
    for label, by_group in sorted(
        counts.items(), key=lambda item: (sum(item[1].values()), item[0])
    ):
        for name in order:
            enough = sum(by_group.get(other, 0) for other in held) >= fraction * sum(
                by_group.values()
            )
            if not enough and name in by_group and _leaves_some(name, held, counts):
                held.add(name)
        if not held & by_group.keys():
            raise DataError(
                f"class '{label}' cannot be on both sides of a split: it occurs in the groups"
                f" {sorted(by_group)} alone"
            )
    held_out = {path: segments for path, segments in annotations.items() if group[path] in held}
    return {
        path: segments for path, segments in annotations.items() if path not in held_out
    }, held_out


def _leaves_some(name: str, held: set[str], counts: dict[str, dict[str, int]]) -> bool:
    """Whether every class of group ``name`` also occurs in another group that is not ``held``."""
    return all(by_group.keys() - held - {name} for by_group in counts.values() if name in by_group)
