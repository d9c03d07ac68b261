# SPDX-License-Identifier: Apache-2.0
"""One evaluation of an action model: what is run, scored and written."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from actionrec_node.config_file import save_options
from actionrec_node.data.annotations import DataError
from actionrec_node.evaluation.clip_scores import (
    PredictedVideo,
    clip_scores,
    format_scores,
    predict_videos,
    window_scores,
)
from actionrec_node.evaluation.fall_alarm import alarm_scores, format_alarm
from actionrec_node.evaluation.labeled_folders import find_videos, read_videos
from actionrec_node.evaluation.model_loading import load_chosen_model, time_per_clip
from actionrec_node.evaluation.plots import plot_alarm, plot_confusion, plot_per_class, plot_roc
from actionrec_node.networks.action_model_spec import ActionModelSpec
from perception_kit.alarm_classes import alarm_warning
from perception_kit.json_output import write_json
from perception_kit.metrics.actions import roc
from perception_kit.networks.model_file import file_sha256
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.partial_file import make_folder, refuse_links
from perception_kit.videos.video import VideoError

OUTPUTS = (
    "metrics.json",
    "config.yaml",
    "confusion.png",
    "per_class.png",
    "fall_alarm.png",
    "roc_falling.png",
)


def write_plots(
    out: Path, metrics: dict[str, Any], videos: list[PredictedVideo], spec: ActionModelSpec
) -> None:
    """``confusion.png``, ``per_class.png``, ``fall_alarm.png`` and ``roc_falling.png``.

    The last two need falls; the curve of the very last also goes into ``metrics``.
    """
    plot_confusion(out / "confusion.png", np.array(metrics["confusion"]), spec.class_names)
    per_class = {"clips": metrics["per_class"], "frames": metrics["frames"]["per_class"]}
    plot_per_class(out / "per_class.png", per_class)

    metrics["roc_falling"] = None
    for name in ("fall_alarm.png", "roc_falling.png"):  # of an earlier evaluation
        (out / name).unlink(missing_ok=True)
    if metrics["fall_alarm"] and metrics["fall_alarm"]["falls"]:
        plot_alarm(out / "fall_alarm.png", metrics["fall_alarm"])
    if not spec.alarms:
        return
    ground_truth, scores = window_scores(videos, spec.alarm_indices)
    curve = roc(np.isin(ground_truth, spec.alarm_indices), scores)
    if curve is None:
        return
    plot_roc(out / "roc_falling.png", curve, "', '".join(spec.alarms))

    # The first threshold is infinite, which JSON cannot say: no window reaches more than 1.
    thresholds = np.minimum(curve.thresholds, 1.0)
    points = {"threshold": thresholds, "false_alarms": curve.false_alarms, "recall": curve.recall}
    metrics["roc_falling"] = {
        "auc": curve.auc,
        **{name: values.round(5).tolist() for name, values in points.items()},
    }


def run(args: argparse.Namespace) -> int:
    """Score the model and write everything into ``args.out``; returns the exit status."""
    try:
        make_folder(args.out, "--out")
        refuse_links(args.out, OUTPUTS)
        model = load_chosen_model(args)
        spec = model.spec
        if warning := alarm_warning(spec.class_names, spec.alarms):
            print(f"warning: {warning}", file=sys.stderr)

        annotations, tracks = find_videos(args.data, spec.class_names, args.per_person)
        labeled = read_videos(annotations, tracks, spec, args)
        videos = predict_videos(model, labeled, args.stride, args.per_person)

        metrics = clip_scores(
            videos, spec.class_names, spec.clip_length, spec.clip_fps, spec.alarms
        )
        if not metrics["clips"]:
            raise DataError(
                f"no clip of {spec.clip_length} frames at {spec.clip_fps:g} fps ends in a labelled"
                " segment: there is nothing to score"
            )
    except (DataError, VideoError, ModelFileError, RuntimeUnavailableError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    # What was scored, how fast, and what the fall alarm makes of it.
    clip_time = time_per_clip(model)
    alarm = alarm_scores(videos, spec.class_names, spec.clip_fps, spec.alarms, spec.confirmations)
    metrics |= {
        "class_names": list(spec.class_names),
        "videos": len(videos),
        "seconds_per_clip": asdict(clip_time),
        "architecture": spec.architecture,
        "model": str(args.model),
        "model_sha256": file_sha256(args.model),
        "fall_alarm": alarm if spec.alarms else None,
    }

    try:
        save_options(args.out / "config.yaml", args)
        write_plots(args.out, metrics, videos, spec)
        write_json(args.out / "metrics.json", metrics)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    print(format_scores(metrics))
    if metrics["fall_alarm"]:
        print(format_alarm(metrics["fall_alarm"]))
    print(f"{spec.architecture}: {clip_time}")
    print(f"wrote {args.out}/metrics.json and plots")
    return 0
