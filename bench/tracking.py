# SPDX-License-Identifier: Apache-2.0
"""Speed of the tracker beside two from PyPI: ``python -m bench.tracking``.

``make bench`` installs them. Every tracker sees the same frames, given in its own input type, in
one process with one BLAS thread. Objects move with constant velocity and carry 128-d descriptors;
timing starts when the galleries (budget 100) are full. Counted is CPU time, which on one thread is
the time on an idle machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import thread_time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from bench.timing import add_json_option, write_figures
from perception_kit.types import Instance
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort

# Numbers of objects.
SIZES = (5, 20, 50, 100, 300, 1000)

# Descriptors that a track keeps (Deep SORT's default).
BUDGET = 100
RATE = 30.0
IMAGE_SIZE = (1920.0, 1080.0)
NO_MASK = np.zeros((0, 0), bool)


@dataclass
class BenchFrame:
    """Detections of one frame.

    ``boxes`` (N, 4) float64 x_min, y_min, x_max, y_max px; ``descriptors`` (N, D) float32 of norm
    1.
    """

    number: int
    boxes: np.ndarray
    descriptors: np.ndarray


# Converts a frame into the input of a tracker's update, and updates, which returns identities.
Tracker = tuple[Callable[[BenchFrame], Any], Callable[[Any], Sequence[int]]]


def moving_objects(objects: int, length: int = 128, seed: int = 0) -> Iterator[BenchFrame]:
    """Endless frames of objects with constant velocity, in random order.

    Boxes and descriptors of ``length`` are noisy.
    """
    rng = np.random.default_rng(seed)
    start, velocity = rng.uniform(0, IMAGE_SIZE, (objects, 2)), rng.uniform(-2, 2, (objects, 2))
    size = rng.uniform((20, 40), (60, 120), (objects, 2))
    appearance = rng.normal(size=(objects, length))

    for number in range(1, sys.maxsize):
        order = rng.permutation(objects)
        center = (start + number * velocity + rng.normal(0, 0.5, (objects, 2)))[order]
        half = size[order] / 2
        boxes = np.hstack([center - half, center + half])

        noisy = (appearance + rng.normal(0, 0.25, appearance.shape))[order].astype(np.float32)
        descriptors = noisy / np.linalg.norm(noisy, axis=1, keepdims=True)
        yield BenchFrame(number, boxes, descriptors)


def this_package() -> Tracker:
    """Deep SORT of this package."""
    tracker = DeepSort(TrackerConfig(gallery_size=BUDGET))

    def prepare(frame: BenchFrame) -> tuple[list[Instance], int]:
        rows = zip(frame.boxes, frame.descriptors, strict=True)
        instances = [
            Instance(1, "object", 0.9, box, NO_MASK, (0, 0), descriptor) for box, descriptor in rows
        ]
        return instances, round(frame.number / RATE * 1e9)

    return prepare, lambda arguments: [track.id for track in tracker.update(*arguments)]


def deep_sort_realtime() -> Tracker:
    """Deep SORT of ``deep-sort-realtime`` with the same parameters."""
    from deep_sort_realtime.deepsort_tracker import DeepSort as RealtimeDeepSort

    tracker = RealtimeDeepSort(
        max_age=30, n_init=3, max_cosine_distance=0.2, nn_budget=BUDGET, embedder=None
    )

    def prepare(frame: BenchFrame) -> tuple[list[tuple[list[float], float, str]], list[np.ndarray]]:
        sides = np.hstack([frame.boxes[:, :2], frame.boxes[:, 2:] - frame.boxes[:, :2]]).tolist()
        return [(box, 0.9, "object") for box in sides], list(frame.descriptors)

    return prepare, lambda arguments: [
        track.track_id for track in tracker.update_tracks(arguments[0], embeds=arguments[1])
    ]


def roboflow_sort() -> Tracker:
    """SORT of roboflow's ``trackers``, which uses no appearance."""
    from supervision import Detections
    from trackers import SORTTracker

    tracker = SORTTracker(lost_track_buffer=30, frame_rate=RATE)

    def prepare(frame: BenchFrame) -> Any:
        count = len(frame.boxes)
        return Detections(
            xyxy=frame.boxes, confidence=np.full(count, 0.9), class_id=np.zeros(count, int)
        )

    return prepare, lambda detections: np.asarray(tracker.update(detections).tracker_id).tolist()


TRACKERS = {
    "assistant_perception": this_package,
    "deep-sort-realtime": deep_sort_realtime,
    "trackers (SORT)": roboflow_sort,
}


def milliseconds(
    make: Callable[[], Tracker], objects: int, warm_up: int, frames: int
) -> dict[str, float]:
    """Median and 95 % quantile over ``frames`` after ``warm_up`` frames.

    ``identities`` is the number of those given in the timed frames.
    """
    prepare, update = make()
    times: list[float] = []
    identities: set[int] = set()
    for frame in moving_objects(objects):
        arguments = prepare(frame)
        start = thread_time()
        ids = update(arguments)
        elapsed_s = thread_time() - start

        if frame.number > warm_up:
            times.append(1e3 * elapsed_s)
            identities.update(ids)
        if frame.number == warm_up + frames:
            break

    return {
        "median_ms": float(np.median(times)),
        "p95_ms": float(np.quantile(times, 0.95)),
        "identities": len(identities),
    }


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.tracking",
        description="Time the tracker beside two from PyPI, in milliseconds a frame.",
    )
    parser.add_argument("--objects", type=int, nargs="+", default=SIZES, help="numbers of objects")

    parser.add_argument("--frames", type=int, default=50, help="timed frames (default: 50)")
    parser.add_argument(
        "--warm-up",
        type=int,
        default=BUDGET + 10,
        help="frames before, to fill the galleries (default: 110)",
    )

    parser.add_argument(
        "--trackers",
        nargs="+",
        choices=TRACKERS,
        default=list(TRACKERS),
        help="which to run (default: all)",
    )
    add_json_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every tracker at every size; print a table and write JSON."""
    options = parse_arguments(arguments)
    threadpool_limits(1)
    jobs = [(name, objects) for objects in options.objects for name in options.trackers]
    results = []
    for name, objects in tqdm(jobs, desc="bench", disable=None):
        figures = milliseconds(TRACKERS[name], objects, options.warm_up, options.frames)
        results.append({"tracker": name, "objects": objects, **figures})

    _report(results, options.objects, options.trackers)
    write_figures(options.json, {"results": results})
    return 0


def _report(results: list[dict[str, Any]], sizes: Sequence[int], names: Sequence[str]) -> None:
    """One line for each tracker: median milliseconds a frame at each size."""
    median = {(result["tracker"], result["objects"]): result["median_ms"] for result in results}
    print(f"{'median ms per frame':22}" + "".join(f"{size:>9}" for size in sizes))
    for name in names:
        print(f"{name:22}" + "".join(f"{median[name, size]:9.2f}" for size in sizes))


if __name__ == "__main__":
    sys.exit(main())
