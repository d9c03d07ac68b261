# SPDX-License-Identifier: Apache-2.0
"""Frames of a folder of pictures, which must be pictures of one kind."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from perception_kit.arguments import positive_float
from perception_kit.budgets import BudgetError
from perception_kit.picture_files import read_pixels
from perception_kit.videos.video_file import GAP_S, REGULAR_INTERVAL, Pixels, VideoError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
# Pillow's modes of pictures without color, by how they are called here; all others have color.
MODES = {"1": "grey", "L": "grey", "LA": "grey", "I;16": "16 bit", "I;16B": "16 bit", "I": "16 bit"}
_NAMED_KINDS = 6
# From this fraction of regular steps on, numbers count frames: those of pictures that were chosen
# by hand do not. A folder may be short, and a few holes many of its steps.
COUNTING_FRACTION = 0.75
PICTURES_HELP = "names of the pictures that are frames, where a folder holds others too: 'img_*'"


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """``--folder-fps`` and ``--pictures``."""
    parser.add_argument(
        "--folder-fps",
        type=positive_float,
        default=30.0,
        help="rate of the pictures in folders of frames (default %(default)s)",
    )
    parser.add_argument("--pictures", metavar="GLOB", help=PICTURES_HELP)


def has_pictures(folder: Path) -> bool:
    """Whether a folder holds a picture."""
    return bool(picture_paths(folder))


def folder_frames(
    folder: Path, fps: float, pattern: str | None, keep_damaged: bool = False
) -> Iterator[tuple[float, Pixels]]:
    """Seconds since the first frame, and the pixels, of the pictures in a folder.

    They are those whose names match the glob ``pattern``. Where few numbers are missing in their
    names, the picture before is seen for that time, as in a video. Raises VideoError for a picture
    that cannot be read and for numbers that are missing for long, which ``keep_damaged`` prints
    instead, and for several kinds of pictures (names that differ in more than their numbers, color,
    grey or 16 bit): those of one camera and those of its depth are not one video.
    """
    pictures = picture_paths(folder, pattern or "*")
    if not pictures:
        matching = f" whose name matches '{pattern}'" if pattern else f" ({_found(folder)}"
        raise VideoError(f"'{folder}' holds no picture{matching}")
    _check_kinds(folder, pictures, by_name=pattern is None)
    numbers = _frame_numbers(pictures)
    if missing := _missing(pictures, numbers, fps):
        _lost(
            f"'{folder}' has no picture {missing}", "copy them, or split the folder", keep_damaged
        )

    for number, path in zip(numbers, pictures, strict=True):
        reason = ""
        try:
            picture = read_pixels(path)
        except (BudgetError, OSError) as error:
            picture, reason = None, f" ({error})"
        if picture is None:
            _lost(f"'{path}' is not a picture that can be read{reason}", "remove it", keep_damaged)
        else:
            yield float(number) / fps, partial(cv2.cvtColor, picture, cv2.COLOR_BGR2RGB)


def _lost(what: str, remedy: str, keep_damaged: bool) -> None:
    """Raises VideoError, or with ``keep_damaged`` prints what is lost."""
    if not keep_damaged:
        raise VideoError(f"{what}: {remedy}")
    print(f"warning: {what}; the rest is used", file=sys.stderr)


def _found(folder: Path) -> str:
    """What a folder without pictures holds instead, for a message."""
    endings = Counter(path.suffix or "no ending" for path in folder.iterdir() if path.is_file())
    found = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(_NAMED_KINDS))
    return f"{', '.join(IMAGE_SUFFIXES)}); found {found or 'no files'}"


def _frame_numbers(pictures: list[Path]) -> np.ndarray:
    """(N,) which frame each picture is, the first being 0: by the last numbers in the names.

    Where these do not count frames, it is the picture's place in the list.
    """
    named = [int(found[-1]) for path in pictures if (found := re.findall(r"\d+", path.stem))]
    if len(named) < len(pictures) or len(named) < 3:
        return np.arange(len(pictures))
    steps = np.diff(np.array(named, float))
    usual = max(1.0, float(np.median(steps)))  # every fifth, or a time stamp
    if (np.abs(steps) <= REGULAR_INTERVAL * usual).mean() < COUNTING_FRACTION:
        return np.arange(len(pictures))
    return np.cumsum([0, *np.maximum(1, np.round(steps / usual))])


def _missing(pictures: list[Path], numbers: np.ndarray, fps: float) -> str | None:
    """Between which of the pictures others are missing for long, by the ``numbers`` of frames."""
    is_long = np.diff(numbers) > max(1, GAP_S * fps)
    if not is_long.any():
        return None
    place = int(is_long.argmax())
    return f"between '{pictures[place].name}' and '{pictures[place + 1].name}'"


def picture_paths(folder: Path, pattern: str = "*") -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names: 2.png before 10.png.

    Those whose names match the glob ``pattern``; none where ``folder`` is no folder.
    """
    if not folder.is_dir():
        return []

    def by_number(path: Path) -> list[int | str]:
        pieces = re.split(r"([0-9]+)", path.name)
        return [int(piece) if piece.isdecimal() else piece for piece in pieces]

    pictures = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and fnmatch(path.name, pattern)
    ]
    return sorted(pictures, key=by_number)


def _check_kinds(folder: Path, pictures: list[Path], by_name: bool) -> None:
    """Raises VideoError for pictures of several kinds, and for those of 16 bit."""
    kinds = Counter(
        (re.sub(r"[0-9]+", "#", path.name) if by_name else "", _colors(path)) for path in pictures
    )
    if len(kinds) > 1:
        named = [
            f"{count} {f'{name} ' if name else ''}({colors})"
            for (name, colors), count in kinds.most_common(_NAMED_KINDS)
        ]
        more = f", and {len(kinds) - _NAMED_KINDS} more" if len(kinds) > _NAMED_KINDS else ""
        in_color = [name for (name, colors), _ in kinds.most_common() if colors == "color"]
        example = "".join(in_color[:1]).replace("#", "*") or "*_rgb*"
        raise VideoError(
            f"'{folder}' holds pictures of {len(kinds)} kinds: {', '.join(named)}{more}; they are"
            f" not one video: choose with --pictures '{example}', or move the others"
        )
    if kinds and next(iter(kinds))[1] == "16 bit":
        raise VideoError(
            f"the pictures of '{folder}' have 16 bit, as depth has; expected color or grey of 8 bit"
        )


def _colors(path: Path) -> str:
    """What a picture's pixels are, by its header."""
    try:
        with Image.open(path) as picture:
            return MODES.get(picture.mode, "color")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError):
        return "color"  # reading it says what is wrong
