# SPDX-License-Identifier: Apache-2.0
"""Scores of made-up results that are known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from perception_kit.evaluation.evaluator import Evaluation, evaluate_recording
from perception_kit.evaluation.ground_truth import (
    FrameGroundTruth,
    names_for_model,
    renamed_actions,
)
from perception_kit.evaluation.matching import EvaluatedFrame
from perception_kit.evaluation.metrics_schema import (
    ActionClassScores,
    GroundTruthScores,
    InstanceCounts,
    PoseScores,
    SegmentationScores,
    TrackingScores,
)
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
MODELS = {"mug": CUBE, "bowl": replace(CUBE, symmetric=True)}
CLASSES = ["falling", "lying", "other", "running", "walking"]


def instance(x: int, name: str = "mug", score: float = 1.0) -> Instance:
    return Instance(
        1, name, score, np.array([x, 5, x + 10, 25], np.float32), np.ones((20, 10), bool), (x, 5)
    )


def pose(index: int, name: str = "mug", shift: float = 0.0) -> PoseEstimate:
    return PoseEstimate(
        index, 1, name, np.eye(3), np.array([shift, 0.0, 1.0]), 1.0, np.full(3, 0.1)
    )


def track(
    identity: int, index: int, x: int, name: str = "mug", state: TrackState = TrackState.CONFIRMED
) -> TrackEstimate:
    box = np.array([x, 5, x + 10, 25], np.float32)
    return TrackEstimate(identity, 1, name, state, 1.0, 5, 5, 0.0, index, box, np.zeros(4))


def action(label: str, score: float = 0.9) -> ActionEstimate:
    return ActionEstimate(label, score, np.zeros(5), 0, 0)


def run(
    *pairs: tuple[FrameGroundTruth, FrameResults], without: dict[str, str] | None = None
) -> Evaluation:
    frames = [
        EvaluatedFrame(k * 100_000_000, ground_truth, results)
        for k, (ground_truth, results) in enumerate(pairs)
    ]
    return evaluate_recording(frames, (48, 64), MODELS, CLASSES, without or {})


def test_perfect_results() -> None:
    ground_truth = FrameGroundTruth(
        [instance(5), instance(30, "bowl")],
        [pose(0), pose(1, "bowl")],
        [track(1, 0, 5), track(2, 1, 30, "bowl")],
        "walking",
    )
    results = FrameResults(
        ground_truth.instances, ground_truth.poses, ground_truth.tracks, [action("walking")]
    )
    scores = run((ground_truth, results), (ground_truth, results)).scores
    assert scores.segmentation == SegmentationScores(pytest.approx(1.0), pytest.approx(1.0))
    assert scores.pose == PoseScores(1.0, pytest.approx(1.0))
    assert scores.tracking == TrackingScores(
        mota=1.0, idf1=1.0, hota=pytest.approx(1.0), id_switches=0, fragments=0
    )
    assert scores.instances == InstanceCounts(total=4, found=4)
    assert scores.actions.frame_accuracy == 1.0
    assert scores.actions.per_class["walking"] == ActionClassScores(
        precision=1.0, recall=1.0, f1=1.0, support=2
    )
    assert scores.actions.fall_delay_s is None
    assert set(scores.actions.per_class) == set(CLASSES)


def test_no_answers_at_all() -> None:
    ground_truth = FrameGroundTruth([instance(5)], [pose(0)], [track(1, 0, 5)], "walking")
    scores = run((ground_truth, FrameResults()), (ground_truth, FrameResults())).scores
    assert scores.segmentation == SegmentationScores(0.0, 0.0)
    assert scores.pose == PoseScores(0.0, 0.0)
    assert scores.tracking.mota == 0.0
    assert scores.instances == InstanceCounts(total=2, found=0)
    assert scores.actions.frame_accuracy == 0.0


def test_no_ground_truth_gives_none() -> None:
    results = FrameResults([instance(5)], [pose(0)], [track(1, 0, 5)], [action("walking")])
    evaluation = run((FrameGroundTruth(), results))
    assert evaluation.scores == GroundTruthScores(None, None, None, None, None)
    assert evaluation.notes == []


def test_frames_without_ground_truth_count_nowhere() -> None:
    ground_truth = FrameGroundTruth([instance(5)], [pose(0)], [track(1, 0, 5)], "walking")
    results = FrameResults([instance(5)], [pose(0)], [track(1, 0, 5)], [action("walking")])
    scores = run((ground_truth, results), (FrameGroundTruth(), FrameResults())).scores
    assert scores.instances == InstanceCounts(total=1, found=1)
    assert scores.pose.recall == 1.0
    assert scores.actions.frame_accuracy == 1.0


POSE_CASES = {
    "error below a tenth of the diameter": ([instance(5)], [pose(0, shift=0.017)], 1.0, 0.83),
    "error above a tenth of the diameter": ([instance(5)], [pose(0, shift=0.018)], 0.0, 0.82),
    "detected without a pose": ([instance(5)], [], 0.0, 0.0),
    "pose of an instance elsewhere": ([instance(40)], [pose(0)], 0.0, 0.0),
    "pose of an instance of another class": ([instance(5, "bowl")], [pose(0, "bowl")], 0.0, 0.0),
    "pose belongs to another detection": ([instance(40), instance(5)], [pose(0)], 0.0, 0.0),
}


@pytest.mark.parametrize("case", POSE_CASES)
def test_pose(case: str) -> None:
    instances, poses, expected_recall, expected_auc = POSE_CASES[case]
    scores = run(
        (FrameGroundTruth([instance(5)], [pose(0)]), FrameResults(instances, poses))
    ).scores
    assert scores.pose == PoseScores(expected_recall, pytest.approx(expected_auc))


def test_pose_of_a_barely_visible_instance_is_not_asked_for() -> None:
    ground_truth = FrameGroundTruth([instance(5), instance(30, score=0.05)], [pose(0), pose(1)])
    scores = run((ground_truth, FrameResults([instance(5)], [pose(0)]))).scores
    assert scores.pose.recall == 1.0


def test_pose_without_a_model_is_noted() -> None:
    evaluation = run((FrameGroundTruth([instance(5, "lamp")], [pose(0, "lamp")]), FrameResults()))
    assert evaluation.scores.pose is None
    assert evaluation.notes == [
        "pose is not scored: no model points of lamp; give a BOP models folder with --models"
    ]


def test_tracks_on_barely_visible_instances_are_neither_right_nor_wrong() -> None:
    ground_truth = FrameGroundTruth(
        [instance(5), instance(30, score=0.05)], None, [track(1, 0, 5), track(2, 1, 30)]
    )
    results = FrameResults(tracks=[track(7, 0, 5), track(8, 1, 30)])
    tracking = run((ground_truth, results), (ground_truth, results)).scores.tracking
    assert (tracking.mota, tracking.id_switches) == (1.0, 0)


def test_only_confirmed_tracks_count_and_switches_are_counted() -> None:
    ground_truth = FrameGroundTruth([instance(5)], None, [track(1, 0, 5)])
    first, second = (
        FrameResults(tracks=[track(7, 0, 5)]),
        FrameResults(tracks=[track(8, 0, 5), track(7, -1, 30, state=TrackState.LOST)]),
    )
    tracking = run((ground_truth, first), (ground_truth, second)).scores.tracking
    assert tracking.id_switches == 1
    assert tracking.mota == pytest.approx(1 - 1 / 2)


def test_fall_delay_is_in_seconds() -> None:
    labels = ["walking", "falling", "falling", "falling", "lying"]
    answers = ["walking", "walking", "walking", "falling", "lying"]
    evaluation = run(
        *[
            (FrameGroundTruth(action=label), FrameResults(actions=[action(answer)]))
            for label, answer in zip(labels, answers, strict=True)
        ]
    )
    assert evaluation.scores.actions.fall_delay_s == pytest.approx(0.2)
    assert evaluation.scores.actions.frame_accuracy == pytest.approx(3 / 5)
    assert evaluation.details["actions"]["falls_missed"] == 0
    assert evaluation.details["actions"]["false_fall_alarms"] == 0


def test_part_of_a_node_that_is_gone_is_none_with_a_note() -> None:
    ground_truth = FrameGroundTruth([instance(5)], None, None, "walking")
    evaluation = run(
        (ground_truth, FrameResults([instance(5)])), without={"actions": "actionrec_node is gone"}
    )
    assert evaluation.scores.actions is None
    assert evaluation.scores.instances == InstanceCounts(total=1, found=1)
    assert evaluation.notes == ["actions is not scored: actionrec_node is gone"]


def test_actions_of_the_ground_truth_by_the_names_of_the_node() -> None:
    frames = [FrameGroundTruth(action=action) for action in ("Fall Down", "walking", "", None)]
    names = names_for_model(frames, ["Fall Down", "walking"], ["Fall Down"])
    renamed = renamed_actions(frames, names)
    assert [frame.action for frame in renamed] == ["falling", "walking", "", None]


def test_actions_that_a_model_does_not_know_are_other_to_it() -> None:
    frames = [FrameGroundTruth(action=action) for action in ("sitting", "walking", "", None)]
    names = names_for_model(frames, ["other", "walking"], [])
    renamed = renamed_actions(frames, names)
    assert [frame.action for frame in renamed] == ["other", "walking", "", None]
    assert names_for_model(frames, ["running", "walking"], []) == {}
