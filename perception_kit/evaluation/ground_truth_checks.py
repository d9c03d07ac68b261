# SPDX-License-Identifier: Apache-2.0
"""Warnings about ground truth that cannot be scored or lowers the scores."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from perception_kit.colors import OTHER_LABEL
from perception_kit.evaluation.ground_truth import FrameGroundTruth


def ground_truth_warnings(
    ground_truths: Sequence[FrameGroundTruth],
    object_classes: Collection[str],
    action_classes: Collection[str],
) -> list[str]:
    """Warnings about ground truth of other frames, and about classes that the models do not know.

    The classes are those of the segmentation model and of the action model.
    """
    warnings = []

    # Ground truth that fits none of the frames.
    actions = {frame.action for frame in ground_truths if frame.action}
    if all(frame == FrameGroundTruth() for frame in ground_truths):
        warnings.append(
            "no scores: the truth says nothing about any of the frames; its stamps must be those of"
            " the colour images"
        )
    elif not actions and any(frame.action is not None for frame in ground_truths):
        warnings.append(
            "actions are not scored: no frame has a true action; a CSV counts seconds from the"
            " first colour image"
        )

    # Classes that no model can find.
    objects = {instance.class_name for frame in ground_truths for instance in frame.instances or []}
    if unknown := objects - set(object_classes):
        warnings.append(
            f"the segmentation model does not know {_listed(unknown)} of the truth: each counts as"
            " missed"
        )
    if unknown := actions - set(action_classes):
        effect = "'other'" if OTHER_LABEL in action_classes else "wrong"
        warnings.append(
            f"the action model does not know {_listed(unknown)} of the truth: each frame of it"
            f" counts as {effect}"
        )
    return warnings


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def mask_extent(ground_truths: Sequence[FrameGroundTruth]) -> tuple[int, int]:
    """(height, width) of the smallest image that holds all masks of the ground truth."""
    ends = [
        (instance.mask_origin[1] + rows, instance.mask_origin[0] + columns)
        for frame in ground_truths
        for instance in frame.instances or []
        for rows, columns in [instance.mask.shape]
    ]
    return max((end[0] for end in ends), default=0), max((end[1] for end in ends), default=0)
