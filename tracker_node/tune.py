# SPDX-License-Identifier: Apache-2.0
"""Thresholds and λ that fit a recording with known identities: ``python -m tracker_node.tune``.

Prints and plots the distances of same and different identities, suggests a threshold for each, and
sweeps λ, the weight of motion in the association cost.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from perception_kit.arguments import CommandParser, bounded_int, program_name
from perception_kit.json_output import prepare_file, write_json
from perception_kit.metrics.tracking import TrackedBoxes, tracking_metrics
from perception_kit.processes import run_command
from perception_kit.types import TrackEstimate, TrackState
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.distances import Distances, collect_distances
from tracker_node.occlusions import SHORT_S, short_occlusions
from tracker_node.outputs import report_skipped
from tracker_node.sequence_files import ReadingOptions, add_reading_arguments, reading_options
from tracker_node.tuning_data import LabeledFrame, read_bag, read_mot_folder

# The parameter that each distance is gated by.
GATES = {"appearance": "max_cosine_distance", "motion": "motion_gate"}
LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)
QUANTILES = (0.05, 0.5, 0.95)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line; None: of this process."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.bag and (args.features or args.frames):
        parser.error(
            "--features and --frames belong to --mot: a bag holds its descriptors, and is taken as"
            " a whole"
        )
    if args.bag and reading_options(args) != ReadingOptions():
        parser.error("--layout, --classes, --min-confidence and --boxes belong to --mot")
    if args.mot and args.results:
        parser.error("--results belongs to --bag")
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the recording, print the tables, and write ``tune.json`` and ``tune.png``."""
    args = parse_arguments(arguments)
    threadpool_limits(1)  # the arrays are small: more BLAS threads only wait for each other

    report, picture = args.out / "tune.json", args.out / "tune.png"
    try:
        prepare_file(report)
        config = TrackerConfig(nominal_frame_rate=args.fps)
        frames = _read(args, config)
        distances = collect_distances(frames, config)
        results = sweep(frames, args.lambdas, config)
    except (ValueError, OSError) as error:
        _parser().error(str(error))

    found = suggestions(distances, config)
    _print_distances(distances, found)
    _print_sweep(results)
    write_json(report, {"distances": found, "sweep": results, "config": asdict(config)})
    plot(distances, found, results).savefig(picture)
    print(f"written: {report}, {picture}")
    return 0


def sweep(
    frames: Sequence[LabeledFrame], lambdas: Sequence[float], config: TrackerConfig
) -> list[dict[str, Any]]:
    """Tracking metrics for each λ; scored are confirmed tracks that were matched in the frame.

    Detections that cannot be used are named on standard error.
    """
    results = []
    for number, weight in enumerate(tqdm(lambdas, desc="sweep of lambda", disable=None)):
        tracker = DeepSort(replace(config, motion_weight=weight))
        tracked: list[list[TrackEstimate]] = []
        scored: list[TrackedBoxes] = []
        for frame in frames:
            tracks = tracker.update(frame.instances, frame.stamp_ns, frame.poses)
            tracked.append(tracks)
            scored.append(frame.scored(_confirmed_boxes(tracks, frame)))
            if number == 0:  # the same for every λ
                report_skipped(frame.name, tracker.rejected)

        metrics = tracking_metrics([frame.ground_truth for frame in frames], scored)
        occlusions = asdict(short_occlusions(frames, tracked))
        results.append({"lambda": weight, **metrics, "short_occlusions": occlusions})
    return results


def suggestions(
    distances: dict[str, Distances], config: TrackerConfig
) -> dict[str, dict[str, Any]]:
    """Suggested parameter values for each distance that is known on both sides.

    They come with both errors there and at the present value.
    """
    result = {}
    for name, values in distances.items():
        if not values.is_known:
            continue
        present, best = getattr(config, GATES[name]), values.best_threshold()
        result[name] = {
            "parameter": GATES[name],
            "present": present,
            "suggested": best,
            "errors_present": values.errors(present),
            "errors_suggested": values.errors(best),
            "same_quantiles": np.quantile(values.same, QUANTILES).tolist(),
            "different_quantiles": np.quantile(values.different, QUANTILES).tolist(),
            "same_count": len(values.same),
            "different_count": len(values.different),
        }
    return result


def plot(
    distances: dict[str, Distances],
    found: dict[str, dict[str, Any]],
    results: Sequence[dict[str, Any]],
) -> Figure:
    """Histograms of the distances, and identity switches and fragments over λ."""
    figure = Figure(figsize=(14, 4), layout="constrained")
    *histograms, curves = figure.subplots(1, 3)

    for axes, (name, values) in zip(histograms, distances.items(), strict=True):
        _plot_histogram(axes, name, values, found.get(name))

    lambdas = [result["lambda"] for result in results]
    for key, label in (("id_switches", "identity switches"), ("fragments", "fragments")):
        curves.plot(lambdas, [result[key] for result in results], marker="o", label=label)
    curves.set(title="sweep of λ", xlabel="λ (weight of motion)", ylabel="count", ylim=(0, None))
    curves.legend()
    return figure


