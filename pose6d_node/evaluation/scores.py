# SPDX-License-Identifier: Apache-2.0
"""From results to ``metrics.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perception_kit.metrics.bop import bop_metrics
from perception_kit.metrics.instances import count_found
from perception_kit.metrics.pose import confidence_auroc, pose_metrics
from perception_kit.metrics.segmentation import box_average_precision, mask_average_precision
from perception_kit.types import Instance
from pose6d_node.evaluation.frames import GIVEN, PREDICTED, Results
from pose6d_node.evaluation.pose_errors import Judgement
from pose6d_node.segmentation.evaluation import FOUND_SCORE


def score(results: Results, headline: str) -> dict[str, Any]:
    """All scores, None where nothing was there to be measured.

    ``segmentation`` (COCO ``map``, ``map50`` of masks, ``box_map``, ``box_map50``), ``instances``
    (``total``, ``found``), ``pose`` (of the ``headline`` stage; the whole chain where there is a
    segmentation, else with given masks), ``per_class`` with the same three parts of each class, and
    ``poses``: every stage with given and with predicted masks.
    """
    segmentation = _segmentation(results) if results.predictions else {}
    instances = _instances(results) if results.predictions else {}
    poses = {
        masks: {stage: pose_scores(judged) for stage, judged in stages.items()}
        for masks, stages in results.judgements.items()
    }
    judged = headline_judgements(results, headline)
    pose = pose_scores(judged) if judged else {}
    parts = {"segmentation": segmentation, "instances": instances, "pose": pose}
    names = sorted({name for part in parts.values() for name in part.get("per_class", {})})
    return {
        "frames": len(results.ground_truth),
        **{name: _total(part) for name, part in parts.items()},
        "per_class": {
            name: {key: part.get("per_class", {}).get(name) for key, part in parts.items()}
            for name in names
        },
        "poses": poses,
    }


def headline_judgements(results: Results, stage: str) -> list[Judgement]:
    """Those of one stage, with predicted masks where there are any; empty without poses."""
    stages = results.judgements.get(PREDICTED) or results.judgements.get(GIVEN) or {}
    return stages.get(stage, [])


def pose_scores(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """``pose_metrics`` and ``bop_metrics`` in one, how many instances got a pose (``posed``), and
    how well their confidence tells the right ones, whose ADD(-S) is below 0.1 diameters, from the
    wrong ones (``confidence_auroc``).
    """
    pose, bop = (
        pose_metrics([one.pose for one in judgements]),
        bop_metrics([one.bop for one in judgements]),
    )
    per_class = {name: {**row, **bop["per_class"][name]} for name, row in pose["per_class"].items()}
    posed = [one for one in judgements if one.estimate is not None]
    right, wrong = (
        [one.confidence for one in posed if one.pose.is_right == kind] for kind in (True, False)
    )
    return {
        **pose,
        **bop,
        "posed": len(posed),
        "confidence_auroc": confidence_auroc(right, wrong),
        "per_class": per_class,
    }


def _segmentation(results: Results) -> dict[str, Any]:
    pair = results.ground_truth, results.predictions
    masks, boxes = (
        mask_average_precision(*pair, *results.image_size),
        box_average_precision(*pair, *results.image_size),
    )
    per_class = {
        name: _with_boxes(row, boxes["per_class"][name]) for name, row in masks["per_class"].items()
    }
    return {**_with_boxes(masks, boxes), "per_class": per_class}


def _with_boxes(masks: dict[str, Any], boxes: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: masks[key] for key in ("map", "map50")},
        **{f"box_{key}": boxes[key] for key in ("map", "map50")},
    }


def _instances(results: Results) -> dict[str, Any]:
    confident = [
        [instance for instance in frame if instance.score >= FOUND_SCORE]
        for frame in results.predictions
    ]
    names = {instance.class_name for frame in results.ground_truth for instance in frame}
    per_class = {
        name: count_found(_of_class(results.ground_truth, name), _of_class(confident, name))
        for name in names
    }
    return {**count_found(results.ground_truth, confident), "per_class": per_class}


def _of_class(frames: Sequence[Sequence[Instance]], name: str) -> list[list[Instance]]:
    return [[instance for instance in frame if instance.class_name == name] for frame in frames]


def _total(part: dict[str, Any]) -> dict[str, Any] | None:
    return {key: value for key, value in part.items() if key != "per_class"} or None
