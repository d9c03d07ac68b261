# SPDX-License-Identifier: Apache-2.0
"""The contents of ``metrics.json`` of an evaluation of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from perception_kit.metrics.bop import bop_metrics
from perception_kit.metrics.pose import confidence_auroc, pose_metrics
from perception_kit.metrics.segmentation import box_average_precision, mask_average_precision
from perception_kit.metrics.size import size_metrics
from pose6d_node.evaluation.model_evaluator import GIVEN, PREDICTED, ModelResults
from pose6d_node.evaluation.pose_targets import PoseMatch
from pose6d_node.evaluation.reliability import calibration_error, reliability


def model_metrics(results: ModelResults, headline: str) -> dict[str, Any]:
    """All scores, None where nothing was there to be measured.

    ``segmentation`` (COCO ``map``, ``map50`` of masks, ``box_map``, ``box_map50``), ``instances``
    (``total``, ``found``), ``pose`` (of the ``headline`` stage; the whole chain where there is a
    segmentation, else with given masks), ``per_class`` with the same three of each class, and
    ``poses``: every stage with given and with predicted masks.
    """
    matches = headline_matches(results, headline)
    scores: dict[str, dict[str, Any]] = {
        "segmentation": _segmentation(results) if results.predictions else {},
        "instances": _instances(results) if results.predictions else {},
        "pose": pose_scores(matches) if matches else {},
    }
    names = sorted({name for score in scores.values() for name in score.get("per_class", {})})
    per_class = {
        name: {key: score.get("per_class", {}).get(name) for key, score in scores.items()}
        for name in names
    }
    poses = {
        masks: {stage: pose_scores(matched) for stage, matched in stages.items()}
        for masks, stages in results.poses.items()
    }
    return {
        "frames": len(results.ground_truth),
        **{name: _total(score) for name, score in scores.items()},
        "per_class": per_class,
        "poses": poses,
    }


def scene_scores(
    matches: Sequence[PoseMatch], scene_of: Callable[[int], str]
) -> dict[str, dict[str, Any]]:
    """``pose_scores`` of each scene, without those of the classes."""
    scenes: dict[str, list[PoseMatch]] = {}
    for match in matches:
        scenes.setdefault(scene_of(match.frame), []).append(match)
    return {scene: _total(pose_scores(matched)) or {} for scene, matched in scenes.items()}


def headline_matches(results: ModelResults, stage: str) -> list[PoseMatch]:
    """Those of one stage, with predicted masks where there are any; empty without poses."""
    stages = results.poses.get(PREDICTED) or results.poses.get(GIVEN) or {}
    return stages.get(stage, [])


def pose_scores(matches: Sequence[PoseMatch]) -> dict[str, Any]:
    """``pose_metrics`` and ``bop_metrics`` in one, with the following.

    ``posed``: how many instances got a pose. ``confidence_auroc``: how well the confidence tells
    right poses, whose ADD(-S) is below 0.1 diameters, from wrong ones. ``calibration_error``: the
    mean difference between the confidence and the fraction that is right. Where objects differ in
    size from their models, ``size_metrics`` are there as well.
    """
    pose = pose_metrics([match.pose for match in matches])
    bop = bop_metrics([match.bop for match in matches])
    size = _size_scores(matches)
    per_class = {
        name: {**row, **bop["per_class"][name], **size["per_class"].get(name, {})}
        for name, row in pose["per_class"].items()
    }

    posed = [match for match in matches if match.estimate is not None]
    right = [match.confidence for match in posed if match.pose.is_right]
    wrong = [match.confidence for match in posed if not match.pose.is_right]
    return {
        **pose,
        **bop,
        **size,
        "posed": len(posed),
        "confidence_auroc": confidence_auroc(right, wrong),
        "calibration_error": calibration_error(reliability(matches)),
        "per_class": per_class,
    }


def _size_scores(matches: Sequence[PoseMatch]) -> dict[str, Any]:
    """``size_metrics``, without scores where all objects are as large as their models."""
    errors = [match.size for match in matches if match.size is not None]
    if not errors:
        return {"per_class": {}}
    # A class all of whose objects are as large as their model has the same scores, none known.
    scores, unknown = size_metrics(errors), size_metrics([])
    del unknown["per_class"]
    names = {match.pose.class_name for match in matches}
    return {**scores, "per_class": {name: unknown for name in names} | scores["per_class"]}


def _segmentation(results: ModelResults) -> dict[str, Any]:
    pair = results.ground_truth, results.predictions
    masks = mask_average_precision(*pair, *results.image_size)
    boxes = box_average_precision(*pair, *results.image_size)
    per_class = {
        name: _with_boxes(row, boxes["per_class"][name]) for name, row in masks["per_class"].items()
    }
    curves = {"precision_recall": masks["precision_recall"]}
    return {**_with_boxes(masks, boxes), **curves, "per_class": per_class}


def _with_boxes(masks: dict[str, Any], boxes: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: masks[key] for key in ("map", "map50", "map_medium_large")},
        **{f"box_{key}": boxes[key] for key in ("map", "map50")},
    }


def _instances(results: ModelResults) -> dict[str, Any]:
    names = {instance.class_name for frame in results.ground_truth for instance in frame}
    per_class = {name: {"total": 0, "found": 0} for name in names}
    for instances, matches in zip(results.ground_truth, results.matches, strict=True):
        for match in matches:
            count = per_class[instances[match.ground_truth_index].class_name]
            count["total"] += 1
            count["found"] += match.is_found

    total, found = (sum(count[key] for count in per_class.values()) for key in ("total", "found"))
    return {"total": total, "found": found, "per_class": per_class}


def _total(score: dict[str, Any]) -> dict[str, Any] | None:
    return {key: value for key, value in score.items() if key != "per_class"} or None
