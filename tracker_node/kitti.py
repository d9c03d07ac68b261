# SPDX-License-Identifier: Apache-2.0
"""3D association on KITTI: ``python -m tracker_node.kitti --detections DIR --labels DIR``.

Pedestrians are tracked with the motion of their boxes and with that of their 3D positions, in one
table. There is no appearance in these files: motion alone decides.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from threadpoolctl import threadpool_limits

from perception_kit.arguments import CommandParser, program_name, with_new_names
from perception_kit.json_output import prepare_file, table_stream, write_json
from perception_kit.metrics.tracking import TrackedBoxes, tracking_metrics
from perception_kit.processes import run_command
from perception_kit.types import TrackState
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.kitti_files import (
    KittiDetections,
    read_detections,
    read_labels,
    report_labels,
    write_results,
)

RATE_HZ = 10.0

NEW_NAMES = {"--min-score": "--min-confidence"}
MOTION_TERMS = ("2D", "3D")
COLUMNS = {
    "mota": "MOTA",
    "motp": "MOTP",
    "idf1": "IDF1",
    "hota": "HOTA",
    "id_switches": "switches",
    "fragments": "fragments",
}

# Pedestrians seen by a laser scanner from a moving car, relative to it: other noise than objects on
# a table.
CONFIG = TrackerConfig(
    nominal_frame_rate=RATE_HZ,
    pose_noise=0.15,
    position_process_noise=0.1,
    velocity_process_noise=0.1,
    initial_velocity_noise=3.0,
)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line; None: of this process."""
    return _parser().parse_args(with_new_names(arguments, NEW_NAMES))


def main(arguments: Sequence[str] | None = None) -> int:
    """Track, print the table, and write it where the command line says."""
    args = parse_arguments(arguments)
    threadpool_limits(1)  # the arrays are small: more BLAS threads only wait for each other

    sequences = args.sequences or sorted(path.stem for path in args.labels.glob("*.txt"))
    if not sequences:
        _parser().error(f"no label files SEQUENCE.txt in {args.labels}")
    try:
        if args.json:
            prepare_file(args.json)
        results = compare_motion_terms(
            args.detections, args.labels, sequences, args.min_confidence, args.out
        )
    except (ValueError, OSError) as error:
        _parser().error(str(error))

    if args.json:
        report = {"results": results, "min_score": args.min_confidence, "config": asdict(CONFIG)}
        write_json(args.json, report)
    print_table(results, table_stream(args.json))
    return 0


def compare_motion_terms(
    detections: Path,
    labels: Path,
    sequences: Sequence[str],
    min_score: float,
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """Metrics with the motion of boxes ("2D") and of positions ("3D").

    There are those of every sequence, and of all sequences together ("all"). The tracks go to
    ``out/2D/SEQUENCE.txt`` and ``out/3D/SEQUENCE.txt`` as KITTI results.
    """
    results = []
    ground_truth: list[list[TrackedBoxes]] = []
    tracked: dict[str, list[list[TrackedBoxes]]] = {motion: [] for motion in MOTION_TERMS}
    for name in sequences:
        detected = read_detections(detections / f"{name}.txt")
        labeled = read_labels(labels / f"{name}.txt")
        report_labels(labels / f"{name}.txt", labeled)
        frames = int(max(detected.frame.max(initial=-1), labeled.frame.max(initial=-1))) + 1
        evaluated = labeled.evaluated()

        for motion in MOTION_TERMS:
            config = replace(CONFIG, pose_association=motion == "3D")
            tracks = track_pedestrians(detected, frames, min_score, config)
            if out is not None:
                write_results(out / motion / f"{name}.txt", tracks)
            expected, scored = evaluated.compare(tracks, first_frame=0)
            tracked[motion].append(scored)
            metrics = tracking_metrics(expected, scored)
            results.append({"sequence": name, "motion": motion, **metrics})
        ground_truth.append(expected)

    for motion in MOTION_TERMS:
        metrics = tracking_metrics(
            combine_sequences(ground_truth), combine_sequences(tracked[motion])
        )
        results.append({"sequence": "all", "motion": motion, **metrics})
    return results


def track_pedestrians(
    detections: KittiDetections, frames: int, min_score: float, config: TrackerConfig
) -> list[TrackedBoxes]:
    """Boxes of the confirmed tracks in frames 0 to ``frames`` - 1.

    These are the tracks that were matched in the frame or in the one before.
    """
    tracker = DeepSort(config)
    period_s = 1 / config.nominal_frame_rate
    result = []
    for frame in range(frames):
        instances, poses = detections.of_frame(frame, min_score)
        tracks = tracker.update(instances, round(frame * period_s * 1e9), poses)

        shown = [
            track
            for track in tracks
            if track.state != TrackState.TENTATIVE and track.time_since_update < 1.5 * period_s
        ]
        ids = np.array([track.id for track in shown])
        result.append(TrackedBoxes(ids, np.array([track.box for track in shown])))
    return result


def combine_sequences(sequences: Sequence[Sequence[TrackedBoxes]]) -> list[TrackedBoxes]:
    """The frames of all sequences one after the other.

    Identities are numbered anew: those of different sequences differ, however large they are.
    """
    combined, count = [], 0
    for frames in sequences:
        known = np.unique(np.concatenate([np.zeros(0, np.int64), *(boxes.ids for boxes in frames)]))
        combined += [
            TrackedBoxes(count + np.searchsorted(known, boxes.ids), boxes.boxes) for boxes in frames
        ]
        count += len(known)
    return combined


def print_table(results: Sequence[dict[str, Any]], stream: TextIO) -> None:
    """One line for each sequence and motion term; fractions in percent."""
    titles = "".join(f"{title:>10}" for title in COLUMNS.values())
    print(f"{'sequence':>8} {'motion':>6}{titles}", file=stream)
    for result in results:
        cells = "".join(f"{_cell(result[key]):>10}" for key in COLUMNS)
        print(f"{result['sequence']:>8} {result['motion']:>6}{cells}", file=stream)


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{100 * value:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("tracker_node.kitti"),
        description="Track KITTI pedestrians with 2D and 3D motion.",
    )

    parser.add_argument(
        "--detections", type=Path, required=True, help="folder of detections, SEQUENCE.txt each"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        help="folder of KITTI tracking labels, SEQUENCE.txt each",
    )
    parser.add_argument(
        "--sequences", nargs="+", help="which to track (default: all that have labels)"
    )
    parser.add_argument(
        "--min-confidence",
        type=float,
        default=1.0,
        help="detections with a lower score are left out (default: 1)",
    )

    parser.add_argument(
        "--out", type=Path, help="folder for the tracks as KITTI results, 2D and 3D (default: none)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="PATH",
        help="where the metrics go, with the configuration; - for standard output",
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
