# SPDX-License-Identifier: Apache-2.0
"""Score a model on labelled videos: ``python -m actionrec_node.evaluate --data DIR --model FILE --out DIR``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from actionrec_node.action_model import ActionModelSpec
from actionrec_node.annotations import Annotations, DataError, check_labels, read_folders
from actionrec_node.crops import CONTEXT
from actionrec_node.data import LabelledVideo, load_video
from actionrec_node.decision import FALL
from actionrec_node.evaluation import PredictedVideo, format_scores, predict_videos, scores_of, window_scores
from actionrec_node.model_choice import add_model_arguments, load_chosen_model, time_per_clip
from actionrec_node.options import save_options
from actionrec_node.person_boxes import BoxTrack, read_boxes
from actionrec_node.plots import plot_confusion, plot_per_class, plot_roc
from actionrec_node.video import VideoError, VideoFormat
from perception_kit.metrics.actions import roc
from perception_kit.model_file import file_sha256
from perception_kit.model_metadata import ModelFileError
from perception_kit.runtime import RuntimeUnavailableError

_SHARPNESS = 4  # videos are read up to this much larger than the network's input, for sharp crops


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m actionrec_node.evaluate", description="Score a model on labelled videos.")
    parser.add_argument("--data", type=Path, action="append", required=True, help="data folder; may be given several times")
    parser.add_argument("--out", type=Path, required=True, help="folder for metrics.json and the plots")
    add_model_arguments(parser)
    parser.add_argument(
        "--per-person",
        type=float,
        nargs="?",
        const=CONTEXT,
        metavar="CONTEXT",
        help="classify crops of the people that boxes.csv names, as the live node does; side of a crop in boxes (default %(const)s)",
    )
    parser.add_argument("--folder-fps", type=float, default=30.0, help="rate of the pictures in folders of frames (default %(default)s)")
    parser.add_argument("--skip-bad", action="store_true", help="leave videos out that cannot be used, instead of stopping")
    return parser.parse_args(arguments)


def read_videos(
    annotations: Annotations, tracks: Mapping[Path, BoxTrack], spec: ActionModelSpec, folder_fps: float, skip_bad: bool
) -> Iterator[LabelledVideo]:
    """One video after the other, so that a large data set needs no large memory. Raises VideoError, or with ``skip_bad`` prints it."""
    form = VideoFormat(spec.clip_fps, _SHARPNESS * spec.size, folder_fps)
    for path, segments in tqdm(annotations.items(), desc="classifying videos", unit="video"):
        try:
            video = load_video(path, segments, spec.class_names, form, spec.clip_length, tracks.get(path))
        except VideoError as error:
            if not skip_bad:
                raise
            print(f"left out: {error}", file=sys.stderr)
        else:
            yield video


def write_plots(out: Path, metrics: dict[str, Any], videos: list[PredictedVideo], spec: ActionModelSpec) -> None:
    """``confusion.png``, ``per_class.png``, and where falls are known ``roc_falling.png``, whose curve also goes into ``metrics``."""
    plot_confusion(out / "confusion.png", np.array(metrics["confusion"]), spec.class_names)
    plot_per_class(out / "per_class.png", {"clips": metrics["per_class"], "frames": metrics["frames"]["per_class"]})
    metrics["roc_falling"] = None
    if FALL not in spec.class_names:
        return
    fall = spec.class_names.index(FALL)
    truth, scores = window_scores(videos, fall)
    curve = roc(truth == fall, scores)
    if curve is None:
        return
    plot_roc(out / "roc_falling.png", curve, FALL)
    # The first threshold is infinite, which JSON cannot say: no window reaches more than 1.
    thresholds = np.minimum(curve.thresholds, 1.0)
    points = {"threshold": thresholds, "false_alarms": curve.false_alarms, "recall": curve.recall}
    metrics["roc_falling"] = {"auc": curve.auc, **{name: values.round(5).tolist() for name, values in points.items()}}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)
    try:
        model = load_chosen_model(args)
        spec = model.spec
        annotations = read_folders(args.data)
        check_labels(annotations, spec.class_names)
        tracks = read_boxes(args.data) if args.per_person else {}
        if args.per_person and not annotations.keys() & tracks.keys():
            raise DataError(f"--per-person needs to know where people are: no boxes.csv of {', '.join(map(str, args.data))} names a video")
        labelled = read_videos(annotations, tracks, spec, args.folder_fps, args.skip_bad)
        videos = predict_videos(model, labelled, args.stride, args.per_person)
        if not videos:
            raise DataError(f"no video of {', '.join(map(str, args.data))} can be used")
    except (DataError, VideoError, ModelFileError, RuntimeUnavailableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    clip_time = time_per_clip(model)
    metrics = scores_of(videos, spec.class_names, spec.clip_length, spec.clip_fps)
    metrics |= {"class_names": list(spec.class_names), "videos": len(videos), "seconds_per_clip": asdict(clip_time)}
    metrics |= {"architecture": spec.architecture, "model": str(args.model), "model_sha256": file_sha256(args.model)}
    save_options(args.out / "config.yaml", args)
    write_plots(args.out, metrics, videos, spec)
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(format_scores(metrics))
    print(f"{spec.architecture}: {clip_time}")
    print(f"wrote {args.out}/metrics.json and plots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
