# SPDX-License-Identifier: Apache-2.0
"""Memory of the three parts in long runs: ``python -m bench.memory``.

It must be flat after the first tenth. ``tracker``: objects that arrive and leave endlessly.
``perception``: segmentation and poses of always new images with 0 to 10 instances. ``actions``: a
stream of images with people who come and go.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from actionrec_node.data.crops import PersonBox
from actionrec_node.recognition.recognizer import ActionRecognizer
from perception_kit.resources import RUNTIMES, package_folder
from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.segmentation.predictor import Segmenter
from tracker_node.deep_sort import DeepSort

RATE = 30.0
PAGE_BYTES = 4096

# The tracker's objects: how many there are at a time, and their size in pixels.
ALIVE = 10
OBJECT_SIZE = np.array([40.0, 80.0])
NO_MASK = np.zeros((0, 0), bool)

# The people of the actions: in all, and at a time.
PEOPLE = 50
IN_VIEW = 4

IMAGE_SIZE = (640, 480)
MODELS = package_folder() / "models" / "demo"


@dataclass(frozen=True)
class Part:
    """A part of the system.

    ``run(frames, runtime)`` yields its status after each frame; ``frames`` is the default number.
    """

    run: Callable[[int, str], Iterator[str]]
    frames: int


def visitors(seed: int = 0) -> Iterator[tuple[list[Instance], list[PoseEstimate]]]:
    """Endless frames: a new object every tenth frame takes the place of the oldest of ten."""
    rng = np.random.default_rng(seed)
    alive: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque(maxlen=ALIVE)
    for number in count():
        if number % 10 == 0:
            alive.append((rng.uniform(0, 1000, 2), rng.uniform(-2, 2, 2), rng.normal(size=128)))

        instances, poses = [], []
        for index, (corner, velocity, appearance) in enumerate(alive):
            corner += velocity
            box = np.concatenate([corner, corner + OBJECT_SIZE])
            descriptor = (appearance + rng.normal(0, 0.2, 128)).astype(np.float32)
            instances.append(Instance(1, "object", 0.9, box, NO_MASK, (0, 0), descriptor))

            position, size = np.array([*corner, 1000.0]) / 1000.0, np.full(3, 0.1)
            poses.append(PoseEstimate(index, 1, "object", np.eye(3), position, 0.9, size))
        yield instances, poses


def track(frames: int, runtime: str) -> Iterator[str]:
    """Tracks the visitors."""
    tracker, last_id = DeepSort(), 0
    for number, (instances, poses) in zip(range(1, frames + 1), visitors(), strict=False):
        tracks = tracker.update(instances, round(number / RATE * 1e9), poses)
        last_id = max(last_id, tracks[-1].id)
        yield f"{len(tracks)} tracks, {last_id} ids given"


def perceive(frames: int, runtime: str) -> Iterator[str]:
    """Estimates the poses of what the demo models find in noise, which they do at any score."""
    path = MODELS / "segmentation.safetensors"
    segmenter = Segmenter(path, "cpu", score_threshold=0.0, max_detections=10, runtime=runtime)
    estimator = PoseEstimator(
        MODELS / "pose.safetensors", "cpu", min_confidence=0.0, runtime=runtime
    )
    width, height = IMAGE_SIZE
    camera = Intrinsics(525.0, 525.0, (width - 1) / 2, (height - 1) / 2, width, height)

    rng = np.random.default_rng(0)
    total = 0
    for number in range(frames):
        rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
        depth = rng.uniform(0.5, 1.0, (height, width)).astype(np.float32)
        instances = segmenter(rgb)[: number % 11]
        total += len(estimator(rgb, depth, camera, instances))
        yield f"{total} poses"


def act(frames: int, runtime: str) -> Iterator[str]:
    """Recognises the actions of ``PEOPLE`` people, ``IN_VIEW`` at a time."""
    recognizer = ActionRecognizer(MODELS / "action.safetensors", "cpu", runtime=runtime)
    rng = np.random.default_rng(0)
    boxes = rng.uniform((0, 0, 150, 200), (150, 200, 600, 450), (PEOPLE, 4))

    # Frames until the next person arrives and the first one leaves.
    interval = frames / (PEOPLE - IN_VIEW + 1)
    width, height = IMAGE_SIZE
    total = 0
    for number in range(frames):
        first = int(number / interval)
        in_view = range(first, min(first + IN_VIEW, PEOPLE))
        people = [PersonBox(track_id, boxes[track_id]) for track_id in in_view]

        rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
        requests = recognizer.add(rgb, round((number + 1) / RATE * 1e9), people)
        if requests:
            recognizer.predict(requests)
        total += len(requests)
        yield f"{people[-1].track_id + 1} people, {total} clips"


PARTS = {
    "tracker": Part(track, 100_000),
    "perception": Part(perceive, 1_000),
    "actions": Part(act, 10_000),
}


def resident_mb() -> float:
    """Memory that this process uses now, MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to run (default: all)"
    )

    for name, part in PARTS.items():
        parser.add_argument(
            f"--{name}-frames", type=int, default=part.frames, help="(default: %(default)s)"
        )

    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="auto",
        help="of the networks (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts, and print their memory and status after each tenth of the frames."""
    options = parse_arguments(arguments)
    threadpool_limits(1)
    torch.set_num_threads(1)

    for name in options.parts:
        frames = getattr(options, f"{name}_frames")
        print(f"{name + ' frame':>18}{'resident MB':>13}")
        run = PARTS[name].run(frames, options.runtime)
        for number, status in enumerate(tqdm(run, total=frames, disable=None), start=1):
            if number % max(frames // 10, 1) == 0:
                print(f"{number:>18}{resident_mb():>13.1f}  {status}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
