# SPDX-License-Identifier: Apache-2.0
"""Track the detections of a MOTChallenge text file: ``python -m tracker_node.mot --detections
det.txt --out tracks.txt``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from perception_kit.arguments import bounded_int
from perception_kit.metrics.tracking import TrackedBoxes, tracking_metrics
from perception_kit.types import Instance, TrackState
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.motchallenge import MotTable, read_ground_truth, read_mot, write_tracks
from tracker_node.outputs import prepare_file, report_skipped, write_json

NO_MASK = np.zeros((0, 0), bool)
NO_DESCRIPTOR = np.zeros(0, np.float32)


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
        for track in tracker.update(
            instances_of(detections, features, frame), round(frame * period_s * 1e9)
        ):
            if track.state != TrackState.TENTATIVE and track.time_since_update < 1.5 * period_s:
                tracked.append((frame, track.id, track.box))
        report_skipped(f"frame {frame}", tracker.rejected)
    return tracked


def evaluate(
    ground_truth: MotTable, tracked: list[tuple[int, int, np.ndarray]], frames: int
) -> dict[str, float | int | None]:
    """Tracking metrics of rows (frame, track id, box) over frames 1 to ``frames``, by the
    MOTChallenge's rules.
    """
    predicted: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(frames)]
    for frame, track_id, box in tracked:
        predicted[frame - 1].append((track_id, box))
    found = [
        TrackedBoxes([track_id for track_id, _ in rows], [box for _, box in rows])
        for rows in predicted
    ]
    return tracking_metrics(
        [ground_truth.evaluated(frame) for frame in range(1, frames + 1)],
        [
            ground_truth.without_distractors(frame, boxes)
            for frame, boxes in enumerate(found, start=1)
        ],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the files that the command line names, track, write the tracks and, with truth, the
    metrics.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.json and not options.truth:
        parser.error("--json writes metrics and needs --truth to compute them")
    threadpool_limits(1)  # the arrays are small: more BLAS threads only wait for each other
    try:
        config = TrackerConfig(motion_weight=options.motion_weight, nominal_frame_rate=options.fps)
        detections = read_mot(options.detections)
        ground_truth = read_ground_truth(options.truth) if options.truth else None
        features = read_features(options.features, len(detections)) if options.features else None
        _prepare_outputs(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    frames = options.frames or int(
        max(
            detections.frame.max(initial=0),
            ground_truth.frame.max(initial=0) if ground_truth else 0,
        )
    )
    tracked = track_detections(detections, features, frames, config)
    write_tracks(options.out, tracked)
    identities = {track_id for _, track_id, _ in tracked}
    used = np.count_nonzero(detections.frame <= frames)
    print(
        f"{used} detections in {frames} frames: {len(identities)} tracks, {len(tracked)} boxes in"
        f" {options.out}"
    )
    if ground_truth is not None:
        if not np.isin(detections.frame, ground_truth.frame).any():
            print(
                "no frame has both detections and truth: are both files of the same sequence?",
                file=sys.stderr,
            )
        metrics = evaluate(ground_truth, tracked, frames)
        _report(metrics)
        if options.json:
            write_json(options.json, {**metrics, "config": asdict(config)})


def _prepare_outputs(options: argparse.Namespace) -> None:
    """See that the results can be written.

    Raises OSError, and ValueError where one would take the place of another file in use.
    """
    inputs = [
        path.resolve() for path in (options.detections, options.features, options.truth) if path
    ]
    for path in filter(None, (options.out, options.json)):
        if path.resolve() in inputs:
            raise ValueError(
                f"{path} is read and would be overwritten by the results: name another file"
            )
        inputs.append(path.resolve())
        prepare_file(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tracker_node.mot",
        description="Track the detections of a MOTChallenge text file.",
    )
    parser.add_argument(
        "--detections",
        type=Path,
        required=True,
        help="frame,-1,left,top,width,height,confidence,… one line each",
    )
    parser.add_argument(
        "--features",
        type=Path,
        help=".npy array with one appearance descriptor for each line of --detections",
    )
    parser.add_argument(
        "--lambda",
        dest="motion_weight",
        type=float,
        default=0.0,
        help="weight of motion in the cost, 0 (published) to 1",
    )
    parser.add_argument(
        "--truth", type=Path, help="ground truth to compare with: frame,id,left,top,width,height,…"
    )
    parser.add_argument(
        "--fps", type=float, default=30.0, help="frames per second of the sequence (default: 30)"
    )
    parser.add_argument(
        "--frames",
        type=bounded_int(1),
        help="track frames 1 to this one (default: to the last one in the files)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="where the tracks go: confirmed, matched in this frame or the one before",
    )
    parser.add_argument(
        "--json", type=Path, help="where the metrics go, with the configuration (needs --truth)"
    )
    return parser


def read_features(path: Path, count: int) -> np.ndarray:
    """(count, D) float32 descriptors.

    Raises ValueError for another number of rows, other than real numbers, and no array.
    """
    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a .npy array: {error}") from error
    if not isinstance(features, np.ndarray) or features.ndim != 2 or len(features) != count:
        raise ValueError(
            f"{path} has shape {np.shape(features)}, expected ({count}, D): one descriptor for each"
            " detection"
        )
    if features.dtype.kind not in "fiu" or features.shape[1] == 0:
        raise ValueError(
            f"{path} has {features.shape[1]} values of type {features.dtype} a row, expected at"
            " least one real number"
        )
    with np.errstate(
        over="ignore"
    ):  # what is too large becomes infinite, and its detection is skipped by name
        return features.astype(np.float32)


def instances_of(detections: MotTable, features: np.ndarray | None, frame: int) -> list[Instance]:
    """The detections of a frame; ``features`` (N, D) has one descriptor for each row of
    ``detections``.
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


def _report(metrics: dict[str, float | int | None]) -> None:
    """Print the metrics, fractions as percentages."""
    for name in ("mota", "motp", "idf1", "hota", "deta", "assa"):
        print(f"{name:20} {'-' if metrics[name] is None else f'{100 * metrics[name]:.1f} %'}")
    for name, value in metrics.items():
        if isinstance(value, int):
            print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