def _read(args: argparse.Namespace, config: TrackerConfig) -> list[LabeledFrame]:
    """The frames of the recording that the command line names."""
    if args.mot:
        options = reading_options(args)
        return read_mot_folder(args.mot, args.features, args.frames, config, options)
    return read_bag(args.bag, args.results)


def _confirmed_boxes(tracks: Sequence[TrackEstimate], frame: LabeledFrame) -> TrackedBoxes:
    """Boxes of the confirmed tracks, with classes where the ground truth has them."""
    shown = [track for track in tracks if track.state == TrackState.CONFIRMED]
    names = None
    if frame.ground_truth.classes is not None:
        names = np.array([track.class_name for track in shown], np.str_)
    ids = np.array([track.id for track in shown])
    return TrackedBoxes(ids, np.array([track.box for track in shown]), names)


def _plot_histogram(axes: Axes, name: str, values: Distances, found: dict[str, Any] | None) -> None:
    """Histogram of both sides, with the present and the suggested threshold."""
    axes.set(title=name, ylabel="fraction of pairs")
    if found is None:
        axes.text(0.5, 0.5, "no data", ha="center", transform=axes.transAxes)
        return

    if name == "motion":  # from a fraction of one standard deviation to the other end of the image
        bins = np.geomspace(1e-2, max(10.0, values.different.max()), 50).tolist()
        axes.set(xscale="log", xlabel="squared Mahalanobis distance")
    else:
        bins = np.linspace(0, max(values.same.max(), values.different.max()), 50).tolist()
        axes.set(xlabel="smallest cosine distance")

    for pairs, label in ((values.same, "same identity"), (values.different, "different identity")):
        axes.hist(pairs, bins, weights=np.full(len(pairs), 1 / len(pairs)), alpha=0.6, label=label)
    for key, style in (("present", "--"), ("suggested", "-")):
        label = f"{key} {found['parameter']}: {found[key]:.3g}"
        axes.axvline(found[key], color="black", linestyle=style, label=label)
    axes.legend()


def _print_distances(distances: dict[str, Distances], found: dict[str, dict[str, Any]]) -> None:
    """Quantiles of both sides of each distance, and the errors of its thresholds."""
    for name, values in distances.items():
        if name not in found:
            print(
                f"{name}: {len(values.same)} distances of the same and {len(values.different)} of"
                " different identities: nothing to suggest"
            )
            continue

        entry = found[name]
        print(f"{name}, quantiles {', '.join(f'{100 * quantile:g} %' for quantile in QUANTILES)}")
        for side in ("same", "different"):
            quantiles = "  ".join(f"{value:10.4g}" for value in entry[f"{side}_quantiles"])
            print(f"  {side + ' identity':20}{quantiles}   ({entry[f'{side}_count']} pairs)")
        for key in ("present", "suggested"):
            missed, confused = entry[f"errors_{key}"]
            print(
                f"  {entry['parameter']} {entry[key]:.4g} ({key}): {missed:.1%} of the same left"
                f" out, {confused:.1%} of the others let in"
            )


def _print_sweep(results: Sequence[dict[str, Any]]) -> None:
    """One line for each λ."""
    print(
        f"{'λ':>6}{'switches':>10}{'fragments':>11}{'MOTA':>8}{'IDF1':>8}{'HOTA':>8}   kept through"
        f" occlusions below {SHORT_S:g} s"
    )
    for result in results:
        counts = f"{result['lambda']:>6g}{result['id_switches']:>10}{result['fragments']:>11}"
        scores = "".join(f"{_percentage(result[key]):>8}" for key in ("mota", "idf1", "hota"))
        occlusions = result["short_occlusions"]
        print(f"{counts}{scores}   {occlusions['kept']} of {occlusions['count']}")


def _percentage(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("tracker_node.tune"),
        description="Suggest thresholds and λ from known identities.",
    )

    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--mot", type=Path, help="MOTChallenge folder with det/det.txt and gt/gt.txt"
    )
    source.add_argument("--bag", type=Path, help="bag with /ground_truth topics")
    parser.add_argument(
        "--features",
        type=Path,
        help="with --mot: .npy array with one appearance descriptor for each detection",
    )
    parser.add_argument(
        "--frames",
        type=bounded_int(1),
        help="with --mot: frames 1 to this one (default: to the last one in the files)",
    )
    add_reading_arguments(parser)
    parser.add_argument(
        "--results",
        type=Path,
        help=(
            "with --bag: bag with the detections, OUT/results of a replay (default: the bag itself)"
        ),
    )

    parser.add_argument(
        "--fps",
        type=float,
        default=30.0,
        help="nominal frame rate; with --mot also that of the sequence (default: 30)",
    )
    parser.add_argument(
        "--lambdas",
        type=float,
        nargs="+",
        default=LAMBDAS,
        help="weights of motion to try (default: 0 0.25 0.5 0.75 1)",
    )

    parser.add_argument("--out", type=Path, required=True, help="folder for tune.json and tune.png")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
