# SPDX-License-Identifier: Apache-2.0
"""3D association on KITTI: pedestrians tracked with the motion of their boxes and with that of
their 3D positions, in one table.

``python -m tracker_node.kitti --detections DIR --labels DIR``. There is no appearance in these
files: motion alone decides.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from perception_kit.boxes import box_area, box_iou
from perception_kit.metrics.tracking import TrackedBoxes, tracking_metrics
from perception_kit.types import TrackState
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.kitti_files import (
    PEDESTRIAN,
    KittiDetections,
    KittiLabels,
    read_detections,
    read_labels,
)
from tracker_node.outputs import prepare_file, write_json

RATE_HZ = 10.0
# What the benchmark leaves out of the truth, and does not count as false either.
MAX_OCCLUDED, MAX_TRUNCATED, MIN_HEIGHT_PX = 2, 0.0, 25.0
MATCH_IOU = 0.5
MAX_IDS_PER_SEQUENCE = 1_000_000
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


def track(
    detections: KittiDetections, frames: int, min_score: float, config: TrackerConfig
) -> list[TrackedBoxes]:
    """Boxes of the confirmed tracks in frames 0 to ``frames`` - 1 that were matched in the frame or
    in the one before.
    """
    tracker = DeepSort(config)
    period_s = 1 / config.nominal_frame_rate
    result = []
    for frame in range(frames):
        instances, poses = detections.of_frame(frame, min_score)
        tracks = tracker.update(instances, round(frame * period_s * 1e9), poses)
        shown = [
            one
            for one in tracks
            if one.state != TrackState.TENTATIVE and one.time_since_update < 1.5 * period_s
        ]
        result.append(TrackedBoxes([one.id for one in shown], [one.box for one in shown]))
    return result


def counted_ground_truth(labels: KittiLabels, frames: int) -> list[TrackedBoxes]:
    """The pedestrians of each frame that count."""
    rows_of = [np.flatnonzero(_counts(labels) & (labels.frame == frame)) for frame in range(frames)]
    return [TrackedBoxes(labels.id[rows], labels.boxes[rows]) for rows in rows_of]


def without_ignored(tracked: Sequence[TrackedBoxes], labels: KittiLabels) -> list[TrackedBoxes]:
    """Tracks of each frame without those that are neither right nor wrong: on people who do not
    count, in unlabelled areas, or small.
    """
    counts, is_area = _counts(labels), labels.kind == "DontCare"
    is_ignored = ~counts & np.isin(labels.kind, [PEDESTRIAN, "Person", "Person_sitting"])
    result = []
    for frame, boxes in enumerate(tracked):
        here = labels.frame == frame
        on_counted, on_ignored = (
            _best(box_iou(boxes.boxes[:, None], labels.boxes[here & mask]))
            for mask in (counts, is_ignored)
        )
        in_area = _best(_covered(boxes.boxes, labels.boxes[here & is_area]))
        small = boxes.boxes[:, 3] - boxes.boxes[:, 1] < MIN_HEIGHT_PX
        kept = on_counted | ~(small | on_ignored | in_area)
        result.append(TrackedBoxes(boxes.ids[kept], boxes.boxes[kept]))
    return result


def _best(overlap: np.ndarray) -> np.ndarray:
    """(N,) whether any of (N, M) overlaps is large enough for a match."""
    return overlap.max(axis=1, initial=0.0) >= MATCH_IOU


def _covered(boxes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """(N, M) part of each of (N, 4) boxes that lies in each of (M, 4) areas: of IoU i, the
    intersection is i / (1 + i) of both sizes.
    """
    iou, own = box_iou(boxes[:, None], areas), box_area(boxes)[:, None]
    return np.divide(
        iou / (1 + iou) * (own + box_area(areas)), own, out=np.zeros_like(iou), where=own > 0
    )


def _counts(labels: KittiLabels) -> np.ndarray:
    """(N,) whether a label is a pedestrian that the benchmark evaluates."""
    height = labels.boxes[:, 3] - labels.boxes[:, 1]
    visible = (
        (labels.occluded <= MAX_OCCLUDED)
        & (labels.truncated <= MAX_TRUNCATED)
        & (height >= MIN_HEIGHT_PX)
    )
    return (labels.kind == PEDESTRIAN) & visible


def in_a_row(sequences: Sequence[Sequence[TrackedBoxes]]) -> list[TrackedBoxes]:
    """The frames of all sequences one after the other, with identities that differ between
    sequences.
    """
    return [
        TrackedBoxes(boxes.ids + number * MAX_IDS_PER_SEQUENCE, boxes.boxes)
        for number, frames in enumerate(sequences)
        for boxes in frames
    ]


def compare(
    detections: Path, labels: Path, sequences: Sequence[str], min_score: float
) -> list[dict[str, Any]]:
    """Metrics of every sequence, and of all in a row, with the motion of boxes ("2D") and of
    positions ("3D").
    """
    results = []
    ground_truth, tracked = [], {"2D": [], "3D": []}
    for name in sequences:
        seen, known = (
            read_detections(detections / f"{name}.txt"),
            read_labels(labels / f"{name}.txt"),
        )
        frames = int(max(seen.frame.max(initial=-1), known.frame.max(initial=-1))) + 1
        ground_truth.append(counted_ground_truth(known, frames))
        for motion, done in tracked.items():
            config = replace(CONFIG, pose_association=motion == "3D")
            done.append(without_ignored(track(seen, frames, min_score, config), known))
            results.append(
                {"sequence": name, "motion": motion, **tracking_metrics(ground_truth[-1], done[-1])}
            )
    for motion, done in tracked.items():
        results.append(
            {
                "sequence": "all",
                "motion": motion,
                **tracking_metrics(in_a_row(ground_truth), in_a_row(done)),
            }
        )
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Track, print the table, and write it where the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tracker_node.kitti",
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
        "--min-score", type=float, default=1.0, help="detections below are left out (default: 1)"
    )
    parser.add_argument("--json", type=Path, help="where the metrics go, with the configuration")
    options = parser.parse_args(arguments)
    threadpool_limits(1)
    sequences = options.sequences or sorted(path.stem for path in options.labels.glob("*.txt"))
    if not sequences:
        parser.error(f"no label files SEQUENCE.txt in {options.labels}")
    try:
        if options.json:
            prepare_file(options.json)
        results = compare(options.detections, options.labels, sequences, options.min_score)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print_table(results)
    if options.json:
        write_json(
            options.json,
            {"results": results, "min_score": options.min_score, "config": asdict(CONFIG)},
        )


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """One line for each sequence and motion term; fractions in percent."""
    print(f"{'sequence':>8} {'motion':>6}" + "".join(f"{title:>10}" for title in COLUMNS.values()))
    for result in results:
        cells = [_cell(result[key]) for key in COLUMNS]
        print(
            f"{result['sequence']:>8} {result['motion']:>6}"
            + "".join(f"{cell:>10}" for cell in cells)
        )


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{100 * value:.1f}"


if __name__ == "__main__":
    main()
