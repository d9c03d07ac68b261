# SPDX-License-Identifier: Apache-2.0
"""Scores of a model on labeled videos that it was not trained on, per clip and per frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionrec_node.data.crops import CLIPS_AT_ONCE
from actionrec_node.data.labeled_videos import MIN_ACTION_FRAMES, LabeledVideo, list_windows
from actionrec_node.networks.action_model import ActionModel
from perception_kit.alarm_classes import default_alarm_classes
from perception_kit.colors import FALL_LABEL
from perception_kit.metrics import actions


@dataclass(frozen=True)
class PredictedVideo:
    """Predictions of a model for the windows of a video.

    ``labels`` (N,) of all frames; the windows that end at frames ``ends`` (M,) have ``scores``
    (M, C).
    """

    labels: np.ndarray
    ends: np.ndarray
    scores: np.ndarray

    def live_frames(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The frames at which a robot has a prediction: from the first window's end on.

        Returns the frames, their true class, and the number of the newest window at each.
        """
        first = self.ends[0] if len(self.ends) else len(self.labels)
        frames = np.arange(first, len(self.labels))
        return frames, self.labels[frames], np.searchsorted(self.ends, frames, side="right") - 1


def label_names(class_names: Sequence[str]) -> np.ndarray:
    """(C + 1,) the name of each class index; ``UNLABELED``, -1, finds ``NONE`` at the end."""
    return np.array([*class_names, actions.NONE])


def fall_names(class_names: Sequence[str], alarm_classes: Sequence[str]) -> np.ndarray:
    """``label_names`` in which every alarm class is called "falling"."""
    return label_names([FALL_LABEL if name in alarm_classes else name for name in class_names])


def predict_video(
    model: ActionModel, video: LabeledVideo, stride: int, context: float | None = None
) -> PredictedVideo:
    """Predictions for every ``stride``-th clip of a video; one shorter than a clip has none.

    Clips show the whole image or, with ``context``, the person where they are seen, as the live
    node does ``per_person``.
    """
    spec = model.spec
    ends = np.arange(spec.clip_length - 1, len(video.frames), stride)
    scores = [np.zeros((0, len(spec.class_names)), np.float32)]
    for first in range(0, len(ends), CLIPS_AT_ONCE):
        clips = [video.clip(end, spec, context) for end in ends[first : first + CLIPS_AT_ONCE]]
        scores.append(model.probabilities(clips))
    return PredictedVideo(video.labels, ends, np.concatenate(scores))


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


def evaluate_clips(
    model: ActionModel,
    videos: Iterable[LabeledVideo],
    stride: int = 4,
    context: float | None = None,
) -> dict[str, Any]:
    """``clip_scores`` of the model's predictions for the videos."""
    predicted = predict_videos(model, videos, stride, context)
    spec = model.spec
    return clip_scores(predicted, spec.class_names, spec.clip_length, spec.clip_fps, spec.alarms)


