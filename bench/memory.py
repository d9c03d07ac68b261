# SPDX-License-Identifier: Apache-2.0
"""Memory of the tracker while objects arrive and leave for ever: ``python -m bench.memory``. It must be flat."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from perception_kit.types import Instance, PoseEstimate
from tracker_node.deep_sort import DeepSort

RATE = 30.0
ALIVE = 10
NO_MASK = np.zeros((0, 0), bool)
PAGE_BYTES = 4096
OBJECT_SIZE = np.array([40.0, 80.0])


def visitors(seed: int = 0) -> Iterator[tuple[list[Instance], list[PoseEstimate]]]:
    """Endless frames: a new object every tenth frame takes the place of the oldest of ten."""
    rng = np.random.default_rng(seed)
    alive: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque(maxlen=ALIVE)
    for number in range(10**12):
        if number % 10 == 0:
            alive.append((rng.uniform(0, 1000, 2), rng.uniform(-2, 2, 2), rng.normal(size=128)))
        instances, poses = [], []
        for index, (corner, velocity, look) in enumerate(alive):
            corner += velocity
            descriptor = (look + rng.normal(0, 0.2, 128)).astype(np.float32)
            instances.append(Instance(1, "object", 0.9, np.concatenate([corner, corner + OBJECT_SIZE]), NO_MASK, (0, 0), descriptor))
            place = np.array([*corner, 1000.0]) / 1000.0
            poses.append(PoseEstimate(index, 1, "object", np.eye(3), place, 0.9, np.full(3, 0.1)))
        yield instances, poses


def resident_mb() -> float:
    """Memory of this process that is in use now, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Track, and print memory, tracks alive and ids given after each tenth of the frames."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100_000, help="frames to track (default: 100000)")
    options = parser.parse_args(arguments)
    threadpool_limits(1)
    tracker, last_id = DeepSort(), 0
    print(f"{'frame':>8}{'resident MB':>13}{'tracks':>8}{'ids given':>11}")
    for number, (instances, poses) in zip(tqdm(range(1, options.frames + 1), disable=None), visitors(), strict=False):
        tracks = tracker.update(instances, round(number / RATE * 1e9), poses)
        last_id = max(last_id, tracks[-1].id)
        if number % max(options.frames // 10, 1) == 0:
            print(f"{number:>8}{resident_mb():>13.1f}{len(tracks):>8}{last_id:>11}", flush=True)


if __name__ == "__main__":
    main()
