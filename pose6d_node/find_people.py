# SPDX-License-Identifier: Apache-2.0
"""Finds the person in each video of a folder, for training actions on crops of people.

``python -m pose6d_node.find_people --data FOLDER --model FILE`` writes FOLDER/boxes.csv, which
``actionrec_node.train``, ``evaluate`` and ``clips`` read. A video has one person: of several it is
the one who moves, or the largest where nobody does. Those who only look on are left out by
--onlookers, a table with the columns videos (a pattern of their names, such as *_C2.mp4), x_min,
y_min, x_max and y_max (pixels), which say where each of them is.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from tqdm import tqdm

from perception_kit.arguments import CommandParser, bounded_float, device, model_path, program_name
from perception_kit.boxes import box_area
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.partial_file import replacing
from perception_kit.processes import reporting, run_command
from perception_kit.resources import AUTO_RUNTIME, ROUNDING_RUNTIMES
from perception_kit.short_text import counted, listed
from perception_kit.videos.person_path import Candidates, find_path
from perception_kit.videos.pictures import has_pictures
from perception_kit.videos.video import VideoError, VideoFormat, is_video, video_frames

if TYPE_CHECKING:
    from pose6d_node.segmentation.predictor import Segmenter

EDGES = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("video", "time", *EDGES)
MAX_SIDE = 1 << 14  # frames are not made smaller: boxes are in pixels of the video
MAX_GAP = 1.0  # seconds over which boxes are interpolated
INSIDE = 0.7  # of a detection that lies in the place of an onlooker, from which on it is them


class OnlookersError(ValueError):
    """A table of onlookers that cannot be used; the message names the line."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("pose6d_node.find_people"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of video files, at any depth")
    add("--model", type=model_path, required=True, help="segmentation model with a class of people")
    add("--person-class", default="person", help="its name (default: %(default)s)")
    add("--onlookers", type=Path, help="table of people who only look on")
    add("--out", type=Path, help="file to write, a new one (default: boxes.csv in --data)")
    add(
        "--fps",
        type=bounded_float(1.0, 60.0),
        default=10.0,
        help="frames looked at per second of video (default: %(default)s)",
    )
    add(
        "--min-score",
        type=bounded_float(0.01, 1.0),
        default=0.2,
        help="of a detection that a person's way may go through (default: %(default)s)",
    )
    add("--device", type=device, default="auto", help="cpu, cuda, cuda:N or auto (default)")
    add(
        "--runtime",
        choices=ROUNDING_RUNTIMES,
        default=AUTO_RUNTIME,
        help="on a CPU (default: %(default)s)",
    )
    args = parser.parse_args(arguments)
    args.out = args.out or args.data / "boxes.csv"
    return args


Onlookers: TypeAlias = list[tuple[str, np.ndarray]]


