# SPDX-License-Identifier: Apache-2.0
"""Copies labelled videos of real people into a data folder per source and way of filming.

REAL has a folder with a labels.csv per source, and the UR Fall Detection set in one called urfd,
whose ceiling camera and dark rooms are put apart. CLIPS has videos of one action each in walking,
running and other, and UP-Fall's in up_fall. Next, find_people writes where everybody is.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from actionrec_node.data.annotations import DataError, read_table
from actionrec_node.up_fall import HEADER, Row, label_videos
from perception_kit.processes import reporting, run_command
from perception_kit.temporary import new_folder
from perception_kit.videos.video import is_video

URFD = "urfd"
DARK = range(12, 24)  # numbers of its everyday videos that were filmed at night
SINGLE_ACTIONS = ("walking", "running", "other")
UP_FALL_CAMERAS = ("C1", "C2")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python scripts/people_videos.py", description=__doc__)
    add = parser.add_argument
    add("--real", type=Path, required=True, help="folder with a folder per source")
    add("--clips", type=Path, required=True, help="folder of walking, running, other, up_fall")
    add("--out", type=Path, required=True, help="folder to write; it must not exist")
    return parser.parse_args(arguments)


def data_folders(real: Path, clips: Path) -> dict[str, list[tuple[Path, Row]]]:
    """By data folder, each label with the path of its video. Raises DataError."""
    folders: dict[str, list[tuple[Path, Row]]] = defaultdict(list)
    for labels in sorted(real.glob("*/labels.csv")):
        source = labels.parent
        for _, line in read_table(labels, HEADER):
            video, start, end, label, subject = (line[column] for column in HEADER)
            row = video, start, end, label, subject
            folders[_filmed(source.name, video)].append((source / video, row))
    if not folders:
        raise DataError(f"'{real}' holds no SOURCE/labels.csv")
    folders["clips"] = list(_single_actions(clips))
    for camera in UP_FALL_CAMERAS:
        for path, start, end, label, subject in label_videos(clips / "up_fall", camera):
            row = Path(path).name, start, end, label, subject
            folders["up_fall"].append((Path(path), row))
    return folders


def _filmed(source: str, video: str) -> str:
    """The data folder of a video: its source, and for urfd also how it was filmed."""
    if source != URFD:
        return source
    if "cam1" in video:
        return f"{URFD}_ceiling"
    everyday = re.search(r"adl-(\d+)", video)
    return f"{URFD}_dark" if everyday and int(everyday[1]) in DARK else URFD


def _single_actions(clips: Path) -> Iterator[tuple[Path, Row]]:
    """Whole videos of one action; the subject is the first word of their names."""
    for label in SINGLE_ACTIONS:
        for path in sorted(filter(is_video, (clips / label).glob("*"))):
            yield path, (f"{label}/{path.name}", "0", "inf", label, path.name.split("_")[0])


@reporting("people_videos", DataError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folders; exit code 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    with new_folder(args.out) as out:
        folders = data_folders(args.real, args.clips)
        for name, labels in folders.items():
            _write(out / name, labels)
    for name, labels in folders.items():
        videos = len({row[0] for _, row in labels})
        print(f"{args.out / name}: {len(labels)} labels of {videos} videos")
    return 0


def _write(folder: Path, labels: Sequence[tuple[Path, Row]]) -> None:
    """Copy the videos, each once, and write their labels."""
    for path, row in labels:
        copy = folder / row[0]
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            shutil.copy(path, copy)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *(row for _, row in labels)])


if __name__ == "__main__":
    sys.exit(run_command(main))
