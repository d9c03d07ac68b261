# SPDX-License-Identifier: Apache-2.0
"""The contents of a replay's ``frames.json``: each frame's results and how right they were."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.budgets import parse_json, regular
from perception_kit.evaluation.evaluator import Evaluation
from perception_kit.evaluation.ground_truth import FrameKey
from perception_kit.evaluation.matching import EvaluatedFrame, ObjectMatch
from perception_kit.evaluation.metrics_schema import from_json
from perception_kit.metrics.instances import detection_verdicts
from perception_kit.metrics.pose import PoseError
from perception_kit.metrics.tracking import IdentityEvent
from perception_kit.types import TrackState


@dataclass(frozen=True)
class DetectionRecord:
    """One detection; ``box`` as in ``Instance``.

    ``right``: it found a ground-truth object; None where that is unknown or the detection is
    ignored (it lies on an object that does not count).
    """

    class_name: str
    score: float
    box: list[float]
    right: bool | None


@dataclass(frozen=True)
class ObjectRecord:
    """One ground-truth object that counts: whether it was ``found``, and with which mask ``iou``.

    ``error`` is ADD, or ADD-S for a symmetric object, ``adds`` ADD-S and ``translation`` the
    distance of the origins, in metres, ``rotation`` the angle between the poses in degrees, up to
    symmetries; all are None where the object got no pose. ``diameter`` in metres is None where its
    true pose or its model is not known, so that there is nothing to measure.
    """

    class_name: str
    box: list[float]
    found: bool
    iou: float
    diameter: float | None = None
    error: float | None = None
    adds: float | None = None
    rotation: float | None = None
    translation: float | None = None

    @property
    def error_in_diameters(self) -> float | None:
        """``error`` as a fraction of the diameter; None where one of them is not known."""
        if self.error is None or self.diameter is None:
            return None
        return self.error / self.diameter


@dataclass(frozen=True)
class TrackRecord:
    """One confirmed track."""

    id: int
    class_name: str


@dataclass(frozen=True)
class IdentityRecord:
    """A ground-truth identity and the track that matches it (None: missed).

    ``switch`` and ``fragment`` as in ``IdentityEvent``.
    """

    id: int
    class_name: str
    track: int | None
    switch: bool
    fragment: bool


@dataclass(frozen=True)
class FrameRecord:
    """Frame ``number`` of the bag, picture ``picture`` of the video (None: not in it).

    ``latency_ms`` by stage, without those that gave no result. ``label`` and ``scores``
    (probability by class) are those of the most confident action, "" and empty without one.
    Of the ground truth, None is what nobody knows; a ``true_label`` of "" is a frame that nobody
    labeled.
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
    """A record of each of the ``frames``.

    All sequences but ``action_classes`` have one entry for each frame.
    """
    matched = zip(frames, evaluation.objects, evaluation.identities, strict=True)
    played = zip(keys, latency_ms, pictures, strict=True)
    return [
        FrameRecord(
            key.number,
            key.stamp_ns,
            picture,
            {stage: round(value, 2) for stage, value in latency.items()},
            _detections(frame, objects),
            _tracks(frame),
            **_action(frame, action_classes),
            objects=_objects(frame, objects),
            identities=_identities(frame, events),
            true_label=frame.ground_truth.action,
        )
        for (frame, objects, events), (key, latency, picture) in zip(matched, played, strict=True)
    ]


def write_frame_records(path: Path, records: Sequence[FrameRecord]) -> None:
    """Write ``frames.json``, one frame a line."""
    lines = ",\n".join(json.dumps(asdict(record), separators=(",", ":")) for record in records)
    path.write_text(f"[\n{lines}\n]\n")


def read_frame_records(path: Path) -> list[FrameRecord]:
    """Read ``frames.json``; files of other versions as in ``from_json``.

    Raises OSError, ValueError or TypeError for a file that is not one.
    """
    content = parse_json(regular(path).read_text())
    if not isinstance(content, list):
        raise TypeError(f"expected a list of frames, got {content!r:.80}")
    return [from_json(FrameRecord, frame) for frame in content]


def _detections(
    frame: EvaluatedFrame, objects: Sequence[ObjectMatch] | None
) -> list[DetectionRecord]:
    instances, ground_truth = frame.results.instances, frame.ground_truth.instances
    verdicts: list[bool | None] = [None] * len(instances)
    if objects is not None and ground_truth is not None:
        verdicts = detection_verdicts(ground_truth, instances, objects)
    return [
        DetectionRecord(
            instance.class_name, round(float(instance.score), 4), _box(instance.box), right
        )
        for instance, right in zip(instances, verdicts, strict=True)
    ]


def _tracks(frame: EvaluatedFrame) -> list[TrackRecord]:
    return [
        TrackRecord(track.id, track.class_name)
        for track in frame.results.tracks
        if track.state is TrackState.CONFIRMED
    ]


def _objects(
    frame: EvaluatedFrame, matches: Sequence[ObjectMatch] | None
) -> list[ObjectRecord] | None:
    instances = frame.ground_truth.instances
    if matches is None or instances is None:
        return None

    records = []
    for match in matches:
        instance = instances[match.ground_truth_index]
        pose: dict[str, float | None] = {}
        if match.pose is not None:
            pose = pose_fields(match.pose)
        records.append(
            ObjectRecord(
                instance.class_name,
                _box(instance.box),
                match.is_found,
                round(match.iou, 4),
                **pose,
            )
        )
    return records


def pose_fields(error: PoseError) -> dict[str, float | None]:
    """The fields of an ``ObjectRecord`` that tell of its pose."""
    return {
        "diameter": error.diameter,
        "error": _finite(error.error),
        "adds": _finite(error.adds),
        "rotation": _finite(error.rotation),
        "translation": _finite(error.translation),
    }


def _identities(
    frame: EvaluatedFrame, events: Sequence[IdentityEvent] | None
) -> list[IdentityRecord] | None:
    if events is None:
        return None

    names = {track.id: track.class_name for track in frame.ground_truth.tracks or []}
    return [
        IdentityRecord(
            event.ground_truth_id,
            names[event.ground_truth_id],
            event.track_id,
            event.switch,
            event.fragment,
        )
        for event in events
    ]


def _action(frame: EvaluatedFrame, action_classes: Sequence[str]) -> dict[str, Any]:
    if frame.action is None:
        return {}
    probabilities = zip(action_classes, frame.action.class_scores, strict=False)
    scores = {name: round(float(probability), 4) for name, probability in probabilities}
    return {"label": frame.action.label, "scores": scores}


def _box(box: np.ndarray) -> list[float]:
    return [round(float(value), 1) for value in box]


def _finite(error: float) -> float | None:
    return round(error, 6) if np.isfinite(error) else None
