# SPDX-License-Identifier: Apache-2.0
"""How well a model does on labelled videos that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionrec_node.data.labeled_videos import MIN_ACTION_FRAMES, LabeledVideo, list_windows
from actionrec_node.networks.action_model import ActionModel
from actionrec_node.recognition.decision import FALL
from perception_kit.metrics import actions

CLIPS_AT_ONCE = 16
"""Clips that the network gets in one batch."""


@dataclass(frozen=True)
class PredictedVideo:
    """What a model says about a video: clips that end at frames ``ends`` (M,) have ``scores`` (M,
    C); ``labels`` (N,) of all frames.
    """

    labels: np.ndarray
    ends: np.ndarray
    scores: np.ndarray

    def shown(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a robot sees: the frames from the first window's end on, their true class, and the
        number of the newest window at them.
        """
        frames = (
            np.arange(self.ends[0], len(self.labels)) if len(self.ends) else np.zeros(0, np.int64)
        )
        return frames, self.labels[frames], np.searchsorted(self.ends, frames, side="right") - 1


def label_names(class_names: Sequence[str]) -> np.ndarray:
    """(C + 1,) the name of each class index; ``UNLABELED``, -1, finds ``NONE`` at the end."""
    return np.array([*class_names, actions.NONE])


def predict_video(
    model: ActionModel, video: LabeledVideo, stride: int, context: float | None = None
) -> PredictedVideo:
    """Predictions for every ``stride``-th clip of a video; one that is shorter than a clip has
    none.

    Clips show the whole image or, with ``context``, the person where they are seen, as the live
    node does ``per_person``.
    """
    spec = model.spec
    ends = np.arange(spec.clip_length - 1, len(video.frames), stride)
    batches = [ends[first : first + CLIPS_AT_ONCE] for first in range(0, len(ends), CLIPS_AT_ONCE)]
    scores = [
        model.probabilities(
            [video.show(end, spec.clip_length, spec.size, spec.resize, context) for end in batch]
        )
        for batch in batches
    ]
    return PredictedVideo(
        video.labels,
        ends,
        np.concatenate(scores) if scores else np.zeros((0, len(spec.class_names)), np.float32),
    )


def predict_videos(
    model: ActionModel,
    videos: Iterable[LabeledVideo],
    stride: int = 4,
    context: float | None = None,
) -> list[PredictedVideo]:
    """``predict_video`` of each. The model is left in the mode it was in."""
    training = model.training
    model.eval()
    predicted = [predict_video(model, video, stride, context) for video in videos]
    model.train(training)
    return predicted


def evaluate(
    model: ActionModel,
    videos: Iterable[LabeledVideo],
    stride: int = 4,
    context: float | None = None,
) -> dict[str, Any]:
    """``scores_of`` the model's predictions for the videos."""
    predicted = predict_videos(model, videos, stride, context)
    return scores_of(predicted, model.spec.class_names, model.spec.clip_length, model.spec.clip_fps)


def scores_of(
    videos: Sequence[PredictedVideo], class_names: Sequence[str], clip_length: int, clip_fps: float
) -> dict[str, Any]:
    """Scores per clip, where a clip is a labelled stretch of a video, and per frame.

    Per clip: ``clips``, ``accuracy``, ``macro_f1`` (classes that occur), ``per_class`` and
    ``confusion`` (rows true, columns predicted, last column none); the answer is the highest mean
    score of the windows that end in the clip, each weighed by how many of its frames lie in the
    clip. ``clips_without_window`` are too short, or too near the start of their video, to be seen.
    ``frames``: the same over the frames from the first full window on, as a robot sees them: each
    prediction holds until the next one. ``fall_delay_s`` (mean), ``falls`` and ``falls_missed``
    come from the frames.
    """
    names = label_names(class_names)
    clips, missing = _clip_answers(videos, clip_length)
    frames = [_answered(video) for video in videos]
    falls = actions.joined(
        actions.fall_reports(shown / clip_fps, names[ground_truth], names[answers], FALL)
        for shown, ground_truth, answers in frames
    )
    ground_truth, answers = np.concatenate(
        [np.zeros((2, 0), np.int64), *(np.stack(pair) for _, *pair in frames)], axis=1
    )
    return {
        "clips": clips.shape[1],
        "clips_without_window": missing,
        **_summary(names[clips[0]], names[clips[1]], class_names),
        "frames": _summary(names[ground_truth], names[answers], class_names),
        "fall_delay_s": falls.mean_s,
        "falls": len(falls.delays_s),
        "falls_missed": falls.missed,
    }


