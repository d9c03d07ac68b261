# SPDX-License-Identifier: Apache-2.0
"""What the scores of an evaluation leave out, and why, in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from perception_kit.datasets.frame import FrameDataset, empty_mask_notes
from pose6d_node.evaluation.model_evaluator import ModelEvaluator, ModelResults
from pose6d_node.evaluation.pose_stages import unknown_classes


def depth_notes(
    dataset: FrameDataset, models: Mapping[str, Path], evaluator: ModelEvaluator
) -> list[str]:
    """What a dataset without depth images leaves out."""
    if dataset.has_depth:
        return []
    notes = [f"'{dataset.folder}' has no depth images: the segmentation alone is scored"]
    if "pose" in models:
        notes.append(f"the poses of '{models['pose']}' are not scored: they need depth")
    if evaluator.segmenter is not None and evaluator.segmenter.uses_depth:
        notes.append("the segmentation model was trained with depth, and sees color alone here")
    return notes


def class_notes(
    dataset: FrameDataset, evaluator: ModelEvaluator, results: ModelResults
) -> list[str]:
    """Classes in the frames that a model does not know, and why instances got no pose."""
    annotated = {instance.class_name for frame in results.ground_truth for instance in frame}
    articulated = {model.name for model in dataset.models.values() if model.articulated}
    notes = []

    not_posed = sorted(annotated - evaluator.posed_classes - articulated)
    if evaluator.estimators and not_posed:
        notes.append(
            f"the pose model does not know {', '.join(not_posed)}: their poses are not scored"
        )
    if others := sorted(unknown_classes(evaluator.estimators, annotated & evaluator.posed_classes)):
        notes.append(
            f"the pose model of known size does not know {', '.join(others)}: its scores are"
            " without them"
        )
    if evaluator.segmenter is not None:
        not_segmented = sorted(annotated - set(evaluator.segmenter.class_names))
        if not_segmented:
            names = ", ".join(not_segmented)
            notes.append(f"the segmentation model does not know {names}: they count as missed")

    return notes + empty_mask_notes(results.empty_masks) + reason_notes(results.rejected)


def reason_notes(reasons: Counter[str]) -> list[str]:
    """Why there is no pose, and how often; reasons that differ in their numbers are one."""
    kinds: dict[str, list[str]] = {}
    for reason, _ in reasons.most_common():
        kinds.setdefault(re.sub(r"[\d.]+", "", reason), []).append(reason)
    notes = []
    for alike in kinds.values():
        count = sum(reasons[reason] for reason in alike)
        times = "once" if count == 1 else f"{count} times"
        such = ", such as" if len(alike) > 1 else ""
        notes.append(f"{times} no pose{such}: {alike[0]}")
    return notes
