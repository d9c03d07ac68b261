# SPDX-License-Identifier: Apache-2.0
"""Detections with known identities, from a MOTChallenge folder or a bag with ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_iou
from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey
from perception_kit.metrics.instances import is_evaluated
from perception_kit.metrics.tracking import TrackedBoxes
from perception_kit.types import Instance, PoseEstimate
from tracker_node.config import TrackerConfig
from tracker_node.labels import MATCH_IOU, Labels
from tracker_node.mot import instances_of, read_described_detections
from tracker_node.sequence_files import ReadingOptions, read_sequence_labels, warn_uncovered

NO_IDENTITY = -1


class TuningDataError(ValueError):
    """There is nothing to tune with; the message says what is missing."""


@dataclass
class LabeledFrame:
    """What was detected at ``stamp_ns``, and the true boxes.

    The boxes have classes where detections have them. ``labels`` of a MOTChallenge file say which
    tracks are not scored in this frame, ``number``.
    """

    stamp_ns: int
    instances: Sequence[Instance]
    poses: Sequence[PoseEstimate]
    ground_truth: TrackedBoxes
    number: int = 0
    labels: Labels | None = None

    @property
    def name(self) -> str:
        """What messages call this frame."""
        if self.labels is not None:
            return f"frame {self.number}"
        return f"the frame at {self.stamp_ns * 1e-9:.3f} s"

    def scored(self, tracked: TrackedBoxes) -> TrackedBoxes:
        """The tracks that count."""
        if self.labels is None:
            return tracked
        return self.labels.scored(self.number, tracked)

    def identities(self) -> np.ndarray:
        """(N,) identity of the true box that each detection matches, else NO_IDENTITY.

        Matches have the same class, an IoU of at least 0.5, and the largest sum of IoU.
        """
        identities = np.full(len(self.instances), NO_IDENTITY, np.int64)
        boxes = np.array([instance.box for instance in self.instances], float).reshape(-1, 1, 4)
        boxes[~np.isfinite(boxes).all(axis=2)] = 0.0  # overlaps nothing

        iou = box_iou(boxes, self.ground_truth.boxes)
        if self.ground_truth.classes is not None:
            names = np.array([instance.class_name for instance in self.instances], np.str_)
            iou[names[:, None] != self.ground_truth.classes] = 0.0

        rows, columns = linear_sum_assignment(iou, maximize=True)
        good = iou[rows, columns] >= MATCH_IOU
        identities[rows[good]] = self.ground_truth.ids[columns[good]]
        return identities


def read_mot_folder(
    folder: Path,
    features: Path | None,
    frames: int | None,
    config: TrackerConfig,
    options: ReadingOptions,
) -> list[LabeledFrame]:
    """Frames 1 to ``frames`` (None: to the last) of ``det/det.txt`` and ``gt/gt.txt``.

    ``features`` is a .npy file with one descriptor for each detection. Raises MotFileError,
    ValueError for other features, and TuningDataError for empty files.
    """
    detections, descriptors = read_described_detections(
        folder / "det/det.txt", features, options, config
    )
    ground_truth = read_sequence_labels(folder / "gt/gt.txt", options)
    if not (len(detections) and len(ground_truth)):
        raise TuningDataError(
            f"{folder} has {len(detections)} detections and {len(ground_truth)} true boxes: there"
            " is nothing to compare"
        )

    last = frames or int(max(detections.frame.max(), ground_truth.frame.max()))
    warn_uncovered(ground_truth, detections, last)
    return [
        LabeledFrame(
            stamp_ns=round(frame / config.nominal_frame_rate * 1e9),
            instances=instances_of(detections, descriptors, frame),
            poses=[],
            ground_truth=ground_truth.counted(frame),
            number=frame,
            labels=ground_truth,
        )
        for frame in range(1, last + 1)
    ]


def read_bag(bag: Path, results: Path | None) -> list[LabeledFrame]:
    """Frames of the detections in ``results`` with the ground truth in ``bag``.

    ``results`` is a bag that a replay wrote; by default, the detections are in ``bag`` itself.
    Raises BagError, and TuningDataError where one of them has nothing of the kind.
    """
    # They import ROS messages, which MOTChallenge files do without.
    from perception_kit.evaluation.ground_truth_bag import BagGroundTruth
    from perception_kit.evaluation.results import read_results

    seen, _ = read_results(results or bag)
    if not any(result.instances for result in seen.values()):
        raise TuningDataError(
            f"bag '{results or bag}' has no detections: play it through the nodes with 'python -m"
            f" perception_kit.replay {bag} --out OUT' and name the bag of the results with"
            " --results"
        )

    stamps = sorted(seen)
    keys = [FrameKey(number, stamp) for number, stamp in enumerate(stamps)]
    pairs = zip(stamps, BagGroundTruth(bag).frames(keys), strict=True)
    frames = [
        LabeledFrame(stamp, seen[stamp].instances, seen[stamp].poses, _visible(ground_truth))
        for stamp, ground_truth in pairs
        if ground_truth.tracks
    ]
    if not frames:
        raise TuningDataError(
            f"bag '{bag}' has no /ground_truth/tracks with the stamps of the detections: identities"
            " are not known"
        )
    return frames


def _visible(ground_truth: FrameGroundTruth) -> TrackedBoxes:
    """The true boxes of the objects that are visible enough to be evaluated."""
    instances, tracks = ground_truth.instances or [], ground_truth.tracks or []
    visible = [
        track
        for track in tracks
        if not 0 <= track.detection_index < len(instances)
        or is_evaluated(instances[track.detection_index])
    ]
    return TrackedBoxes(
        np.array([track.id for track in visible]),
        np.array([track.box for track in visible]),
        np.array([track.class_name for track in visible], np.str_),
    )
