# SPDX-License-Identifier: Apache-2.0
"""What the nodes made of each true object of a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.object_points import PointModel
from perception_kit.metrics.instances import is_evaluated, mask_iou, match_instances
from perception_kit.metrics.pose import PoseError, add, adds
from perception_kit.types import ActionEstimate, FrameResults, PoseEstimate


@dataclass(frozen=True)
class EvaluatedFrame:
    """One frame of the recording: its stamp, its truth, and what the nodes answered (empty where
    they did not).
    """

    stamp_ns: int
    ground_truth: FrameGroundTruth
    results: FrameResults

    @property
    def action(self) -> ActionEstimate | None:
        """The surest action of anybody in view, which is compared with the true one; None without
        any.
        """
        return max(self.results.actions, key=lambda action: action.score, default=None)


@dataclass(frozen=True)
class InstanceMatch:
    """The true instance ``truth_index``, which is visible enough to count.

    ``detection_index`` is the detection that found it (see ``match_instances``; None: missed) with
    mask IoU ``iou``. ``pose`` is the error of its pose, infinite where it got none; None where the
    true pose or the object's model is not known.
    """

    truth_index: int
    detection_index: int | None
    iou: float
    pose: PoseError | None


def match_ground_truth(
    frame: EvaluatedFrame, models: Mapping[str, PointModel]
) -> list[InstanceMatch] | None:
    """Every true instance of ``frame`` that is visible enough; None where the truth is not known."""
    if frame.ground_truth.instances is None:
        return None
    counted = [
        index
        for index, instance in enumerate(frame.ground_truth.instances)
        if is_evaluated(instance)
    ]
    visible = [frame.ground_truth.instances[index] for index in counted]
    detection_of = dict(match_instances(visible, frame.results.instances))
    true_pose_of = {pose.detection_index: pose for pose in frame.ground_truth.poses or []}
    pose_of = {pose.detection_index: pose for pose in frame.results.poses}
    judged = []
    for k, index in enumerate(counted):
        found = detection_of.get(k)
        iou = 0.0 if found is None else mask_iou(visible[k], frame.results.instances[found])
        true_pose = true_pose_of.get(index)
        model = models.get(true_pose.class_name) if true_pose is not None else None
        error = (
            None
            if model is None
            else _pose_error(true_pose, None if found is None else pose_of.get(found), model)
        )
        judged.append(InstanceMatch(index, found, iou, error))
    return judged


def _pose_error(
    ground_truth: PoseEstimate, estimate: PoseEstimate | None, model: PointModel
) -> PoseError:
    measured = {}
    if estimate is not None:
        poses = (
            estimate.rotation,
            estimate.translation,
            ground_truth.rotation,
            ground_truth.translation,
        )
        measured = {"add": add(model.points, *poses), "adds": adds(model.points, *poses)}
    return PoseError(ground_truth.class_name, model.diameter, model.symmetric, **measured)
