# SPDX-License-Identifier: Apache-2.0
"""Matches ground-truth objects with detections and pose estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perception_kit.boxes import box_iou
from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.object_points import PointModel
from perception_kit.metrics.instances import (
    IGNORE_IOU,
    InstanceMatch,
    is_evaluated,
    match_counted,
)
from perception_kit.metrics.pose import PoseError
from perception_kit.metrics.tracking import TrackedBoxes
from perception_kit.types import ActionEstimate, FrameResults, TrackEstimate, TrackState


@dataclass(frozen=True)
class EvaluatedFrame:
    """One frame of a recording: its stamp, its ground truth and the nodes' results.

    Where the nodes did not respond, the results are empty.
    """

    stamp_ns: int
    ground_truth: FrameGroundTruth
    results: FrameResults

    @property
    def action(self) -> ActionEstimate | None:
        """The most confident action of anybody in view; None without any.

        It is the one that is compared with the label.
        """
        return max(self.results.actions, key=lambda action: action.score, default=None)


@dataclass(frozen=True)
class ObjectMatch(InstanceMatch):
    """The match of an instance that counts, and the error of its pose.

    ``pose`` has infinite errors where the object got no pose. It is None where the true pose or the
    object's model is not known.
    """

    pose: PoseError | None = None


def match_frame(
    frame: EvaluatedFrame, models: Mapping[str, PointModel]
) -> list[ObjectMatch] | None:
    """A match of every ground-truth instance that counts; None where the instances are unknown.

    ``models`` by class name.
    """
    if frame.ground_truth.instances is None:
        return None

    true_poses = {pose.detection_index: pose for pose in frame.ground_truth.poses or []}
    estimates = {pose.detection_index: pose for pose in frame.results.poses}

    def pose_error(match: InstanceMatch) -> PoseError | None:
        true_pose = true_poses.get(match.ground_truth_index)
        model = models.get(true_pose.class_name) if true_pose is not None else None
        if true_pose is None or model is None:
            return None
        found = match.detection_index
        estimate = estimates.get(found) if found is not None else None
        return model.pose_error(
            true_pose.class_name,
            (true_pose.rotation, true_pose.translation),
            (estimate.rotation, estimate.translation) if estimate is not None else None,
        )

    return [
        ObjectMatch(match.ground_truth_index, match.detection_index, match.iou, pose_error(match))
        for match in match_counted(frame.ground_truth.instances, frame.results.instances)
    ]


def counted_boxes(frame: EvaluatedFrame) -> tuple[TrackedBoxes, TrackedBoxes]:
    """Boxes of the ground-truth identities that count, and of the tracks that are scored.

    An identity counts where its instance does. Scored are confirmed tracks, except those that lie
    on identities that do not count only.
    """
    # Identities that count, and those to ignore.
    instances = frame.ground_truth.instances or []
    counted: list[TrackEstimate] = []
    ignored: list[TrackEstimate] = []
    for track in frame.ground_truth.tracks or []:
        has_instance = 0 <= track.detection_index < len(instances)
        counts = not has_instance or is_evaluated(instances[track.detection_index])
        (counted if counts else ignored).append(track)

    # Tracks that are neither right nor wrong.
    tracks = [track for track in frame.results.tracks if track.state is TrackState.CONFIRMED]
    on_counted = _largest_iou(tracks, counted) >= IGNORE_IOU
    on_ignored = _largest_iou(tracks, ignored) >= IGNORE_IOU
    scored = [track for k, track in enumerate(tracks) if on_counted[k] or not on_ignored[k]]

    return _as_boxes(counted), _as_boxes(scored)


def _largest_iou(
    tracks: Sequence[TrackEstimate], identities: Sequence[TrackEstimate]
) -> np.ndarray:
    """(N,) largest IoU of each track with an identity of its class, 0 without any."""
    boxes, true_boxes = (
        np.array([track.box for track in group]).reshape(-1, 4) for group in (tracks, identities)
    )
    names, true_names = (
        np.array([track.class_name for track in group], np.str_) for group in (tracks, identities)
    )
    iou = box_iou(boxes[:, None], true_boxes)
    same_class = names[:, None] == true_names
    return np.where(same_class, iou, 0.0).max(axis=1, initial=0.0)


def _as_boxes(tracks: Sequence[TrackEstimate]) -> TrackedBoxes:
    return TrackedBoxes(
        np.array([track.id for track in tracks]),
        np.array([track.box for track in tracks]),
        np.array([track.class_name for track in tracks], dtype=np.str_),
    )
