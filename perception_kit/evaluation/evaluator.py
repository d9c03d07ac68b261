# SPDX-License-Identifier: Apache-2.0
"""Scores of the recorded results of a bag against its truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception_kit.boxes import box_iou
from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.matching import EvaluatedFrame, InstanceMatch, match_ground_truth
from perception_kit.evaluation.object_points import PointModel
from perception_kit.metrics.actions import confusion, fall_reports, frame_accuracy, per_class
from perception_kit.metrics.instances import count_found, is_evaluated
from perception_kit.metrics.pose import pose_metrics
from perception_kit.metrics.segmentation import mask_average_precision
from perception_kit.metrics.tracking import (
    IdentityEvent,
    TrackedBoxes,
    identity_events,
    tracking_metrics,
)
from perception_kit.types import TrackState

_POSE_KEYS = ("recall_0.1d", "adds_auc")
_TRACKING_KEYS = ("mota", "idf1", "hota", "id_switches", "fragments")
_IGNORE_IOU = 0.5


@dataclass
class Evaluation:
    """``metrics``: the parts of ``metrics.json`` that need truth, None where there is none.

    ``details``: what is behind them.

    ``notes`` say in words why a part is None although there is truth. ``objects`` and
    ``identities`` hold, for each frame, what became of the true objects and of their identities;
    None where that is not known.
    """

    metrics: dict[str, Any] = field(
        default_factory=lambda: dict.fromkeys(
            ("segmentation", "pose", "tracking", "actions", "instances")
        )
    )
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    objects: list[list[InstanceMatch] | None] = field(default_factory=list)
    identities: list[list[IdentityEvent] | None] = field(default_factory=list)


def evaluate(
    frames: Sequence[EvaluatedFrame],
    image_size: tuple[int, int],
    models: Mapping[str, PointModel],
    action_classes: Sequence[str],
    without: Mapping[str, str],
) -> Evaluation:
    """Every score that the truth of ``frames`` allows; a frame whose truth is unknown counts
    nowhere.

    ``image_size`` (height, width) pixels; ``models`` by class name; ``action_classes`` of the
    action model. ``without`` names the parts that get no score although there is truth, with the
    reason (a node that is gone).
    """
    evaluation = Evaluation(
        objects=[match_ground_truth(frame, models) for frame in frames],
        identities=[None] * len(frames),
    )
    evaluators = {
        "segmentation": lambda part: _segmentation(evaluation, part, image_size),
        "instances": lambda part: _instances(evaluation, part),
        "pose": lambda part: _pose(evaluation, part, models),
        "tracking": lambda part: _tracking(evaluation, frames),
        "actions": lambda part: _actions(evaluation, part, action_classes),
    }
    for name, evaluator in evaluators.items():
        known = [
            frame for frame in frames if _ground_truth_of(name, frame.ground_truth) is not None
        ]
        if known and name in without:
            evaluation.notes.append(f"{name} is not scored: {without[name]}")
        elif known:
            evaluator(known)
    return evaluation


def _ground_truth_of(part: str, ground_truth: FrameGroundTruth) -> Any:
    if part == "pose" and ground_truth.instances is None:
        return None
    fields = {
        "segmentation": ground_truth.instances,
        "instances": ground_truth.instances,
        "pose": ground_truth.poses,
    }
    return {**fields, "tracking": ground_truth.tracks, "actions": ground_truth.action}[part]


def _segmentation(
    evaluation: Evaluation, frames: Sequence[EvaluatedFrame], image_size: tuple[int, int]
) -> None:
    ground_truth, predictions = (
        [frame.ground_truth.instances for frame in frames],
        [frame.results.instances for frame in frames],
    )
    scores = mask_average_precision(ground_truth, predictions, *image_size)
    if scores["map"] is not None:
        evaluation.metrics["segmentation"] = {key: scores[key] for key in ("map", "map50")}
        evaluation.details["segmentation"] = scores


def _instances(evaluation: Evaluation, frames: Sequence[EvaluatedFrame]) -> None:
    ground_truth, predictions = (
        [frame.ground_truth.instances for frame in frames],
        [frame.results.instances for frame in frames],
    )
    evaluation.metrics["instances"] = count_found(ground_truth, predictions)


def _pose(
    evaluation: Evaluation, frames: Sequence[EvaluatedFrame], models: Mapping[str, PointModel]
) -> None:
    names = {pose.class_name for frame in frames for pose in frame.ground_truth.poses}
    if unknown := sorted(names - set(models)):
        evaluation.notes.append(
            f"pose is not scored: no model points of {', '.join(unknown)}; give a BOP models folder"
            " with --models"
        )
        return
    errors = [
        judged.pose
        for objects in evaluation.objects
        for judged in objects or []
        if judged.pose is not None
    ]
    if not errors:
        return
    scores = pose_metrics(errors)
    found = [error for error in errors if np.isfinite(error.adds)]
    evaluation.metrics["pose"] = {key: scores[key] for key in _POSE_KEYS}
    evaluation.details["pose"] = {
        **scores,
        "posed": len(found),
        "posed_add_mean_m": float(np.mean([error.add for error in found])) if found else None,
        "posed_adds_mean_m": float(np.mean([error.adds for error in found])) if found else None,
        "posed_adds_median_m": float(np.median([error.adds for error in found])) if found else None,
    }


def _tracking(evaluation: Evaluation, frames: Sequence[EvaluatedFrame]) -> None:
    known = [index for index, frame in enumerate(frames) if frame.ground_truth.tracks is not None]
    pairs = [_tracked_boxes(frames[index]) for index in known]
    ground_truth, predicted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scores = tracking_metrics(ground_truth, predicted)
    for index, followed in zip(known, identity_events(ground_truth, predicted), strict=True):
        evaluation.identities[index] = followed
    if scores["mota"] is not None:
        evaluation.metrics["tracking"] = {key: scores[key] for key in _TRACKING_KEYS}
        evaluation.details["tracking"] = scores


def _tracked_boxes(frame: EvaluatedFrame) -> tuple[TrackedBoxes, TrackedBoxes]:
    """True boxes that are visible enough, and confirmed tracks without those on true boxes that are
    not.
    """
    instances = frame.ground_truth.instances or []
    counted, ignored = [], []
    for track in frame.ground_truth.tracks:
        linked = (
            instances[track.detection_index]
            if 0 <= track.detection_index < len(instances)
            else None
        )
        (counted if linked is None or is_evaluated(linked) else ignored).append(track)
    tracks = [track for track in frame.results.tracks if track.state is TrackState.CONFIRMED]
    on_ignored = _best_iou(tracks, ignored) >= _IGNORE_IOU
    on_counted = _best_iou(tracks, counted) >= _IGNORE_IOU
    kept = [track for k, track in enumerate(tracks) if on_counted[k] or not on_ignored[k]]
    return _as_boxes(counted), _as_boxes(kept)


def _best_iou(tracks: Sequence[Any], others: Sequence[Any]) -> np.ndarray:
    """(N,) largest IoU of each track with one of ``others`` of its class, 0 without any."""
    boxes, other_boxes = (
        np.array([item.box for item in items]).reshape(-1, 4) for items in (tracks, others)
    )
    iou = box_iou(boxes[:, None], other_boxes)
    same = np.array(
        [[track.class_name == other.class_name for other in others] for track in tracks], bool
    ).reshape(iou.shape)
    return np.where(same, iou, 0.0).max(axis=1, initial=0.0)


def _as_boxes(tracks: Sequence[Any]) -> TrackedBoxes:
    names = np.array([track.class_name for track in tracks], dtype=np.str_)
    return TrackedBoxes(
        np.array([track.id for track in tracks]), np.array([track.box for track in tracks]), names
    )


def _actions(
    evaluation: Evaluation, frames: Sequence[EvaluatedFrame], action_classes: Sequence[str]
) -> None:
    ground_truth = [frame.ground_truth.action for frame in frames]
    predicted = [frame.action.label if frame.action is not None else "" for frame in frames]
    accuracy = frame_accuracy(ground_truth, predicted)
    if accuracy is None:
        return
    names = [
        *action_classes,
        *sorted({label for label in ground_truth if label} - set(action_classes)),
    ]
    falls = fall_reports([frame.stamp_ns * 1e-9 for frame in frames], ground_truth, predicted)
    evaluation.metrics["actions"] = {
        "frame_accuracy": accuracy,
        "per_class": per_class(ground_truth, predicted, names),
        "fall_delay_s": falls.mean_s,
    }
    evaluation.details["actions"] = {
        "class_names": names,
        "confusion": confusion(ground_truth, predicted, names).tolist(),
        "fall_delays_s": falls.delays_s,
        "falls_missed": falls.missed,
        "false_fall_alarms": falls.false_alarms,
    }
