# SPDX-License-Identifier: Apache-2.0
"""Turns photographs into videos, as training data of action models.

Those of nobody become videos labelled "nobody", whose ``boxes.csv`` has a region that a detector
may take for a person: the best false detection of --model, where there is one, else any. With
--people they are of people who keep still: a table with the columns photograph (its name without
the ending), x_min, y_min, x_max, y_max (pixels) and label, such as models/people/postures.csv.
The camera stands still or moves slowly.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from tqdm import tqdm

from actionrec_node.data.annotations import DataError, read_table
from perception_kit.arguments import bounded_int
from perception_kit.colors import NOBODY_LABEL
from perception_kit.datasets.files import DatasetError, read_color
from perception_kit.datasets.opener import open_dataset
from perception_kit.datasets.photographs import PICTURES
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import reporting, run_command
from perception_kit.temporary import new_folder
from pose6d_node import Segmenter

PERSON = "person"
EDGES = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("photograph", *EDGES, "label")
FPS, SECONDS = 15, 2
MIN_SCORE = 0.1  # of a false detection
MAX_SIDE = 480  # pixels
MOVING_FRACTION = 0.5  # of the videos
MAX_MOTION = 0.08  # of the image's sides, over the video
HEIGHTS, ASPECTS = (0.15, 0.9), (0.3, 2.0)  # of a box: fraction of the image's, width / height


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python scripts/still_videos.py", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, action="append", help="photographs; repeatable")
    add("--people", type=Path, help="table of people and what they do")
    add("--model", type=Path, help="segmentation model with the class 'person'")
    add("--seed", type=bounded_int(0), default=0, help="of boxes and motions (default: 0)")
    add("--out", type=Path, required=True, help="folder to write; it must not exist")
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class Shot:
    """A photograph ``rgb`` (H, W, 3) uint8, a ``box`` (4,) in pixels, and what the box shows."""

    rgb: np.ndarray
    box: np.ndarray
    label: str


def shots_of_nobody(
    folders: Sequence[Path], segmenter: Segmenter | None, rng: np.random.Generator
) -> Iterator[Shot]:
    """Photographs in which no person is annotated. Raises DatasetError."""
    for folder in folders:
        dataset = open_dataset(folder)
        for index in range(len(dataset)):
            if dataset.shows_none(PERSON, index):
                rgb = shrink_evenly(dataset.rgb(index))
                yield Shot(rgb, choose_box(rgb, segmenter, rng), NOBODY_LABEL)


@dataclass(frozen=True)
class Person:
    """The ``photograph`` of somebody, their ``box`` (4,) in its pixels, and what they do."""

    photograph: Path
    box: np.ndarray
    label: str


def read_people(folders: Sequence[Path], table: Path) -> list[Person]:
    """The people of a table.

    Raises DataError naming the line that cannot be used, such as one whose photograph is not there.
    """
    pictures = {
        path.stem: path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURES
    }
    people = []
    for where, row in read_table(table, COLUMNS):
        if row["photograph"] not in pictures:
            raise DataError(
                f"{where}: no --data has the photograph '{row['photograph']}': expected the name of"
                " a picture without its ending"
            )
        try:
            box = np.array([float(row[edge]) for edge in EDGES])
        except ValueError:
            box = np.full(4, np.nan)
        if not (np.isfinite(box).all() and (box[:2] < box[2:]).all()):
            raise DataError(
                f"{where}: expected numbers with x_min < x_max and y_min < y_max, got"
                f" {[row[edge] for edge in EDGES]}"
            )
        people.append(Person(pictures[row["photograph"]], box, row["label"]))
    return people


def shots_of_people(people: Sequence[Person]) -> Iterator[Shot]:
    """Their photographs. Raises DatasetError for one that cannot be read."""
    for person in people:
        photo = read_color(person.photograph)
        rgb = shrink_evenly(photo)
        yield Shot(rgb, person.box * rgb.shape[1] / photo.shape[1], person.label)


def shrink_evenly(rgb: np.ndarray) -> np.ndarray:
    """The image at most MAX_SIDE large, with even sides, as video codecs want them."""
    scale = min(1.0, MAX_SIDE / max(rgb.shape[:2]))
    size = [round(side * scale) // 2 * 2 for side in rgb.shape[1::-1]]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def choose_box(
    rgb: np.ndarray, segmenter: Segmenter | None, rng: np.random.Generator
) -> np.ndarray:
    """(4,) pixels: the best detection of a person, else a region of a person's size."""
    people = [each for each in segmenter(rgb) if each.class_name == PERSON] if segmenter else []
    if people:
        return np.asarray(max(people, key=lambda each: each.score).box, np.float64)
    height = rng.uniform(*HEIGHTS) * rgb.shape[0]
    width = min(height * rng.uniform(*ASPECTS), rgb.shape[1])
    x_min, y_min = rng.uniform(0, [rgb.shape[1] - width, rgb.shape[0] - height])
    return np.array([x_min, y_min, x_min + width, y_min + height])


def write_video(path: Path, rgb: np.ndarray, motion: np.ndarray) -> None:
    """A video in which the image moves by ``motion`` (2,) pixels, its borders mirrored."""
    count = FPS * SECONDS
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=FPS, options={"crf": "20"})
        stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], "yuv420p"
        for k in range(count):
            shift = np.hstack([np.eye(2), (motion * k / count)[:, None]])
            size = (rgb.shape[1], rgb.shape[0])
            moved = cv2.warpAffine(rgb, shift, size, borderMode=cv2.BORDER_REFLECT)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(moved.astype(np.uint8), format="rgb24"))
            )
        container.mux(stream.encode())


def convert(args: argparse.Namespace, out: Path) -> int:
    """Write the data folder ``out``; returns the number of videos.

    Raises DataError, DatasetError, ModelFileError.
    """
    rng = np.random.default_rng(args.seed)
    if args.people:
        shots = shots_of_people(read_people(args.data, args.people))
    else:
        segmenter = Segmenter(args.model, score_threshold=MIN_SCORE) if args.model else None
        shots = shots_of_nobody(args.data, segmenter, rng)
    (out / "videos").mkdir()
    labels, boxes, count = [], [], 0
    for shot in tqdm(shots, unit="video"):
        name = f"videos/{count:04}.mp4"
        is_moving = rng.random() < MOVING_FRACTION
        motion = is_moving * rng.uniform(-MAX_MOTION, MAX_MOTION, 2) * shot.rgb.shape[1::-1]
        write_video(out / name, shot.rgb, motion)
        labels.append((name, 0, "inf", shot.label))
        for k in range(FPS * SECONDS):
            box = shot.box + np.tile(motion * k / (FPS * SECONDS), 2)
            box = np.clip(box, 0, np.tile(shot.rgb.shape[1::-1], 2))
            if (box[2:] - box[:2]).min() >= 1:  # pixels: the rest has left the picture
                boxes.append((name, round(k / FPS, 3), *box.round(1)))
        count += 1

    _write(out / "labels.csv", ("video", "start", "end", "label"), labels)
    _write(out / "boxes.csv", ("video", "time", *EDGES), boxes)
    return count


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@reporting("still_videos", DataError, DatasetError, ModelFileError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    with new_folder(args.out) as out:
        count = convert(args, out)
    print(f"wrote {count} videos to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