def read_onlookers(path: Path) -> Onlookers:
    """Pattern of the videos' names, and box (4,) in pixels, of each line of the table.

    Raises OSError, and OnlookersError naming the line that cannot be used.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        if missing := {"videos", *EDGES} - set(rows.fieldnames or ()):
            raise OnlookersError(f"'{path}' lacks the columns {sorted(missing)}")
        onlookers = []
        for row in rows:
            try:
                box = np.array([float(row[edge]) for edge in EDGES])
            except (TypeError, ValueError):
                box = np.full(4, np.nan)
            if not (box[:2] < box[2:]).all():
                raise OnlookersError(
                    f"'{path}' line {rows.line_num}: expected numbers with x_min < x_max and"
                    f" y_min < y_max, got {[row[edge] for edge in EDGES]}"
                )
            onlookers.append((row["videos"], box))
        return onlookers


def find_people(
    segmenter: Segmenter, person_class: str, video: Path, fps: float, onlookers: Onlookers
) -> list[np.ndarray | None]:
    """The person's box (4,) in pixels in each frame at ``fps``; None where nobody is seen.

    Raises VideoError.
    """
    places = [box for pattern, box in onlookers if fnmatch(video.name, pattern)]
    frames = []
    for rgb in video_frames(video, VideoFormat(fps, MAX_SIDE)):
        found = [
            each
            for each in segmenter(rgb)
            if each.class_name == person_class
            and not any(_lies_in(each.box, place) for place in places)
        ]
        boxes = np.array([each.box for each in found], np.float64).reshape(-1, 4)
        frames.append(Candidates(boxes, np.array([each.score for each in found])))
    return find_path(frames, round(MAX_GAP * fps))


def _lies_in(box: np.ndarray, place: np.ndarray) -> bool:
    common = np.concatenate([np.maximum(box[:2], place[:2]), np.minimum(box[2:], place[2:])])
    return bool(0 < INSIDE * box_area(box) <= box_area(common))


def _load_segmenter(args: argparse.Namespace) -> Segmenter:
    """The segmenter, which knows people. Raises ModelFileError for one that does not."""
    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from pose6d_node.segmentation.predictor import Segmenter

    segmenter = Segmenter(args.model, args.device, args.min_score, 20, args.runtime)
    if args.person_class not in segmenter.class_names:
        raise ModelFileError(
            f"'{args.model}' has no class '{args.person_class}': its classes are"
            f" {', '.join(segmenter.class_names)}"
        )
    return segmenter


def _rows(args: argparse.Namespace, videos: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """Rows of the table; says on standard error what could not be read, and who was not found.

    Raises VideoError where no video can be read.
    """
    segmenter = _load_segmenter(args)
    onlookers = read_onlookers(args.onlookers) if args.onlookers else []

    seen, total, empty, unreadable = 0, 0, [], []
    for video in tqdm(videos, unit="video"):
        name = video.relative_to(args.data).as_posix()
        try:
            boxes = find_people(segmenter, args.person_class, video, args.fps, onlookers)
        except VideoError as error:
            tqdm.write(f"left out: {error}", file=sys.stderr)
            unreadable.append(name)
            continue
        found = [(k / args.fps, box) for k, box in enumerate(boxes) if box is not None]
        for time, box in found:
            yield name, f"{time:.3f}", *(f"{side:.1f}" for side in box)
        seen, total = seen + len(found), total + len(boxes)
        if not found:
            empty.append(name)

    read = len(videos) - len(unreadable)
    if not read:
        raise VideoError(f"none of {counted(len(videos), 'video')} in '{args.data}' can be read")
    print(f"somebody is seen in {seen} of {total} frames of {counted(read, 'video')}")
    if empty:
        print(f"nobody is seen in {counted(len(empty), 'video')}: {listed(empty)}", file=sys.stderr)
    if unreadable:
        print(
            f"left out {len(unreadable)} of {counted(len(videos), 'video')}, which cannot be read:"
            f" {listed(unreadable)}",
            file=sys.stderr,
        )


def _find_videos(folder: Path) -> list[Path]:
    """Video files at any depth; says on standard error which folders of pictures are no such.

    Raises FileNotFoundError where there are none.
    """
    paths = [folder, *sorted(folder.rglob("*"))]
    ignored = [path.as_posix() for path in paths if path.is_dir() and has_pictures(path)]
    remark = (
        f"{counted(len(ignored), 'folder')} of pictures {'is' if len(ignored) == 1 else 'are'} not"
        f" looked at ({listed(ignored)}): make videos of them, for example ffmpeg -framerate 30 -i"
        " FOLDER/f%04d.png FOLDER.mp4"
        if ignored
        else ""
    )
    videos = [path for path in paths if path.is_file() and is_video(path)]
    if not videos:
        raise FileNotFoundError(f"'{folder}' holds no video files" + (remark and f"; {remark}"))
    if remark:
        print(remark, file=sys.stderr)
    return videos


@reporting("error", ModelFileError, OnlookersError, RuntimeUnavailableError, VideoError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    if args.out.exists():
        raise FileExistsError(
            f"'{args.out}' is there already, perhaps corrected by hand: move it away, or name"
            " another file by --out"
        )
    videos = _find_videos(args.data)
    with replacing(args.out) as partial, partial.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(_rows(args, videos))
    print(f"wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
