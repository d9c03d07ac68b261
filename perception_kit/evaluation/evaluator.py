# SPDX-License-Identifier: Apache-2.0
"""Scores the recorded results of a bag against its ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.matching import (
    EvaluatedFrame,
    ObjectMatch,
    counted_boxes,
    match_frame,
)
from perception_kit.evaluation.metrics_schema import (
    ActionClassScores,
    ActionScores,
    GroundTruthScores,
    InstanceCounts,
    PoseScores,
    SegmentationScores,
    TrackingScores,
    from_json,
)
from perception_kit.evaluation.object_points import PointModel
from perception_kit.metrics.actions import confusion, fall_reports, frame_accuracy, per_class
from perception_kit.metrics.pose import pose_metrics
from perception_kit.metrics.segmentation import mask_average_precision
from perception_kit.metrics.tracking import IdentityEvent, identity_events, tracking_metrics


@dataclass
class Evaluation:
    """``scores`` are those of ``metrics.json`` that need ground truth, ``details`` is behind them.

    ``notes`` say why a score is None although there is ground truth. ``objects`` and ``identities``
    hold the matches and the identity events of each frame; None where they are not known.
    """

    scores: GroundTruthScores = field(default_factory=GroundTruthScores)
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    objects: list[list[ObjectMatch] | None] = field(default_factory=list)
    identities: list[list[IdentityEvent] | None] = field(default_factory=list)


def evaluate_recording(
    frames: Sequence[EvaluatedFrame],
    image_size: tuple[int, int],
    models: Mapping[str, PointModel],
    action_classes: Sequence[str],
    without: Mapping[str, str],
) -> Evaluation:
    """Every score that the ground truth of ``frames`` allows; unknown frames count nowhere.

    ``image_size`` (height, width) pixels; ``models`` by class name; ``action_classes`` of the
    action model. ``without`` names the scores to leave out although there is ground truth, with the
    reason (a node that is gone).
    """
    evaluation = Evaluation(
        objects=[match_frame(frame, models) for frame in frames],
        identities=[None] * len(frames),
    )
    evaluators = {
        "segmentation": lambda: _segmentation(evaluation, frames, image_size),
        "instances": lambda: _instances(evaluation),
        "pose": lambda: _pose(evaluation, frames, models),
        "tracking": lambda: _tracking(evaluation, frames),
        "actions": lambda: _actions(evaluation, frames, action_classes),
    }
    for name, evaluator in evaluators.items():
        if not any(_is_known(name, frame.ground_truth) for frame in frames):
            continue
        if name in without:
            evaluation.notes.append(f"{name} is not scored: {without[name]}")
        else:
            evaluator()
    return evaluation


def _is_known(scores: str, ground_truth: FrameGroundTruth) -> bool:
    """Whether the ground truth of a frame allows these ``scores``."""
    needed: dict[str, tuple[Any, ...]] = {
        "segmentation": (ground_truth.instances,),
        "instances": (ground_truth.instances,),
        "pose": (ground_truth.instances, ground_truth.poses),
        "tracking": (ground_truth.tracks,),
        "actions": (ground_truth.action,),
    }
    return all(source is not None for source in needed[scores])


def _segmentation(
    evaluation: Evaluation, frames: Sequence[EvaluatedFrame], image_size: tuple[int, int]
) -> None:
    ground_truth, predictions = [], []
    for frame in frames:
        if frame.ground_truth.instances is not None:
            ground_truth.append(frame.ground_truth.instances)
            predictions.append(frame.results.instances)

    precision = mask_average_precision(ground_truth, predictions, *image_size)
    if precision["map"] is not None:
        evaluation.scores.segmentation = from_json(SegmentationScores, precision)
        evaluation.details["segmentation"] = precision


def _instances(evaluation: Evaluation) -> None:
    matches = [match for objects in evaluation.objects for match in objects or []]
    found = sum(match.is_found for match in matches)
    evaluation.scores.instances = InstanceCounts(total=len(matches), found=found)


def _pose(
    evaluation: Evaluation, frames: Sequence[EvaluatedFrame], models: Mapping[str, PointModel]
) -> None:
    names = {
        pose.class_name
        for frame in frames
        if frame.ground_truth.instances is not None
        for pose in frame.ground_truth.poses or []
    }
    if unknown := sorted(names - set(models)):
        evaluation.notes.append(
            f"pose is not scored: no model points of {', '.join(unknown)}; give a BOP models folder"
            " with --models"
        )
        return

    errors = [
        match.pose
        for objects in evaluation.objects
        for match in objects or []
        if match.pose is not None
    ]
    if not errors:
        return
    metrics = pose_metrics(errors)
    evaluation.scores.pose = from_json(PoseScores, metrics)

    # The means are of the objects that got a pose: a miss has no finite error.
    posed = [error for error in errors if np.isfinite(error.adds)]
    adds = [error.adds for error in posed]
    evaluation.details["pose"] = {
        **metrics,
        "posed": len(posed),
        "posed_add_mean_m": float(np.mean([error.add for error in posed])) if posed else None,
        "posed_adds_mean_m": float(np.mean(adds)) if posed else None,
        "posed_adds_median_m": float(np.median(adds)) if posed else None,
    }


def _tracking(evaluation: Evaluation, frames: Sequence[EvaluatedFrame]) -> None:
    known = [index for index, frame in enumerate(frames) if frame.ground_truth.tracks is not None]
    pairs = [counted_boxes(frames[index]) for index in known]
    ground_truth, tracks = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    for index, events in zip(known, identity_events(ground_truth, tracks), strict=True):
        evaluation.identities[index] = events

    metrics = tracking_metrics(ground_truth, tracks)
    if metrics["mota"] is not None:
        evaluation.scores.tracking = from_json(TrackingScores, metrics)
        evaluation.details["tracking"] = metrics


def _actions(
    evaluation: Evaluation, frames: Sequence[EvaluatedFrame], action_classes: Sequence[str]
) -> None:
    stamps_s, labels, predicted = [], [], []
    for frame in frames:
        if frame.ground_truth.action is not None:
            stamps_s.append(frame.stamp_ns * 1e-9)
            labels.append(frame.ground_truth.action)
            predicted.append(frame.action.label if frame.action is not None else "")

    accuracy = frame_accuracy(labels, predicted)
    if accuracy is None:
        return

    # Classes of the model, and those that only the ground truth has.
    names = [
        *action_classes,
        *sorted({label for label in labels if label} - set(action_classes)),
    ]
    by_class = {
        name: from_json(ActionClassScores, scores)
        for name, scores in per_class(labels, predicted, names).items()
    }
    falls = fall_reports(stamps_s, labels, predicted)
    evaluation.scores.actions = ActionScores(accuracy, by_class, falls.mean_s)
    evaluation.details["actions"] = {
        "class_names": names,
        "confusion": confusion(labels, predicted, names).tolist(),
        "fall_delays_s": falls.delays_s,
        "falls_missed": falls.missed,
        "false_fall_alarms": falls.false_alarms,
    }
