# SPDX-License-Identifier: Apache-2.0
"""Turns photographs of nobody into videos labelled "nobody", as training data of action models.

The camera stands still or moves slowly. ``boxes.csv`` has in each video a region that a detector
may take for a person: the best false detection of --model, where there is one, else any.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from tqdm import tqdm

from perception_kit.arguments import bounded_int
from perception_kit.colors import NOBODY_LABEL
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.opener import open_dataset
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import run_command
from pose6d_node import Segmenter

PERSON = "person"
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
    add("--model", type=Path, help="segmentation model with the class 'person'")
    add("--seed", type=bounded_int(0), default=0, help="of boxes and motions (default: 0)")
    add("--out", type=Path, required=True, help="folder to write; it must not exist")
    return parser.parse_args(arguments)


def photographs_of_nobody(folders: Sequence[Path]) -> Iterator[np.ndarray]:
    """Images (H, W, 3) uint8 in which no person is annotated. Raises DatasetError."""
    for folder in folders:
        dataset = open_dataset(folder)
        for index in range(len(dataset)):
            if dataset.shows_none(PERSON, index):
                rgb = dataset.rgb(index)
                scale = min(1.0, MAX_SIDE / max(rgb.shape[:2]))
                size = [round(side * scale) // 2 * 2 for side in rgb.shape[1::-1]]
                yield cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


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


def convert(args: argparse.Namespace) -> int:
    """Write the data folder; returns the number of videos. Raises DatasetError, ModelFileError."""
    rng = np.random.default_rng(args.seed)
    segmenter = Segmenter(args.model, score_threshold=MIN_SCORE) if args.model else None
    (args.out / "videos").mkdir(parents=True)
    labels, boxes, count = [], [], 0
    for rgb in tqdm(photographs_of_nobody(args.data), unit="video"):
        name = f"videos/{count:04}.mp4"
        is_moving = rng.random() < MOVING_FRACTION
        motion = is_moving * rng.uniform(-MAX_MOTION, MAX_MOTION, 2) * rgb.shape[1::-1]
        write_video(args.out / name, rgb, motion)
        labels.append((name, 0, "inf", NOBODY_LABEL))
        box = choose_box(rgb, segmenter, rng).round(1)
        boxes += [(name, round(k / FPS, 3), *box) for k in range(FPS * SECONDS)]
        count += 1

    _write(args.out / "labels.csv", ("video", "start", "end", "label"), labels)
    columns = ("video", "time", "x_min", "y_min", "x_max", "y_max")
    _write(args.out / "boxes.csv", columns, boxes)
    return count


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    try:
        count = convert(args)
    except (DatasetError, ModelFileError, OSError) as error:
        print(f"still_videos: {error}", file=sys.stderr)
        return 2
    print(f"wrote {count} videos to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
