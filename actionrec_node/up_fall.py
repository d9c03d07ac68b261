# SPDX-License-Identifier: Apache-2.0
"""Labels the videos of UP-Fall (Martínez-Villaseñor et al., Sensors 2019).

``python -m actionrec_node.up_fall FOLDER --camera C1 --out DIR``: the folder holds videos named
``A01_fall_forward_hands_S01_T1_C1.mp4`` (activity, subject, trial, camera) and
``fall_windows_auto.csv`` (clip, n_frames, fps, window_start, window_end: the frames of each fall).
The videos stay where they are.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from actionrec_node.data.annotations import DataError
from perception_kit.arguments import CommandParser, program_name
from perception_kit.processes import reporting, run_command

_NAME = re.compile(r"A(?P<activity>\d\d)_\w+_(?P<subject>S\d+)_T\d+_(?P<camera>C\d+)\.mp4")
_FALLS = range(1, 6)
# Picking up and jumping are none of the actions that are told apart.
_LABELS = {6: "walking", 7: "standing", 8: "sitting", 9: "other", 10: "other", 11: "lying"}

Row = tuple[str, str, str, str, str]
HEADER: Row = ("video", "start", "end", "label", "subject")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("actionrec_node.up_fall"), description="Label videos of UP-Fall."
    )
    parser.add_argument(
        "folder", type=Path, help="folder with the videos and fall_windows_auto.csv"
    )
    parser.add_argument(
        "--camera",
        default="C1",
        help="one camera, so that the other can be held out (default %(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help="data folder to write")
    return parser.parse_args(arguments)


def label_videos(folder: Path, camera: str) -> list[Row]:
    """Lines of ``labels.csv`` for a camera's videos: after a fall "lying".

    Before a fall people stand, walk or sit, which nobody has labelled. Raises DataError where
    there is no such video, or a fall without a window.
    """
    windows = _read_windows(folder / "fall_windows_auto.csv")
    rows: list[Row] = []
    for path in sorted(folder.glob("*.mp4")):
        match = _NAME.fullmatch(path.name)
        if match is None or match["camera"] != camera:
            continue
        video, subject = str(path.resolve()), match["subject"]
        rows += [
            (video, f"{start:.3f}", f"{end:.3f}", label, subject)
            for start, end, label in _segments(path, int(match["activity"]), windows)
        ]

    if not rows:
        raise DataError(
            f"'{folder}' holds no video of camera '{camera}',"
            f" such as A06_walking_S01_T1_{camera}.mp4"
        )
    return rows


def _segments(
    path: Path, activity: int, windows: dict[str, tuple[float, float]]
) -> list[tuple[float, float, str]]:
    """Start, end (seconds) and label of what a video shows."""
    if activity in _LABELS:
        return [(0.0, float("inf"), _LABELS[activity])]
    if activity not in _FALLS:
        raise DataError(f"'{path}' shows activity {activity}, but UP-Fall has 1 to {max(_LABELS)}")

    if path.name not in windows:
        raise DataError(f"'{path}' shows a fall, but fall_windows_auto.csv does not say when")
    start, end = windows[path.name]
    return [(start, end, "falling"), (end, float("inf"), "lying")]


def _read_windows(path: Path) -> dict[str, tuple[float, float]]:
    """Start and end of the fall of each video, seconds."""
    windows = {}
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                # The last frame of a window belongs to the fall.
                fps = float(row["fps"])
                first, last = int(row["window_start"]), int(row["window_end"])
                windows[row["clip"]] = (first / fps, (last + 1) / fps)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise DataError(
            f"'{path}' must have the columns clip, fps, window_start and window_end (frames):"
            f" {error!r}"
        ) from error
    return windows


@reporting("error", DataError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)
    rows = label_videos(args.folder, args.camera)
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])

    videos = len({row[0] for row in rows})
    print(f"wrote {len(rows)} labelled segments of {videos} videos to {args.out}/labels.csv")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
