# SPDX-License-Identifier: Apache-2.0
"""Identity switches and fragments per object: ``python -m bench.article.identities SEQUENCE…``.

As in the article on pose and tracking, Deep SORT as published follows the objects of a Mask R-CNN
once for each weight λ of the motion in the association cost. Beside it stands the tracker as the
node runs it, with the objects' 3D poses where there are depth images and a ``--pose-model``. A
sequence is a folder of annotated frames in the order of a video, scene by scene, or a bag with its
ground truth.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from bench.perception import Perception, VideoFrame, video_frame
from bench.timing import add_json_option, write_figures
from perception_kit.arguments import positive_float
from perception_kit.bags.recording import BagError
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.opener import open_dataset
from perception_kit.evaluation.ground_truth import FrameKey
from perception_kit.evaluation.ground_truth_dataset import DatasetGroundTruth
from perception_kit.evaluation.matching import EvaluatedFrame, counted_boxes
from perception_kit.metrics.tracking import TrackedBoxes, tracking_metrics
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import reporting, run_command
from perception_kit.replay.annotated_frames import annotated_frames
from perception_kit.replay.settings import ReplaySettings
from perception_kit.types import FrameResults
from pose6d_node import PoseEstimator, Segmenter
from tracker_node.config import TrackerConfig, TrackerNodeConfig
from tracker_node.deep_sort import DeepSort

LAMBDAS = (0.5, 0.25)  # of the article; a smaller one gives appearance more weight
NODE = "node"
TABLE_WIDTH = 120
SHOWN = ("id_switches", "fragments", "truth_ids", "truth_boxes", "misses")
# By tracker and class.
Counts = dict[str, dict[str, dict[str, int]]]


def dataset_scenes(folder: Path) -> Iterator[tuple[str, Iterator[VideoFrame]]]:
    """Each scene of a folder of annotated frames, with its name. Raises DatasetError."""
    dataset = open_dataset(folder)
    ground_truth = DatasetGroundTruth(folder, len(dataset))

    def frame(index: int) -> VideoFrame:
        rgb = dataset.rgb(index)
        (truth,) = ground_truth.frames([FrameKey(index, index)])
        if not dataset.has_depth:
            return VideoFrame(rgb, None, None, truth)
        camera = dataset.intrinsics(index, *rgb.shape[:2])
        return VideoFrame(rgb, dataset.depth(index), camera, truth)

    for scene, indices in groupby(range(len(dataset)), dataset.scene):
        yield scene, map(frame, list(indices))


def bag_frames(bag: Path, model: Path) -> Iterator[VideoFrame]:
    """The frames of a bag with ground truth; ``model`` is any model file.

    Raises BagError, and DatasetError without ground truth.
    """
    settings = ReplaySettings(bag, Path(), model, model, model)
    return (video_frame(bag, recorded) for recorded in annotated_frames(settings))


class IdentityCounter:
    """Follows the objects of one sequence with each tracker, by the same detections.

    Its frames are ``1 / rate`` seconds apart.
    """

    def __init__(self, segmenter: Segmenter, estimator: PoseEstimator | None, rate: float) -> None:
        self._perceive, self._rate = Perception(segmenter, estimator), rate
        # Published noise is per frame, whatever the time between two of them.
        published = {
            f"λ = {weight:g}": TrackerConfig(motion_weight=weight, nominal_frame_rate=rate)
            for weight in LAMBDAS
        }
        self._trackers = {
            name: DeepSort(config)
            for name, config in {**published, NODE: TrackerNodeConfig()}.items()
        }
        self._boxes: dict[str, list[tuple[TrackedBoxes, TrackedBoxes]]] = defaultdict(list)

    def add(self, number: int, frame: VideoFrame) -> None:
        """Follow frame ``number``."""
        stamp_ns = round(number * 1e9 / self._rate)
        instances, poses, _ = self._perceive(frame)
        for name, tracker in self._trackers.items():
            tracks = tracker.update(instances, stamp_ns, poses if name == NODE else [])
            results = FrameResults(instances, poses, tracks)
            evaluated = EvaluatedFrame(stamp_ns, frame.ground_truth, results)
            self._boxes[name].append(counted_boxes(evaluated))

    def counts(self) -> Counts:
        """Switches, fragments, objects and their boxes, and missed ones."""
        return {
            tracker: {
                name: _counts([(_of_class(a, name), _of_class(b, name)) for a, b in frames])
                for name in _class_names(truth for truth, _ in frames)
            }
            for tracker, frames in self._boxes.items()
        }


def _class_names(frames: Iterable[TrackedBoxes]) -> list[str]:
    names: set[str] = set()
    for boxes in frames:
        assert boxes.classes is not None
        names.update(boxes.classes.tolist())
    return sorted(names)


def _of_class(boxes: TrackedBoxes, name: str) -> TrackedBoxes:
    assert boxes.classes is not None
    chosen = boxes.classes == name
    return TrackedBoxes(boxes.ids[chosen], boxes.boxes[chosen])


def _counts(frames: Sequence[tuple[TrackedBoxes, TrackedBoxes]]) -> dict[str, int]:
    metrics = tracking_metrics([truth for truth, _ in frames], [found for _, found in frames])
    return {name: int(metrics[name] or 0) for name in SHOWN}


def add_up(counts: Iterable[Counts]) -> Counts:
    """The counts of several scenes together."""
    total: Counts = {}
    for of_scene in counts:
        for tracker, classes in of_scene.items():
            for name, values in classes.items():
                of_class = total.setdefault(tracker, {}).setdefault(name, dict.fromkeys(SHOWN, 0))
                for key, value in values.items():
                    of_class[key] += value
    return total


def measure(
    sequence: Path, segmentation_model: Path, pose_model: Path | None, rate: float
) -> Counts:
    """Counts of all scenes of a sequence. Raises BagError, DatasetError, ModelFileError."""
    segmenter = Segmenter(segmentation_model)
    estimator = PoseEstimator(pose_model) if pose_model is not None else None
    scenes = dataset_scenes(sequence)
    if (sequence / "metadata.yaml").is_file():
        scenes = iter([(sequence.name, bag_frames(sequence, segmentation_model))])
    counts = []
    for scene, frames in scenes:
        counter = IdentityCounter(segmenter, estimator, rate)
        for number, frame in enumerate(tqdm(frames, desc=scene, unit="frame", disable=None)):
            counter.add(number, frame)
        counts.append(counter.counts())
    return add_up(counts)


def counts_table(counts: Counts, title: str) -> Table:
    """A row per object: its boxes, and switches and fragments with each tracker."""
    table = Table("object", title=title, title_justify="left")
    headers = ["boxes"]
    for tracker in counts:
        headers += [f"switches, {tracker}", f"fragments, {tracker}"]
    for header in headers:
        table.add_column(header, justify="right")
    for name, values in next(iter(counts.values())).items():
        row = [name, str(values["truth_boxes"])]
        for classes in counts.values():
            row += [str(classes[name]["id_switches"]), str(classes[name]["fragments"])]
        table.add_row(*row)
    return table


@reporting("identities", BagError, DatasetError, ModelFileError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all sequences and print a table for each."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.article.identities",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sequences", type=Path, nargs="+")
    parser.add_argument("--segmentation-model", type=Path, required=True)
    parser.add_argument("--pose-model", type=Path)
    parser.add_argument(
        "--fps", type=positive_float, default=2.0, help="frames per second (default %(default)s)"
    )
    add_json_option(parser)
    options = parser.parse_args(arguments)

    console, figures = Console(highlight=False, soft_wrap=True), {}
    console.width = max(console.width, TABLE_WIDTH)
    for sequence in options.sequences:
        counts = figures[sequence.name] = measure(
            sequence, options.segmentation_model, options.pose_model, options.fps
        )
        console.print(counts_table(counts, sequence.name))
    write_figures(options.json, {"sequences": figures})
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
