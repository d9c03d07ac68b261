# SPDX-License-Identifier: Apache-2.0
"""Track a MOTChallenge file: ``python -m tracker_node.mot --detections det.txt --out tracks.txt``.

With ground truth, it also computes metrics.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from perception_kit.arguments import CommandParser, bounded_int, program_name
from perception_kit.json_output import is_stdout, prepare_file, table_stream, write_json
from perception_kit.metrics.tracking import TrackedBoxes, tracking_metrics
from perception_kit.processes import run_command
from perception_kit.types import Instance, TrackState
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.descriptors import read_features, warn_alike
from tracker_node.labels import Labels
from tracker_node.motchallenge import MotTable, write_tracks
from tracker_node.outputs import report_skipped
from tracker_node.sequence_files import (
    ReadingOptions,
    add_reading_arguments,
    read_sequence_detections,
    read_sequence_labels,
    reading_options,
    warn_uncovered,
)

NO_MASK = np.zeros((0, 0), bool)
NO_DESCRIPTOR = np.zeros(0, np.float32)

FRACTIONS = ("mota", "motp", "idf1", "hota", "deta", "assa")

Metrics = dict[str, float | int | None]


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line; None: of this process."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.json and not args.truth:
        parser.error("--json writes metrics and needs --truth to compute them")
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    """Track, write the tracks and, with ground truth, the metrics."""
    args = parse_arguments(arguments)
    threadpool_limits(1)  # the arrays are small: more BLAS threads only wait for each other

    try:
        config = TrackerConfig(motion_weight=args.motion_weight, nominal_frame_rate=args.fps)
        options = reading_options(args)
        detections, features = read_described_detections(
            args.detections, args.features, options, config
        )
        ground_truth = read_sequence_labels(args.truth, options) if args.truth else None
        _prepare_outputs(args)
    except (ValueError, OSError) as error:
        _parser().error(str(error))

    last_detected = detections.frame.max(initial=0)
    last_labeled = ground_truth.frame.max(initial=0) if ground_truth else 0
    frames = args.frames or int(max(last_detected, last_labeled))
    tracked = track_detections(detections, features, frames, config)
    write_tracks(args.out, tracked)

    stream = table_stream(args.json)
    used = np.count_nonzero(detections.frame <= frames)
    identities = {track_id for _, track_id, _ in tracked}
    print(
        f"{used} detections in {frames} frames: {len(identities)} tracks, {len(tracked)} boxes in"
        f" {args.out}",
        file=stream,
    )

    if ground_truth is not None:
        if not np.isin(detections.frame, ground_truth.frame).any():
            print(
                "no frame has both detections and truth: are both files of the same sequence?",
                file=sys.stderr,
            )
        warn_uncovered(ground_truth, detections, frames)
        metrics = score_tracks(ground_truth, tracked, frames)
        _warn_no_match(metrics, tracked)
        if args.json:
            write_json(args.json, {**metrics, "config": asdict(config)})
        _print_metrics(metrics, stream)
    return 0


def track_detections(
    detections: MotTable, features: np.ndarray | None, frames: int, config: TrackerConfig
) -> list[tuple[int, int, np.ndarray]]:
    """Run Deep SORT over frames 1 to ``frames`` at the nominal frame rate.

    ``features`` (N, D) has one descriptor for each row of ``detections``. Returns (frame, track id,
    box) of the confirmed tracks that were matched in the frame or in the one before. Detections
    that cannot be used are named on standard error.
    """
    tracker = DeepSort(config)
    period_s = 1.0 / config.nominal_frame_rate
    tracked = []
    for frame in tqdm(range(1, frames + 1), desc="tracking", unit="frame", disable=None):
        instances = instances_of(detections, features, frame)
        for track in tracker.update(instances, round(frame * period_s * 1e9)):
            if track.state != TrackState.TENTATIVE and track.time_since_update < 1.5 * period_s:
                tracked.append((frame, track.id, track.box))
        report_skipped(f"frame {frame}", tracker.rejected)
    return tracked


def score_tracks(
    ground_truth: Labels, tracked: Sequence[tuple[int, int, np.ndarray]], frames: int
) -> Metrics:
    """Tracking metrics of frames 1 to ``frames`` by the rules of the labels' benchmark.

    ``tracked`` has rows (frame, track id, box).
    """
    rows_of: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(frames)]
    for frame, track_id, box in tracked:
        rows_of[frame - 1].append((track_id, box))

    boxes = [
        TrackedBoxes(
            np.array([track_id for track_id, _ in rows]), np.array([box for _, box in rows])
        )
        for rows in rows_of
    ]
    return tracking_metrics(*ground_truth.compare(boxes, first_frame=1))


def read_described_detections(
    path: Path, features_path: Path | None, options: ReadingOptions, config: TrackerConfig
) -> tuple[MotTable, np.ndarray | None]:
    """The detections of a file, and (N, D) descriptors where there are any.

    Raises ValueError for files that cannot be used.
    """
    detections = read_sequence_detections(path, options)
    features = detections.features
    if features_path is not None:
        features = read_features(features_path, detections.whole)
    if features is not None:
        features = features[detections.row]
        warn_alike(detections.table.frame, features, config.max_cosine_distance)
    return detections.table, features


def instances_of(detections: MotTable, features: np.ndarray | None, frame: int) -> list[Instance]:
    """The detections of a frame.

    ``features`` (N, D) has one descriptor for each row of ``detections``.
    """
    return [
        Instance(
            class_id=1,
            class_name="object",
            score=float(detections.confidence[row]),
            box=detections.boxes[row],
            mask=NO_MASK,
            mask_origin=(0, 0),
            descriptor=NO_DESCRIPTOR if features is None else features[row],
        )
        for row in detections.rows_of(frame)
    ]


def _prepare_outputs(args: argparse.Namespace) -> None:
    """See that the results can be written.

    Raises OSError, and ValueError where one would take the place of another file in use.
    """
    in_use = [path.resolve() for path in (args.detections, args.features, args.truth) if path]
    for path in (args.out, args.json):
        if path is None or is_stdout(path):
            continue
        if path.resolve() in in_use:
            raise ValueError(
                f"{path} is read and would be overwritten by the results: name another file"
            )
        in_use.append(path.resolve())
        prepare_file(path)


def _warn_no_match(metrics: Metrics, tracked: Sequence[tuple[int, int, np.ndarray]]) -> None:
    """Warn where not one track overlaps a label enough."""
    if tracked and metrics["truth_boxes"] and metrics["misses"] == metrics["truth_boxes"]:
        print(
            "warning: no track overlaps a label by half: are both pixels of one image, boxes"
            " left, top, width, height (see --boxes), and frames counted from 1 in both files?",
            file=sys.stderr,
        )


def _print_metrics(metrics: Metrics, stream: TextIO) -> None:
    """Print the metrics, fractions as percentages."""
    for name in FRACTIONS:
        value = metrics[name]
        print(f"{name:20} {'-' if value is None else f'{100 * value:.1f} %'}", file=stream)
    for name, value in metrics.items():
        if isinstance(value, int):
            print(f"{name:20} {value}", file=stream)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("tracker_node.mot"),
        description="Track the detections of a MOTChallenge text file.",
    )

    parser.add_argument(
        "--detections",
        type=Path,
        required=True,
        help="frame,-1,left,top,width,height,confidence,… one line each; KITTI results; or Deep"
        " SORT's .npy",
    )
    parser.add_argument(
        "--features",
        type=Path,
        help=".npy array with one appearance descriptor for each line of --detections",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        help="ground truth to compare with: frame,id,left,top,width,height,… or KITTI labels",
    )
    add_reading_arguments(parser)
    parser.add_argument(
        "--fps", type=float, default=30.0, help="frames per second of the sequence (default: 30)"
    )
    parser.add_argument(
        "--frames",
        type=bounded_int(1),
        help="track frames 1 to this one (default: to the last one in the files)",
    )
    parser.add_argument(
        "--lambda",
        dest="motion_weight",
        type=float,
        default=0.0,
        help="weight of motion in the cost, 0 (published) to 1",
    )

    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="where the tracks go: confirmed, matched in this frame or the one before",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="PATH",
        help=(
            "where the metrics go, with the configuration (needs --truth); - for standard output"
        ),
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
