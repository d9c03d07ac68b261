# SPDX-License-Identifier: Apache-2.0
"""Where the time from image to poses goes: ``python -m bench.stages``.

Held-out rendered frames of the demo's objects are segmented, and the poses of what is found are
estimated, by each runtime in turns. With one thread, the default, CPU time is counted.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter, process_time
from typing import Any

import torch
from tqdm import tqdm

from bench.look_twice import Scene, render_scenes
from bench.timing import network_parser, write_figures
from perception_kit.resources import package_folder
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.segmentation.predictor import Segmenter

MODELS = package_folder() / "models" / "demo"
RUNTIMES = ("pytorch", "auto")
REST = "the rest"


class Pipeline:
    """Segmentation and poses by one runtime, with the seconds of each stage of each frame."""

    def __init__(self, runtime: str) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._clock = process_time if torch.get_num_threads() == 1 else perf_counter
        self.segmenter = Segmenter(MODELS / "segmentation.safetensors", "cpu", runtime=runtime)
        self.estimator = PoseEstimator(MODELS / "pose.safetensors", "cpu", runtime=runtime)

        segmenter, estimator = self.segmenter, self.estimator
        detector = segmenter._detector
        self._time(detector, "_network_image", "segmentation: resized and normalized image")
        self._time(detector, "_first_stage", "segmentation: pyramid and proposal head")
        self._time(detector, "_proposals", "segmentation: proposals")
        self._time(detector.heads, "forward", "segmentation: heads")
        self._time(estimator, "_cut", "poses: crops")
        self._time(estimator._crop_poses, "_network_poses", "poses: networks")
        self._time(estimator._crop_poses, "_verify", "poses: verification")

    def __call__(self, scene: Scene) -> int:
        """Work on a frame; returns the number of poses."""
        start = self._clock()
        instances = self.segmenter(scene.rgb, scene.depth, scene.intrinsics)
        middle = self._clock()
        poses = self.estimator(scene.rgb, scene.depth, scene.intrinsics, instances)
        self.seconds["segmentation"].append(middle - start)
        self.seconds["poses"].append(self._clock() - middle)
        return len(poses)

    def milliseconds(self) -> dict[str, float]:
        """Mean of each stage for a frame."""
        frames = len(self.seconds["segmentation"])
        means: dict[str, float] = {}
        for total in ("segmentation", "poses"):
            whole = 1e3 * sum(self.seconds[total]) / frames
            stages = {
                name: 1e3 * sum(values) / frames
                for name, values in self.seconds.items()
                if name.startswith(f"{total}: ")
            }
            rest = {f"{total}: {REST}": whole - sum(stages.values())}
            means |= {total: whole} | stages | rest
        return means

    def _time(self, owner: Any, name: str, stage: str) -> None:
        """Count the time of the calls of ``owner.name``."""
        call: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **more: Any) -> Any:
            start = self._clock()
            result = call(*args, **more)
            self.seconds[stage].append(self._clock() - start)
            return result

        setattr(owner, name, timed)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = network_parser("stages", "Time the stages from image to poses.", repetitions=5)
    parser.set_defaults(threads=1)
    parser.add_argument(
        "--frames", type=int, default=6, help="rendered frames (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the stages by each runtime, print a table and write JSON."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    scenes = render_scenes(options.frames)
    pipelines = {runtime: Pipeline(runtime) for runtime in RUNTIMES}

    # The first frames take longest.
    for pipeline in pipelines.values():
        pipeline(scenes[0])
        pipeline.seconds.clear()

    poses = 0
    for scene in tqdm(scenes * options.repetitions, desc="bench", disable=None):
        for pipeline in pipelines.values():
            poses += pipeline(scene)
    per_frame = poses / (len(RUNTIMES) * len(scenes) * options.repetitions)

    means = {runtime: pipeline.milliseconds() for runtime, pipeline in pipelines.items()}
    print_table(means, per_frame)
    write_figures(options.json, {"poses_per_frame": per_frame, "mean_ms": means})
    return 0


def print_table(means: Mapping[str, Mapping[str, float]], poses: float) -> None:
    """A line for each stage, a column for each runtime."""
    print(f"{f'mean ms per frame of {poses:.1f} poses':48}{''.join(f'{r:>10}' for r in means)}")
    for stage in means[RUNTIMES[0]]:
        print(f"{stage:48}{''.join(f'{values[stage]:>10.1f}' for values in means.values())}")


if __name__ == "__main__":
    sys.exit(main())
