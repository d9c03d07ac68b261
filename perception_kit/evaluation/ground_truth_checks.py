# SPDX-License-Identifier: Apache-2.0
"""What keeps scores away, or low, although there is truth."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from perception_kit.evaluation.ground_truth import FrameGroundTruth


def ground_truth_warnings(
    ground_truths: Sequence[FrameGroundTruth],
    object_classes: Collection[str],
    action_classes: Collection[str],
) -> list[str]:
    """Says in words where the truth belongs to none of the frames, or names what the models (with
    these classes) do not know.
    """
    objects = {
        instance.class_name
        for ground_truth in ground_truths
        for instance in ground_truth.instances or []
    }
    actions = {ground_truth.action for ground_truth in ground_truths if ground_truth.action}
    remarks = []
    if all(ground_truth == FrameGroundTruth() for ground_truth in ground_truths):
        remarks.append(
            "no scores: the truth says nothing about any of the frames; its stamps must be those of"
            " the colour images"
        )
    elif not actions and any(ground_truth.action is not None for ground_truth in ground_truths):
        remarks.append(
            "actions are not scored: no frame has a true action; a CSV counts seconds from the"
            " first colour image"
        )
    if unknown := objects - set(object_classes):
        remarks.append(
            f"the segmentation model does not know {_listed(unknown)} of the truth: each counts as"
            " missed"
        )
    if unknown := actions - set(action_classes):
        remarks.append(
            f"the action model does not know {_listed(unknown)} of the truth: each frame of it"
            " counts as wrong"
        )
    return remarks


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
