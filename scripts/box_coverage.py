# SPDX-License-Identifier: Apache-2.0
"""In how many labelled frames ``boxes.csv`` has the person, for each data folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actionrec_node.data.annotations import DataError, read_annotations
from actionrec_node.data.person_boxes import read_boxes
from perception_kit.processes import reporting, run_command
from perception_kit.videos.video import VideoError, VideoFormat, video_frames

STEP_S = 0.1  # between the instants that are looked at
NEAR_S = 0.1 + 1e-6  # from such an instant to a box


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python scripts/box_coverage.py", description=__doc__)
    add = parser.add_argument
    add("data", type=Path, nargs="+", help="data folders with labels.csv and boxes.csv")
    add("--only", type=Path, help="text file of the videos to count: ends of their paths")
    return parser.parse_args(arguments)


def coverage(folder: Path, only: Sequence[str] | None) -> tuple[int, int, int]:
    """Videos, labelled instants in them, and those with a box. Raises DataError."""
    tracks = read_boxes([folder])
    videos, labelled, found = 0, 0, 0
    for path, segments in read_annotations(folder).items():
        if only is not None and not any(path.as_posix().endswith(end) for end in only):
            continue
        videos += 1
        track = tracks.get(path.resolve())
        for segment in segments:
            end = segment.end if np.isfinite(segment.end) else _seconds(path)
            times = np.arange(segment.start, end, STEP_S)
            labelled += len(times)
            if track is not None:
                distances = np.abs(times[:, None] - track.times).min(axis=1)
                found += int((distances <= NEAR_S).sum())
    return videos, labelled, found


def _seconds(path: Path) -> float:
    """Length of a video."""
    return STEP_S * sum(1 for _ in video_frames(path, VideoFormat(1 / STEP_S, max_side=64)))


@reporting("box_coverage", DataError, VideoError)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    only = args.only.read_text().split() if args.only else None
    total = np.zeros(3, int)
    for folder in args.data:
        counts = coverage(folder, only)
        total += counts
        _print(folder.name, *counts)
    _print("all", *total.tolist())
    return 0


def _print(name: str, videos: int, labelled: int, found: int) -> None:
    share = f"{found / labelled:.1%}" if labelled else "-"
    print(f"{name}: somebody in {found} of {labelled} labelled instants ({share}), {videos} videos")


if __name__ == "__main__":
    sys.exit(run_command(main))
