# SPDX-License-Identifier: Apache-2.0
"""What looking twice costs and brings: ``python -m bench.look_twice``.

Rendered frames of the demo's objects with true masks, seen by the demo's model with surfaces: the
networks alone, by PyTorch and by the default runtime, with Open3D's ICP after them, and with ever
more hypotheses; the last poses are the true ones, as if the frame before had shown the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from bench.timing import milliseconds, network_parser, print_times, write_figures
from perception_kit.datasets.frame import instance_from_mask
from perception_kit.synth.bop_models import write_models
from perception_kit.synth.objects import builtin_classes
from perception_kit.synth.room import TexturePool
from perception_kit.synth.sampling import random_view
from perception_kit.synth.scene import observe, pinhole
from perception_kit.synth.splits import seeded
from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node.densefusion.object_update import update
from pose6d_node.densefusion.predictor import PoseEstimator

MODEL = Path("models/demo/pose.safetensors")
MIN_VISIBLE = 0.5


@dataclass
class Scene:
    """A frame, the instances to estimate, and their true poses."""

    rgb: np.ndarray
    depth: np.ndarray
    intrinsics: Intrinsics
    instances: list[Instance]
    truth: list[PoseEstimate]


def render_scenes(count: int) -> list[Scene]:
    """Held-out frames of the demo's objects; those that are half hidden are left out."""
    classes, textures = builtin_classes(), TexturePool("test", ())
    sizes = {c.name: np.ptp(c.mesh.vertices, axis=0) for c in classes}
    camera = pinhole(640, 480)
    scenes = []
    for number in tqdm(range(count), desc="rendering", disable=None):
        rng = seeded("test", 0, number)
        view = random_view(rng, classes, textures, with_person=False)
        frame = observe(view.scene, view.camera_to_world, camera, rng)

        instances: list[Instance] = []
        truth: list[PoseEstimate] = []
        for seen in frame.instances.values():
            if seen.visible_fraction < MIN_VISIBLE or seen.pose is None:
                continue
            instance = instance_from_mask(seen.class_id, seen.class_name, 1.0, seen.mask)
            if instance is None:
                continue
            instances.append(instance)
            rotation, translation = seen.pose[:3, :3], seen.pose[:3, 3]
            index, size = len(truth), sizes[seen.class_name]
            truth.append(
                PoseEstimate(
                    index, seen.class_id, seen.class_name, rotation, translation, 1.0, size
                )
            )
        depth = frame.depth_mm.astype(np.float32) / 1000
        scenes.append(Scene(frame.rgb, depth, camera, instances, truth))
    return scenes


def estimate_all(estimator: PoseEstimator, scenes: Sequence[Scene], with_truth: bool) -> None:
    """The poses of all scenes."""
    for scene in scenes:
        last = scene.truth if with_truth else ()
        estimator(scene.rgb, scene.depth, scene.intrinsics, scene.instances, last)


def time_stages(model: Path, scenes: Sequence[Scene], repetitions: int) -> dict[str, float]:
    """Milliseconds for all scenes, by the way to estimate."""
    make = partial(PoseEstimator, model, "cpu", min_confidence=0.0)
    calls: dict[str, Callable[[], object]] = {
        "networks by PyTorch": partial(
            estimate_all, make(hypotheses="none", runtime="pytorch"), scenes, False
        ),
        "networks": partial(estimate_all, make(hypotheses="none"), scenes, False),
        "networks and Open3D's ICP": partial(
            estimate_all, make(hypotheses="none", icp=True), scenes, False
        ),
        "registered": partial(estimate_all, make(hypotheses="network"), scenes, False),
        "+ turns": partial(estimate_all, make(hypotheses="turns"), scenes, False),
        "+ views": partial(estimate_all, make(), scenes, False),
        "+ last poses": partial(estimate_all, make(), scenes, True),
    }
    return milliseconds(calls, repetitions)


def model_with_surfaces(folder: Path) -> Path:
    """The demo's pose model with the surfaces of its objects, written to ``folder``."""
    write_models(folder / "models", builtin_classes(), with_person=False)
    path = folder / "pose.safetensors"
    update(MODEL, folder / "models", [], path)
    return path


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = network_parser("look_twice", "Time looking twice at poses.", repetitions=5)
    parser.add_argument(
        "--frames", type=int, default=10, help="rendered frames (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the ways to estimate, print a table and write JSON."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    scenes = render_scenes(options.frames)
    objects = sum(len(scene.instances) for scene in scenes) / len(scenes)

    with tempfile.TemporaryDirectory() as folder:
        path = model_with_surfaces(Path(folder))
        times = time_stages(path, scenes, options.repetitions)
    per_frame = {name: value / len(scenes) for name, value in times.items()}
    print_times(per_frame, f"frame of {objects:.1f} objects")
    write_figures(options.json, {"objects": objects, "median_ms": per_frame})
    return 0


if __name__ == "__main__":
    sys.exit(main())
