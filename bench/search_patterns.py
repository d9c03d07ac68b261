# SPDX-License-Identifier: Apache-2.0
"""How surely flat patterns are found: ``python -m bench.search_patterns PHOTOGRAPHS``.

Logos of 42 to 150 pixels are planted in photographs, tilted up to 50 degrees, blurred, and a third
of them partly hidden, and move as ``bench.search_retrieval`` plants them in rendered recordings. A
planting is found where one of its images at four per second has it; false is what is found of
another logo or elsewhere, also in the photographs themselves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import cv2
import numpy as np
from tqdm import tqdm

from bench.search_library import LOGOS, Planting, draw, logo, plan
from bench.timing import add_json_option, write_figures
from perception_kit.arguments import bounded_int
from perception_kit.videos.pictures import IMAGE_SUFFIXES
from video_search.pattern_views import describe_pattern
from video_search.patterns import PatternMatcher
from video_search.pictures import read_picture

# The settings were chosen on others.
FIRST_SEED = 2000
_SIZE, _INTERVAL_NS = (640, 480), 250_000_000
# Groups that recall is also given for.
GROUPS = {
    "below 60 px": lambda planting: planting.side < 60,
    "tilted above 30 degrees": lambda planting: planting.tilt > 30,
    "blurred by more than a pixel": lambda planting: planting.blur > 1,
    "partly hidden": lambda planting: planting.hidden > 0,
}


@dataclass(frozen=True)
class Outcome:
    """Of one planting: images that show it, images in which it was found, and false finds."""

    planting: Planting
    shown: int
    found: int
    false: int


def images(
    planting: Planting, quads: Sequence[np.ndarray], photograph: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Pictures and the (4, 2) corners of the logo in each, the photograph alone first."""
    yield photograph, None
    rng = np.random.default_rng(seed)
    count = max(2, (planting.end_ns - planting.start_ns) // _INTERVAL_NS)
    for number in range(count):
        quad = quads[0] + number / (count - 1) * (quads[1] - quads[0])
        rgb = photograph.copy()
        draw(rgb, planting, quad, rng)
        yield rgb, quad


def outcome(matcher: PatternMatcher, photographs: Sequence[Path], seed: int) -> Outcome:
    """Plant one logo, and look for all."""
    rng = np.random.default_rng(seed)
    planting, quads = plan(rng, str(rng.choice(LOGOS)), 0)
    photograph = read_picture(photographs[int(rng.integers(len(photographs)))])
    photograph = cv2.resize(photograph, _SIZE, interpolation=cv2.INTER_AREA)
    shown = found = false = 0
    for rgb, quad in images(planting, quads, photograph, seed):
        right = 0
        for seen in matcher.find(rgb):
            assert seen.box is not None
            center = (seen.box[:2] + seen.box[2:]) / 2
            is_there = (
                quad is not None
                and seen.label == planting.label
                and float(np.linalg.norm(center - quad.mean(axis=0))) < planting.side
            )
            right, false = right + is_there, false + (not is_there)
        shown, found = shown + (quad is not None), found + (right > 0)
    return Outcome(planting, shown, found, false)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant, look and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.search_patterns", description=__doc__)
    parser.add_argument("photographs", type=Path, help="folder to plant logos in")
    parser.add_argument("--plantings", type=bounded_int(1), default=200)
    add_json_option(parser)
    options = parser.parse_args(arguments)

    paths = options.photographs.rglob("*")
    photographs = sorted(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES)
    if not photographs:
        print(f"search_patterns: '{options.photographs}' holds no photograph", file=sys.stderr)
        return 2
    matcher = PatternMatcher([describe_pattern(name, logo(name)) for name in LOGOS], "")
    started = process_time()
    seeds = range(FIRST_SEED, FIRST_SEED + options.plantings)
    done = [outcome(matcher, photographs, seed) for seed in tqdm(seeds, desc="plantings")]

    found = sum(entry.found > 0 for entry in done)
    false = sum(entry.false for entry in done)
    looks = sum(entry.shown + 1 for entry in done)
    figures = {
        "plantings": len(done),
        "recall": found / len(done),
        "precision": sum(e.found for e in done) / max(1, sum(e.found for e in done) + false),
        "recall_of_images": sum(e.found for e in done) / sum(e.shown for e in done),
        "cpu_s_per_image": (process_time() - started) / looks,
    }
    for name, value in figures.items():
        print(f"{name:34} {value:8.3f}")
    for name, belongs in GROUPS.items():
        group = [entry for entry in done if belongs(entry.planting)]
        recall = sum(entry.found > 0 for entry in group) / max(1, len(group))
        figures[name] = recall
        print(f"{name:34} {recall:8.3f} of {len(group)}")
    for entry in done:
        if not entry.found or entry.false:
            print(f"{'missed' if not entry.found else 'false'}: {entry}")
    write_figures(options.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
