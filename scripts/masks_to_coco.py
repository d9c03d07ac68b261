# SPDX-License-Identifier: Apache-2.0
"""Turns photographs with one binary mask each into COCO's layout: one instance a photograph.

Pictures whose mask covers several instances, or beside which others are not marked, have to be left
out (--leave-out): they would teach a network that a group is one person, or a bystander none.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from perception_kit.datasets.coco_writer import coco_annotation, coco_image, write_coco
from perception_kit.datasets.files import DatasetError, read_color, read_image
from perception_kit.datasets.photographs import PICTURES
from perception_kit.processes import reporting, run_command
from perception_kit.temporary import new_folder

THRESHOLD = 127  # of the mask's gray levels


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python scripts/masks_to_coco.py", description=__doc__)
    add = parser.add_argument
    add("--images", type=Path, required=True, help="folder of photographs")
    add("--masks", type=Path, required=True, help="folder of masks with the same names")
    add("--class-name", default="person", help="of the instances (default: %(default)s)")
    add("--leave-out", type=Path, help="text file of names to leave out, without endings")
    add("--out", type=Path, required=True, help="folder to write; it must not exist")
    return parser.parse_args(arguments)


def convert(args: argparse.Namespace, out: Path) -> int:
    """Write the dataset ``out``; returns how many photographs it has. Raises DatasetError."""
    left_out = set(args.leave_out.read_text().split()) if args.leave_out else set()
    pictures = sorted(path for path in args.images.iterdir() if path.suffix.lower() in PICTURES)
    if unknown := left_out - {path.stem for path in pictures}:
        raise DatasetError(f"--leave-out names pictures that are not there: {sorted(unknown)}")

    (out / "train").mkdir()
    images, annotations = [], []
    for number, path in enumerate(path for path in pictures if path.stem not in left_out):
        height, width = read_color(path).shape[:2]
        mask = read_image(args.masks / f"{path.stem}.png", cv2.IMREAD_GRAYSCALE)
        # Masks of another size than their pictures are meant to cover them.
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR) > THRESHOLD

        shutil.copy(path, out / "train" / path.name)
        images.append(coco_image(number, path.name, width, height))
        annotations.append(coco_annotation(number, number, mask))

    write_coco(out, "train", images, annotations, args.class_name)
    return len(images)


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
