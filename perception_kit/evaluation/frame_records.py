# SPDX-License-Identifier: Apache-2.0
"""``frames.json`` of a replay: for each frame what came out and how right it was, for reports and
comparisons.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.evaluation.evaluator import Evaluation
from perception_kit.evaluation.ground_truth import FrameKey
from perception_kit.evaluation.matching import EvaluatedFrame, InstanceMatch
from perception_kit.metrics.instances import mask_iou
from perception_kit.metrics.tracking import IdentityEvent
from perception_kit.types import TrackState

_ON_IGNORED_IOU = 0.5


@dataclass(frozen=True)
class DetectionRecord:
    """One detection; ``box`` as in ``Instance``.

    ``right``: it found a true object; None where nobody knows or none of those that count is
    concerned (it lies on a true object that is barely visible).
    """

    class_name: str
    score: float
    box: list[float]
    right: bool | None


@dataclass(frozen=True)
class ObjectRecord:
    """One true object: whether it was ``found``, with which mask ``iou``, its ``diameter`` and its
    errors in metres.

    ``error`` is ADD, or ADD-S for a symmetric object, and ``adds`` ADD-S; both are None where the
    object got no pose. ``diameter`` is None where its true pose or its model is not known, so that
    there is nothing to measure.
    """

    class_name: str
    box: list[float]
    found: bool
    iou: float
    diameter: float | None = None
    error: float | None = None
    adds: float | None = None


@dataclass(frozen=True)
class TrackRecord:
    """One confirmed track."""

    id: int
    class_name: str


@dataclass(frozen=True)
class IdentityRecord:
    """A true identity and the track that follows it (None: missed); ``switch`` and ``fragment`` as
    in ``IdentityEvent``.
    """

    id: int
    class_name: str
    track: int | None
    switch: bool
    fragment: bool


@dataclass(frozen=True)
class FrameRecord:
    """Frame ``number`` of the bag, picture ``picture`` of the video (None: not in it).

    What is true is None where nobody knows it.

    ``latency_ms`` by stage, without those that gave no result. ``label`` and ``scores``
    (probability by class) are those of the surest action, "" and empty without one. A
    ``true_label`` of "" is a frame that nobody labelled.
    """

    number: int
    stamp_ns: int
    picture: int | None
    latency_ms: dict[str, float]
    detections: list[DetectionRecord] = field(default_factory=list)
    tracks: list[TrackRecord] = field(default_factory=list)
    label: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    objects: list[ObjectRecord] | None = None
    identities: list[IdentityRecord] | None = None
    true_label: str | None = None


def frame_records(
    keys: Sequence[FrameKey],
    frames: Sequence[EvaluatedFrame],
    evaluation: Evaluation,
    action_classes: Sequence[str],
    latency_ms: Sequence[dict[str, float]],
    pictures: Sequence[int | None],
) -> list[FrameRecord]:
    """A record of each of the ``frames``; all sequences but ``action_classes`` have one entry for
    each.
    """
    return [
        FrameRecord(
            key.number,
            key.stamp_ns,
            picture,
            {stage: round(value, 2) for stage, value in latency.items()},
            _detections(frame, objects),
            [
                TrackRecord(track.id, track.class_name)
                for track in frame.results.tracks
                if track.state is TrackState.CONFIRMED
            ],
            **_action(frame, action_classes),
            objects=None if objects is None else [_object(frame, judged) for judged in objects],
            identities=None if identities is None else _identities(frame, identities),
            true_label=frame.ground_truth.action,
        )
        for key, frame, objects, identities, latency, picture in zip(
            keys,
            frames,
            evaluation.objects,
            evaluation.identities,
            latency_ms,
            pictures,
            strict=True,
        )
    ]


def write_frame_records(path: Path, records: Sequence[FrameRecord]) -> None:
    """Write ``frames.json``, one frame a line."""
    lines = ",\n".join(json.dumps(asdict(record), separators=(",", ":")) for record in records)
    path.write_text(f"[\n{lines}\n]\n")


def read_frame_records(path: Path) -> list[FrameRecord]:
    """Read ``frames.json``. Raises OSError, ValueError or TypeError for a file that is not one."""
    kinds = {
        "detections": DetectionRecord,
        "tracks": TrackRecord,
        "objects": ObjectRecord,
        "identities": IdentityRecord,
    }

    def record(content: dict[str, Any]) -> FrameRecord:
        parts = {
            name: [kinds[name](**item) for item in content[name]]
            for name in kinds
            if content[name] is not None
        }
        return FrameRecord(**content | parts)

    return [record(content) for content in json.loads(path.read_text())]


def _detections(
    frame: EvaluatedFrame, objects: Sequence[InstanceMatch] | None
) -> list[DetectionRecord]:
    instances = frame.results.instances
    right: list[bool | None] = [None] * len(instances)
    if objects is not None:
        found = {judged.detection_index for judged in objects}
        counted = {judged.truth_index for judged in objects}
        ignored = [
            instance
            for index, instance in enumerate(frame.ground_truth.instances)
            if index not in counted
        ]
        for index, instance in enumerate(instances):
            others = [other for other in ignored if other.class_name == instance.class_name]
            if index in found or all(
                mask_iou(instance, other) < _ON_IGNORED_IOU for other in others
            ):
                right[index] = index in found
    return [
        DetectionRecord(
            instance.class_name, round(float(instance.score), 4), _box(instance.box), one
        )
        for instance, one in zip(instances, right, strict=True)
    ]


def _object(frame: EvaluatedFrame, judged: InstanceMatch) -> ObjectRecord:
    instance = frame.ground_truth.instances[judged.truth_index]
    record = ObjectRecord(
        instance.class_name,
        _box(instance.box),
        judged.detection_index is not None,
        round(judged.iou, 4),
    )
    if judged.pose is None:
        return record
    error, adds = (
        round(value, 6) if np.isfinite(value) else None
        for value in (judged.pose.error, judged.pose.adds)
    )
    return ObjectRecord(
        record.class_name, record.box, record.found, record.iou, judged.pose.diameter, error, adds
    )


def _identities(frame: EvaluatedFrame, identities: Sequence[IdentityEvent]) -> list[IdentityRecord]:
    names = {track.id: track.class_name for track in frame.ground_truth.tracks}
    return [
        IdentityRecord(one.truth_id, names[one.truth_id], one.track_id, one.switch, one.fragment)
        for one in identities
    ]


def _action(frame: EvaluatedFrame, action_classes: Sequence[str]) -> dict[str, Any]:
    if frame.action is None:
        return {}
    scores = {
        name: round(float(score), 4)
        for name, score in zip(action_classes, frame.action.class_scores, strict=False)
    }
    return {"label": frame.action.label, "scores": scores}


def _box(box: np.ndarray) -> list[float]:
    return [round(float(value), 1) for value in box]
