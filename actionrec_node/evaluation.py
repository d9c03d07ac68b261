# SPDX-License-Identifier: Apache-2.0
"""How well a model does on labelled videos that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from actionrec_node.action_model import ActionModel
from actionrec_node.data import LabelledVideo, cut_clip
from perception_kit.metrics import actions


def predict_video(model: ActionModel, frames: np.ndarray, stride: int, batch_size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Last frame (M,) and class probabilities (M, C) of every ``stride``-th clip of a video (N, S, S, 3) uint8 at the clip rate."""
    length = model.spec.clip_length
    ends = np.arange(length - 1, len(frames), stride)
    scores = [
        model.probabilities(np.stack([cut_clip(frames, end, length) for end in ends[first : first + batch_size]]))
        for first in range(0, len(ends), batch_size)
    ]
    return ends, np.concatenate(scores) if scores else np.zeros((0, len(model.spec.class_names)), np.float32)


def evaluate(model: ActionModel, videos: Sequence[LabelledVideo], stride: int = 4) -> dict[str, Any]:
    """Scores over the frames from the first full clip on, as a robot sees them: each prediction holds until the next one.

    ``frame_accuracy``, ``macro_f1`` (classes that occur), ``per_class``, ``confusion`` (rows true, columns predicted, last column none),
    ``fall_delay_s`` (mean), ``falls`` and ``falls_missed``. The model is left in the mode it was in.
    """
    training = model.training
    model.eval()
    names = np.array([*model.spec.class_names, actions.NONE])  # index UNLABELLED = -1 is the last
    truth, predicted, delays = [], [], []
    for video in videos:
        ends, scores = predict_video(model, video.frames, stride)
        if not len(ends):
            continue
        shown = np.arange(ends[0], len(video.frames))
        video_truth = names[video.labels[shown]]
        video_predicted = names[scores.argmax(axis=1)[(shown - ends[0]) // stride]]
        truth.append(video_truth)
        predicted.append(video_predicted)
        delays += actions.fall_delays(shown / model.spec.clip_fps, video_truth, video_predicted).delays_s
    model.train(training)
    return _scores(np.concatenate(truth), np.concatenate(predicted), list(model.spec.class_names), actions.FallDelays(tuple(delays)))


def _scores(truth: np.ndarray, predicted: np.ndarray, class_names: list[str], falls: actions.FallDelays) -> dict[str, Any]:
    per_class = actions.per_class(truth, predicted, class_names)
    occurring = [score["f1"] for score in per_class.values() if score["support"]]
    return {
        "frame_accuracy": actions.frame_accuracy(truth, predicted),
        "macro_f1": float(np.mean(occurring)) if occurring else None,
        "per_class": per_class,
        "confusion": actions.confusion(truth, predicted, class_names).tolist(),
        "fall_delay_s": falls.mean_s,
        "falls": len(falls.delays_s),
        "falls_missed": falls.missed,
    }


def format_scores(scores: dict[str, Any]) -> str:
    """A short table for the terminal."""

    def cell(value: float | None) -> str:
        return f"{'-':>9}" if value is None else f"{value:9.3f}"

    lines = [f"{'class':<12}{'precision':>10}{'recall':>10}{'f1':>10}{'frames':>8}"]
    for name, score in scores["per_class"].items():
        lines.append(f"{name:<12} {cell(score['precision'])} {cell(score['recall'])} {cell(score['f1'])} {score['support']:7d}")
    lines.append(f"frame accuracy {cell(scores['frame_accuracy']).strip()}, macro F1 {cell(scores['macro_f1']).strip()}")
    lines.append(f"falls {scores['falls']}, missed {scores['falls_missed']}, mean delay {cell(scores['fall_delay_s']).strip()} s")
    return "\n".join(lines)
