# SPDX-License-Identifier: Apache-2.0
"""How the cost of a frame grows: ``python -m bench.growth``.

A rendered frame of the demo's objects is segmented at several sizes, its objects are estimated over
and over as if there were more of them, and clips of so many people are classified, all by the
demo's models and ``auto``. With one thread, the default, CPU time is counted. ``bench.tracking``
does the same for the tracker.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle, islice

import cv2
import numpy as np
import torch

from actionrec_node.networks.classifier import load_classifier
from bench.actions import random_clip
from bench.look_twice import Scene, render_scenes
from bench.timing import milliseconds, network_parser, write_figures
from perception_kit.resources import package_folder
from perception_kit.types import Intrinsics
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.segmentation.predictor import Segmenter

MODELS = package_folder() / "models" / "demo"
SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
OBJECTS = (1, 5, 10, 20, 50)
PEOPLE = (1, 2, 5, 10, 20)
Calls = dict[str, Callable[[], object]]


def resized(scene: Scene, width: int, height: int) -> tuple[np.ndarray, np.ndarray, Intrinsics]:
    """Color (H, W, 3), depth (H, W) in meters and intrinsics of the scene at another size."""
    rows, columns = scene.depth.shape
    x, y = width / columns, height / rows
    camera = scene.intrinsics
    return (
        cv2.resize(scene.rgb, (width, height), interpolation=cv2.INTER_AREA),
        cv2.resize(scene.depth, (width, height), interpolation=cv2.INTER_NEAREST),
        Intrinsics(camera.fx * x, camera.fy * y, camera.cx * x, camera.cy * y, width, height),
    )


def segmentation_calls(scene: Scene) -> Calls:
    """Segmentation of one frame, by its size."""
    segmenter = Segmenter(MODELS / "segmentation.safetensors", "cpu")
    return {
        f"{width}x{height}": partial(segmenter, *resized(scene, width, height))
        for width, height in SIZES
    }


def pose_calls(scene: Scene) -> Calls:
    """Poses in one frame, by the number of objects."""
    estimator = PoseEstimator(MODELS / "pose.safetensors", "cpu")
    return {
        str(count): partial(
            estimator,
            scene.rgb,
            scene.depth,
            scene.intrinsics,
            list(islice(cycle(scene.instances), count)),
        )
        for count in OBJECTS
    }


def action_calls(threads: int) -> Calls:
    """One clip of everybody, by the number of people."""
    model = load_classifier(MODELS / "action.safetensors", threads=threads).model
    clip = random_clip(model.spec.clip_length, model.spec.size)
    return {str(count): partial(model.probabilities, [clip] * count) for count in PEOPLE}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = network_parser("growth", "Time frames of more and more.", repetitions=9)
    parser.set_defaults(threads=1)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time all, print a table of each, and write JSON."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    scene = max(render_scenes(6), key=lambda scene: len(scene.instances))
    parts = {
        "segmentation, by size of the image": segmentation_calls(scene),
        "poses, by number of objects": pose_calls(scene),
        "actions, by number of people": action_calls(options.threads),
    }
    times = {name: milliseconds(calls, options.repetitions) for name, calls in parts.items()}
    print_table(times)
    write_figures(options.json, {"median_ms": times})
    return 0


def print_table(times: Mapping[str, Mapping[str, float]]) -> None:
    """Two lines for each part: what grows, and the milliseconds."""
    for part, values in times.items():
        print(part)
        print(f"{'':8}{''.join(f'{name:>12}' for name in values)}")
        print(f"{'ms':8}{''.join(f'{value:>12.1f}' for value in values.values())}")


if __name__ == "__main__":
    sys.exit(main())
