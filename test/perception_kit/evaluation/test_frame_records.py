# SPDX-License-Identifier: Apache-2.0
"""What is kept about each frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from perception_kit.evaluation.evaluator import evaluate_recording
from perception_kit.evaluation.frame_records import (
    DetectionRecord,
    FrameRecord,
    frame_records,
    read_frame_records,
    write_frame_records,
)
from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey
from perception_kit.evaluation.matching import EvaluatedFrame
from perception_kit.evaluation.object_points import PointModel
from perception_kit.types import (
    ActionEstimate,
    FrameResults,
    Instance,
    PoseEstimate,
    TrackEstimate,
    TrackState,
)

CUBE = PointModel(
    np.array([[x, y, z] for x in (0, 0.1) for y in (0, 0.1) for z in (0, 0.1)]), 0.1732, False
)


def instance(x: int, name: str = "mug", score: float = 1.0) -> Instance:
    return Instance(
        1, name, score, np.array([x, 5, x + 10, 25], np.float32), np.ones((20, 10), bool), (x, 5)
    )


def pose(index: int, shift: float = 0.0) -> PoseEstimate:
    return PoseEstimate(
        index, 1, "mug", np.eye(3), np.array([shift, 0.0, 1.0]), 1.0, np.full(3, 0.1)
    )


def track(
    identity: int, index: int, x: int, state: TrackState = TrackState.CONFIRMED
) -> TrackEstimate:
    box = np.array([x, 5, x + 10, 25], np.float32)
    return TrackEstimate(identity, 1, "mug", state, 1.0, 5, 5, 0.0, index, box, np.zeros(4))


def records(ground_truth: FrameGroundTruth, results: FrameResults) -> list[FrameRecord]:
    frames = [EvaluatedFrame(10**9, ground_truth, results)]
    classes = ["falling", "walking"]
    evaluation = evaluate_recording(frames, (48, 64), {"mug": CUBE}, classes, {})
    latencies = [{"segmentation": 12.345}]
    return frame_records([FrameKey(3, 10**9)], frames, evaluation, classes, latencies, [0])


def test_found_missed_ignored_and_wrong() -> None:
    ground_truth = FrameGroundTruth(
        [instance(5), instance(30), instance(45, score=0.05)],
        [pose(0), pose(1)],
        [track(1, 0, 5), track(2, 1, 30)],
        "walking",
    )
    results = FrameResults(
        [instance(5), instance(45), instance(20, "bowl")],
        [pose(0, 0.01)],
        [track(7, 0, 5), track(8, 1, 45, TrackState.LOST)],
        [ActionEstimate("falling", 0.9, np.array([0.9, 0.1]), 0, 0)],
    )
    (record,) = records(ground_truth, results)
    assert (record.number, record.stamp_ns, record.picture) == (3, 10**9, 0)
    assert record.latency_ms == {"segmentation": 12.35}
    assert [(item.class_name, item.right) for item in record.detections] == [
        ("mug", True),
        ("mug", None),
        ("bowl", False),
    ]
    found, missed = record.objects
    assert (found.found, found.iou) == (True, 1.0)
    assert (found.error, found.adds, found.diameter) == (0.01, 0.01, 0.1732)
    assert (missed.found, missed.iou, missed.error, missed.diameter) == (False, 0.0, None, 0.1732)
    assert [(identity.id, identity.track) for identity in record.identities] == [(1, 7), (2, None)]
    assert [(track.id, track.class_name) for track in record.tracks] == [(7, "mug")]
    assert (record.label, record.true_label) == ("falling", "walking")
    assert record.scores == {"falling": 0.9, "walking": 0.1}


def test_nothing_is_known_and_nothing_was_answered() -> None:
    assert records(FrameGroundTruth(), FrameResults()) == [
        FrameRecord(3, 10**9, 0, {"segmentation": 12.35})
    ]


def test_object_without_a_model_has_no_pose_error() -> None:
    ground_truth = FrameGroundTruth(
        [instance(5, "lamp")], [PoseEstimate(0, 1, "lamp", np.eye(3), np.zeros(3), 1.0, np.ones(3))]
    )
    (record,) = records(ground_truth, FrameResults([instance(5, "lamp")]))
    assert (record.objects[0].found, record.objects[0].diameter) == (True, None)


def test_files_give_back_what_was_written(tmp_path: Path) -> None:
    written = records(
        FrameGroundTruth([instance(5)], [pose(0)], [track(1, 0, 5)], ""),
        FrameResults([instance(5)], [pose(0)], [track(1, 0, 5)]),
    )
    written += records(FrameGroundTruth(), FrameResults())
    write_frame_records(tmp_path / "frames.json", written)
    assert read_frame_records(tmp_path / "frames.json") == written


def test_files_of_other_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "frames.json"
    detection = {"class_name": "mug", "score": 0.9, "box": [1, 2, 3, 4], "right": None}
    frame = {"number": 3, "stamp_ns": 10**9, "picture": None, "latency_ms": {"pose": 9.5}}
    path.write_text(
        json.dumps([{**frame, "weather": "fine", "detections": [{**detection, "hue": 0.5}]}])
    )
    assert read_frame_records(path) == [
        FrameRecord(3, 10**9, None, {"pose": 9.5}, [DetectionRecord(**detection)])
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stamp_ns": "late"}, "'stamp_ns' must be int, got 'late'"),
        ({"number": None}, "'number' must be int, got None"),
        ({"detections": {}}, "'detections' must be list, got {}"),
        ({"detections": [3]}, "expected an object with the keys class_name, score, box, right"),
        ({"scores": {"walking": "much"}}, "'scores' must be float, got 'much'"),
        ({"label": 3}, "'label' must be str, got 3"),
    ],
)
def test_what_is_no_frame_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    frame = {"number": 3, "stamp_ns": 10**9, "picture": None, "latency_ms": {}}
    (tmp_path / "frames.json").write_text(json.dumps([frame | change]))
    with pytest.raises(TypeError, match=message):
        read_frame_records(tmp_path / "frames.json")
