# SPDX-License-Identifier: Apache-2.0
"""What keeps scores away, or low, although there is truth."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from perception_kit.truth import FrameTruth


def truth_remarks(truths: Sequence[FrameTruth], object_classes: Collection[str], action_classes: Collection[str]) -> list[str]:
    """Says in words where the truth belongs to none of the frames, or names what the models (with these classes) do not know."""
    objects = {instance.class_name for truth in truths for instance in truth.instances or []}
    actions = {truth.action for truth in truths if truth.action}
    remarks = []
    if all(truth == FrameTruth() for truth in truths):
        remarks.append("no scores: the truth says nothing about any of the frames; its stamps must be those of the colour images")
    elif not actions and any(truth.action is not None for truth in truths):
        remarks.append("actions are not scored: no frame has a true action; a CSV counts seconds from the first colour image")
    if unknown := objects - set(object_classes):
        remarks.append(f"the segmentation model does not know {_listed(unknown)} of the truth: each counts as missed")
    if unknown := actions - set(action_classes):
        remarks.append(f"the action model does not know {_listed(unknown)} of the truth: each frame of it counts as wrong")
    return remarks


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