def window_scores(
    videos: Sequence[PredictedVideo], class_index: int
) -> tuple[np.ndarray, np.ndarray]:
    """For every window that ends in a labelled frame: its true class (M,) and its score (M,) of
    ``class_index``.
    """
    ground_truth = np.concatenate([video.labels[video.ends] for video in videos])
    scores = np.concatenate([video.scores[:, class_index] for video in videos])
    return ground_truth[ground_truth >= 0], scores[ground_truth >= 0]


def _clip_answers(videos: Sequence[PredictedVideo], clip_length: int) -> tuple[np.ndarray, int]:
    """(2, K) true and predicted class of each labelled stretch, and how many stretches no window
    ends in.
    """
    pairs, stretches = [], 0
    for video in videos:
        stretches += len(np.unique(list_windows([video.labels], 1).run))
        windows = list_windows([video.labels], clip_length, min_action_frames=MIN_ACTION_FRAMES)
        _, known, scored = np.intersect1d(windows.end, video.ends, return_indices=True)
        run, weights = windows.run[known], windows.frames_within[known]
        for number in np.unique(run):
            chosen = run == number
            pairs.append(
                (
                    windows.label[known][chosen][0],
                    (weights[chosen] @ video.scores[scored][chosen]).argmax(),
                )
            )
    return np.array(pairs, np.int64).reshape(-1, 2).T, stretches - len(pairs)


def _answered(video: PredictedVideo) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The frames that a robot sees, their true class, and the best class of the newest window at
    them.
    """
    frames, ground_truth, newest = video.shown()
    return frames, ground_truth, video.scores.argmax(axis=1)[newest]


def _summary(
    ground_truth: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    per_class = actions.per_class(ground_truth, predicted, class_names)
    occurring = [score["f1"] for score in per_class.values() if score["support"]]
    return {
        "accuracy": actions.frame_accuracy(ground_truth, predicted),
        "macro_f1": float(np.mean(occurring)) if occurring else None,
        "per_class": per_class,
        "confusion": actions.confusion(ground_truth, predicted, class_names).tolist(),
    }


def format_scores(scores: dict[str, Any]) -> str:
    """A short table for the terminal."""

    def cell(value: float | None) -> str:
        return f"{'-':>9}" if value is None else f"{value:9.3f}"

    lines = [
        f"{'class':<12}{'precision':>10}{'recall':>10}{'f1':>10}{'clips':>8}{'f1 of frames':>14}{'frames':>8}"
    ]
    for name, score in scores["per_class"].items():
        frames = scores["frames"]["per_class"][name]
        cells = " ".join(cell(score[key]) for key in ("precision", "recall", "f1"))
        lines.append(
            f"{name:<12} {cells} {score['support']:7d}     {cell(frames['f1'])}"
            f" {frames['support']:7d}"
        )
    if scores["clips_without_window"]:
        lines.append(
            f"{scores['clips_without_window']} more clips are too short, or too near the start of"
            " their video, to be seen"
        )
    lines.append(
        f"accuracy {cell(scores['accuracy']).strip()} of clips,"
        f" {cell(scores['frames']['accuracy']).strip()} of frames"
    )
    lines.append(
        f"falls {scores['falls']}, missed {scores['falls_missed']}, mean delay"
        f" {cell(scores['fall_delay_s']).strip()} s"
    )
    return "\n".join(lines)
