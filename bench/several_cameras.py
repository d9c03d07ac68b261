# SPDX-License-Identifier: Apache-2.0
"""Identities over cameras that move: ``python -m bench.several_cameras BAG… --cameras left right``.

The bags are those of ``perception synth --cameras 2``, or of ``--path drive`` (without
``--cameras``), which leaves a table and comes back. The algorithms of the nodes run in one process,
with the demo's models, and the tracker in the fixed frame. Reported are hand-overs between views,
returns into a view, how far tracks are from their objects in the fixed frame, the time of each
stage for one frame of one camera, and the memory of the process with the networks of one camera,
of two, …: what each added camera costs.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.memory import resident_mb
from bench.perception import Perception, VideoFrame, video_frame
from bench.timing import add_json_option, write_figures
from perception_kit.bags.bag import BagReader
from perception_kit.bags.recording import BagError
from perception_kit.bags.transforms import RecordedTransforms, UnknownTransform
from perception_kit.datasets.files import DatasetError
from perception_kit.evaluation.matching import EvaluatedFrame, counted_boxes
from perception_kit.geometry import transform
from perception_kit.metrics.tracking import identity_events
from perception_kit.processes import reporting, run_command
from perception_kit.replay.annotated_frames import annotated_frames
from perception_kit.replay.cameras import RecordedView, fuse_views
from perception_kit.replay.settings import ReplaySettings
from perception_kit.resources import package_folder
from perception_kit.types import FrameResults, TrackEstimate
from pose6d_node import PoseEstimator, Segmenter
from tracker_node.config import TrackerNodeConfig
from tracker_node.deep_sort import DeepSort

FIXED_FRAME = "odom"
DEMO = package_folder() / "models" / "demo"

# By camera.
Models = dict[str, tuple[Segmenter, PoseEstimator]]


@dataclass
class Measured:
    """``seconds`` of each stage and frame, and ``errors`` of positions in the fixed frame, m.

    The latter by track id of the ground truth: stamp and distance.
    """

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: defaultdict[int, list[tuple[int, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )


class Nodes:
    """The algorithms of pose6d_node and tracker_node for one camera of a bag."""

    def __init__(self, bag: Path, camera: str, segmenter: Segmenter, estimator: PoseEstimator):
        model = DEMO / "action.safetensors"  # of no use here
        self.camera = camera
        self._settings = ReplaySettings(bag, Path(), model, model, model, camera_namespace=camera)
        self._perceive = Perception(segmenter, estimator)
        self._tracker = DeepSort(TrackerNodeConfig(fixed_frame=FIXED_FRAME))
        self.measured = Measured()

    def views(self, transforms: RecordedTransforms) -> Iterator[RecordedView]:
        """Each frame with its tracks."""
        for recorded in annotated_frames(self._settings):
            message = recorded.message
            stamp_ns, frame_id = message.stamp_ns, message.color.message.header.frame_id
            pose = transforms.pose_in(FIXED_FRAME, frame_id, stamp_ns)
            seen = video_frame(self._settings.bag, recorded)
            frame = EvaluatedFrame(stamp_ns, seen.ground_truth, self._results(seen, stamp_ns, pose))
            self._measure_errors(frame, pose)
            yield RecordedView(self.camera, recorded.reader, message, frame)

    def _results(self, frame: VideoFrame, stamp_ns: int, pose: np.ndarray) -> FrameResults:
        instances, poses, seconds = self._perceive(frame)
        start = perf_counter()
        tracks = self._tracker.update(instances, stamp_ns, poses, pose)
        for stage, took in {**seconds, "tracking": perf_counter() - start}.items():
            self.measured.seconds[stage].append(took)
        return FrameResults(instances, poses, tracks)

    def _measure_errors(self, frame: EvaluatedFrame, pose: np.ndarray) -> None:
        """How far the tracks that match an object are from it in the fixed frame."""
        ground_truth, scored = counted_boxes(frame)
        tracks = {track.id: track for track in frame.results.tracks}
        objects = {track.id: track for track in frame.ground_truth.tracks or []}
        for event in identity_events([ground_truth], [scored])[0]:
            if event.track_id is None:
                continue
            places = [
                _place(objects[event.ground_truth_id], pose),
                _place(tracks[event.track_id], pose),
            ]
            if places[0] is not None and places[1] is not None:
                distance = float(np.linalg.norm(places[0] - places[1]))
                self.measured.errors[event.ground_truth_id].append((frame.stamp_ns, distance))


def _place(track: TrackEstimate, camera_to_fixed: np.ndarray) -> np.ndarray | None:
    """(3,) position in the fixed frame, None where it is unknown."""
    if track.position is None:
        return None
    return transform(track.position[None], camera_to_fixed[:3, :3], camera_to_fixed[:3, 3])[0]


def load(cameras: Sequence[str]) -> tuple[Models, dict[str, float]]:
    """The networks of each camera, and the memory of the process once it has them, MB."""
    models: Models = {}
    resident: dict[str, float] = {}
    for camera in cameras:
        models[camera] = (
            Segmenter(DEMO / "segmentation.safetensors", "cpu"),
            PoseEstimator(DEMO / "pose.safetensors", "cpu"),
        )
        resident[camera] = resident_mb()
    return models, resident


def measure(bag: Path, models: Models) -> Any:
    """Figures of one bag with the cameras of the ``models``."""
    with BagReader(bag) as reader:
        transforms = RecordedTransforms.of_bag(reader)
    nodes = {camera: Nodes(bag, camera, *own) for camera, own in models.items()}
    report = fuse_views(
        {camera: node.views(transforms) for camera, node in nodes.items()},
        transforms,
        FIXED_FRAME,
    )
    distances = [
        distance
        for node in nodes.values()
        for seen in node.measured.errors.values()
        for _, distance in seen
    ]
    # Of what comes back: the error of each object in the frame in which it is first matched again.
    back = [
        distance
        for entry in report["seen_again"]
        for stamp_ns, distance in nodes[entry["camera"]].measured.errors[entry["ground_truth_id"]]
        if stamp_ns == entry["stamp_ns"]
    ]
    stages: defaultdict[str, list[float]] = defaultdict(list)
    for node in nodes.values():
        for stage, seconds in node.measured.seconds.items():
            stages[stage] += seconds
    return report | {
        "position_error_m": {
            "median": float(np.median(distances)),
            "p95": float(np.percentile(distances, 95)),
            "seen_again_median": float(np.median(back)) if back else None,
            "seen_again_max": max(back, default=None),
        },
        "median_ms": {stage: 1e3 * float(np.median(values)) for stage, values in stages.items()},
    }


@reporting("several_cameras", BagError, DatasetError, UnknownTransform)
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all bags and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bags", type=Path, nargs="+")
    parser.add_argument("--cameras", nargs="+", default=[""], help="namespaces (default: none)")
    add_json_option(parser)
    options = parser.parse_args(arguments)

    models, resident = load(options.cameras)
    megabytes = ", ".join(f"{mb:.1f}" for mb in resident.values())
    print(f"MB with the networks of the first camera, the first two, …: {megabytes}", flush=True)
    figures = {}
    for bag in options.bags:
        figures[bag.name] = found = measure(bag, models) | {"resident_mb": resident}
        errors = found["position_error_m"]
        print(
            f"{bag.name}: {found['hand_overs_kept']} of {found['hand_overs']} hand-overs and"
            f" {found['returns_kept']} of {found['returns']} returns keep the identity,"
            f" {found['id_switches']} switches; position error median"
            f" {1e3 * errors['median']:.0f} mm; ms a frame"
            f" { ({stage: round(value) for stage, value in found['median_ms'].items()}) }",
            flush=True,
        )
    write_figures(options.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