def clip_scores(
    videos: Sequence[PredictedVideo],
    class_names: Sequence[str],
    clip_length: int,
    clip_fps: float,
    alarm_classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Scores per clip, where a clip is a labeled segment of a video, and per frame.

    Per clip: ``clips``, ``accuracy``, ``macro_f1`` (classes that occur), ``per_class`` and
    ``confusion`` (rows true, columns predicted, last column none); the prediction is the highest
    mean score of the windows that end in the clip, each weighed by how many of its frames lie in
    the clip. ``clips_without_window`` are too short, or too near the start of their video, to be
    seen. ``frames``: the same over the frames from the first full window on, as a robot sees them:
    each prediction holds until the next one. ``fall_delay_s`` (mean), ``falls`` and
    ``falls_missed`` come from the frames, where falls are the ``alarm_classes``.
    """
    names = label_names(class_names)

    # Per clip.
    true_clips, predicted_clips, unseen = _clip_predictions(videos, clip_length)

    # Per frame.
    frames = [_frame_predictions(video) for video in videos]
    nothing = np.zeros(0, np.int64)
    true_frames = np.concatenate([nothing, *(ground_truth for _, ground_truth, _ in frames)])
    predicted_frames = np.concatenate([nothing, *(predicted for _, _, predicted in frames)])

    # Falls.
    if alarm_classes is None:
        alarm_classes = default_alarm_classes(class_names)
    called = fall_names(class_names, alarm_classes)
    falls = actions.joined(
        actions.fall_reports(
            (indices / clip_fps).tolist(),
            called[ground_truth].tolist(),
            called[predicted].tolist(),
            FALL_LABEL,
        )
        for indices, ground_truth, predicted in frames
    )

    return {
        "clips": len(true_clips),
        "clips_without_window": unseen,
        **_summary(names[true_clips], names[predicted_clips], class_names),
        "frames": _summary(names[true_frames], names[predicted_frames], class_names),
        "alarm_classes": list(alarm_classes),
        "fall_delay_s": falls.mean_s,
        "falls": len(falls.delays_s),
        "falls_missed": falls.missed,
    }


def window_scores(
    videos: Sequence[PredictedVideo], classes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """True class (M,) of every window, and score (M,) of all ``classes`` (indices) together.

    Those that end in a frame without a label are left out.
    """
    ground_truth = np.concatenate([video.labels[video.ends] for video in videos])
    scores = np.concatenate([video.scores[:, classes].sum(axis=1) for video in videos])
    return ground_truth[ground_truth >= 0], scores[ground_truth >= 0]


def _clip_predictions(
    videos: Sequence[PredictedVideo], clip_length: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """True and predicted class (K,) of each labeled segment, and how many no window ends in."""
    true_classes, predicted_classes, segments = [], [], 0
    for video in videos:
        segments += len(np.unique(list_windows([video.labels], 1).segment))

        # Of the windows that count for a segment, those that have a prediction.
        windows = list_windows([video.labels], clip_length, min_action_frames=MIN_ACTION_FRAMES)
        _, known, scored = np.intersect1d(windows.end, video.ends, return_indices=True)
        segment, weights = windows.segment[known], windows.frames_within[known]

        # The class with the highest weighted mean score of the windows of a segment.
        for number in np.unique(segment):
            chosen = segment == number
            true_classes.append(windows.label[known][chosen][0])
            predicted_classes.append((weights[chosen] @ video.scores[scored][chosen]).argmax())

    unseen = segments - len(true_classes)
    return np.array(true_classes, np.int64), np.array(predicted_classes, np.int64), unseen


def _frame_predictions(video: PredictedVideo) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ``live_frames``, their true class, and the best class of the newest window at them."""
    frames, ground_truth, newest = video.live_frames()
    return frames, ground_truth, video.scores.argmax(axis=1)[newest]


def _summary(
    ground_truth: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    """Accuracy, scores per class and confusion of class names (N,)."""
    labels, predictions = ground_truth.tolist(), predicted.tolist()
    per_class = actions.per_class(labels, predictions, class_names)

    f1_of_occurring = [
        score["f1"] for score in per_class.values() if score["support"] and score["f1"] is not None
    ]
    return {
        "accuracy": actions.frame_accuracy(labels, predictions),
        "macro_f1": float(np.mean(f1_of_occurring)) if f1_of_occurring else None,
        "per_class": per_class,
        "confusion": actions.confusion(labels, predictions, class_names).tolist(),
    }


def format_scores(scores: dict[str, Any]) -> str:
    """A short table for the terminal."""

    def cell(value: float | None) -> str:
        return f"{'-':>9}" if value is None else f"{value:9.3f}"

    def inline(value: float | None) -> str:
        return cell(value).strip()

    # A line per class: clips, and frames.
    lines = [
        f"{'class':<12}{'precision':>10}{'recall':>10}{'f1':>10}{'clips':>8}"
        f"{'f1 of frames':>14}{'frames':>8}"
    ]
    for name, score in scores["per_class"].items():
        frames = scores["frames"]["per_class"][name]
        cells = " ".join(cell(score[key]) for key in ("precision", "recall", "f1"))
        lines.append(
            f"{name:<12} {cells} {score['support']:7d}"
            f"     {cell(frames['f1'])} {frames['support']:7d}"
        )

    # All classes together.
    if unseen := scores["clips_without_window"]:
        lines.append(
            f"{unseen} more clips are too short, or too near the start of their video, to be seen"
        )
    lines.append(
        f"accuracy {inline(scores['accuracy'])} of clips,"
        f" {inline(scores['frames']['accuracy'])} of frames"
    )
    if not scores["alarm_classes"]:
        lines.append("no fall alarm: no class raises it (choose it by --alarm-class)")
        return "\n".join(lines)
    lines.append(
        f"falls {scores['falls']}, missed {scores['falls_missed']},"
        f" mean delay {inline(scores['fall_delay_s'])} s"
    )
    return "\n".join(lines)
