# SPDX-License-Identifier: Apache-2.0
"""Writes the 8-bit graph of an action model, and measures what it costs."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from actionrec_node.data.labeled_videos import LabeledVideo
from actionrec_node.data.splits import check_disjoint
from actionrec_node.evaluation.clip_scores import clip_scores, predict_video
from actionrec_node.evaluation.labeled_folders import find_videos, read_videos
from actionrec_node.networks.action_model import ActionModel, load_action_model
from actionrec_node.networks.action_model_spec import ActionModelSpec
from actionrec_node.networks.openvino import load_runtime_model, write_int8
from perception_kit.json_output import write_json
from perception_kit.networks.model_file import file_sha256
from perception_kit.networks.openvino_runtime import import_package
from perception_kit.resources import INT8_RUNTIME

_STRIDE = 4  # frames between two windows that are compared, as evaluate and the live node have it


def spread_clips(
    videos: Iterable[LabeledVideo], spec: ActionModelSpec, per_video: int, context: float | None
) -> list[np.ndarray]:
    """Clips (T, S, S, 3) uint8 of the videos: at most ``per_video`` of each, evenly spread."""
    clips = []
    for video in videos:
        ends = np.unique(
            np.linspace(spec.clip_length - 1, len(video.frames) - 1, per_video).astype(int)
        )
        clips += [video.clip(end, spec, context) for end in ends]
    return clips


def compare_models(
    plain: ActionModel,
    quantized: ActionModel,
    videos: Iterable[LabeledVideo],
    context: float | None,
) -> dict[str, Any]:
    """``clip_scores`` of both models, by the runtime of each, for the same videos.

    ``same_answer`` is the fraction of the windows with the same best class.
    """
    # Each video is read once for both.
    pairs = [
        [predict_video(model, video, _STRIDE, context) for model in (plain, quantized)]
        for video in videos
    ]

    spec = plain.spec
    plain_scores, quantized_scores = (
        clip_scores(predicted, spec.class_names, spec.clip_length, spec.clip_fps, spec.alarms)
        for predicted in zip(*pairs, strict=True)
    )
    same = [before.scores.argmax(axis=1) == after.scores.argmax(axis=1) for before, after in pairs]
    return {
        "pytorch": plain_scores,
        INT8_RUNTIME: quantized_scores,
        "same_answer": float(np.concatenate(same).mean()),
    }


def format_comparison(comparison: dict[str, Any]) -> str:
    """A table for the terminal: F-score per class and accuracy of both models.

    The F-scores are those over clips (labeled segments).
    """

    def row(name: str, before: float | None, after: float | None) -> str:
        # Undefined: the class never occurs, or is never predicted.
        if before is None or after is None:
            cells = ["-" if value is None else f"{value:.3f}" for value in (before, after)]
            return f"{name:<24}" + "".join(f"{cell:>10}" for cell in cells)
        return f"{name:<24}{before:10.3f}{after:10.3f}{after - before:+10.3f}"

    plain, int8 = comparison["pytorch"], comparison[INT8_RUNTIME]
    return "\n".join(
        [
            f"{'':<24}{'pytorch':>10}{'int8':>10}{'change':>10}",
            *(
                row(f"F-score of {name}", score["f1"], int8["per_class"][name]["f1"])
                for name, score in plain["per_class"].items()
            ),
            row("accuracy of clips", plain["accuracy"], int8["accuracy"]),
            row("accuracy of frames", plain["frames"]["accuracy"], int8["frames"]["accuracy"]),
            f"the same answer in {comparison['same_answer']:.1%} of the windows,"
            f" {plain['clips']} labelled clips",
        ]
    )


def quantize(args: argparse.Namespace, command: Sequence[str]) -> None:
    """Write the graph and its record, and print the loss of accuracy.

    Raises DataError, VideoError, ModelFileError, RuntimeUnavailableError and OSError.
    """
    # All that can be missing, before the videos are read, which takes long.
    import_package("nncf")
    model = load_action_model(args.model)
    names = model.spec.class_names
    annotations, tracks = find_videos(args.data, names, args.per_person)
    held_out, held_out_tracks = (
        find_videos(args.val, names, args.per_person) if args.val else ({}, {})
    )
    check_disjoint(annotations, held_out)

    # The graph, with the ranges that the values have on the clips.
    videos = read_videos(annotations, tracks, model.spec, args)
    per_video = math.ceil(args.clips / len(annotations))
    clips = spread_clips(videos, model.spec, per_video, args.per_person)
    path = write_int8(model, args.model, clips)
    print(
        f"wrote {path}, whose ranges come from {len(clips)} clips;"
        f" use it by --runtime {INT8_RUNTIME}"
    )

    # Its record, with what it costs.
    record: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "actionrec_node.quantize", *command]),
        "model_sha256": file_sha256(args.model),
        "calibration_clips": len(clips),
        "held_out": None,
    }
    if held_out:
        quantized = load_runtime_model(args.model, runtime=INT8_RUNTIME).model
        videos = read_videos(held_out, held_out_tracks, model.spec, args)
        comparison = compare_models(model, quantized, videos, args.per_person)
        record["held_out"] = {"videos": len(held_out), **comparison}
        print(format_comparison(comparison))
    else:
        print("what that costs is not measured: give held-out labelled videos by --val")
    write_json(path.with_suffix(".json"), record)
