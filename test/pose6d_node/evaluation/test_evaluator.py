# SPDX-License-Identifier: Apache-2.0
"""Scores of estimators and segmenters whose results are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from box_views import BoxView
from scipy.spatial.transform import Rotation

from perception_kit.datasets.frame import FrameDataset, GroundTruthInstance
from perception_kit.datasets.opener import open_dataset
from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node.evaluation.jitter import jitter
from pose6d_node.evaluation.model_evaluator import (
    GIVEN,
    NOT_FOUND,
    PREDICTED,
    ModelEvaluator,
    ModelResults,
)
from pose6d_node.evaluation.model_metrics import headline_matches, model_metrics, pose_scores
from pose6d_node.evaluation.notes import class_notes
from pose6d_node.evaluation.reliability import (
    calibration_error,
    draw_reliability,
    reliability,
)
from pose6d_node.evaluation.worst_poses import worst_poses


class KnownPoses:
    """Gives the true pose of the view with this image, moved by ``offset`` metres.

    Every ``skip``-th call rejects all instances. ``given`` counts the previous poses of each call.
    """

    class_names = ("box",)

    def __init__(self, views: Sequence[BoxView], offset: float = 0.0, skip: int = 0) -> None:
        self.views, self.offset, self.skip, self.calls = views, offset, skip, 0
        self.rejected: list[tuple[int, str]] = []
        self.given: list[int] = []

    def __call__(
        self,
        rgb,
        depth,
        intrinsics,
        instances: Sequence[Instance],
        previous: Sequence[PoseEstimate] = (),
    ) -> list[PoseEstimate]:
        self.given.append(len(previous))
        view = next(view for view in self.views if np.array_equal(view.rgb, rgb))
        self.calls += 1
        is_skipped = self.skip and self.calls % self.skip == 0
        self.rejected = [(k, "skipped for a test") for k in range(len(instances)) if is_skipped]
        translation = view.translation + np.array([0, 0, self.offset])
        return [
            PoseEstimate(k, 1, instance.class_name, view.rotation, translation, 1.0, np.ones(3))
            for k, instance in enumerate(instances)
            if not self.rejected
        ]


class KnownMasks:
    """Gives the true mask of the view with this image; every ``miss``-th call finds nothing."""

    class_names = ("box",)

    def __init__(self, views: Sequence[BoxView], miss: int = 0) -> None:
        self.views, self.miss, self.calls = views, miss, 0

    def __call__(
        self, rgb: np.ndarray, depth: np.ndarray, intrinsics: Intrinsics
    ) -> list[Instance]:
        self.calls += 1
        view = next(view for view in self.views if np.array_equal(view.rgb, rgb))
        is_miss = self.miss and self.calls % self.miss == 0
        return [] if is_miss else [replace(view.instance(), score=0.9)]


@pytest.fixture(scope="module")
def dataset(bop_folder: Path) -> FrameDataset:
    return open_dataset(bop_folder)


def test_true_answers_have_full_scores(dataset: FrameDataset, box_views) -> None:
    estimators = {"only": KnownPoses(box_views)}
    results = ModelEvaluator(dataset, KnownMasks(box_views), estimators).run(range(4))
    metrics = model_metrics(results, "only")
    assert metrics["frames"] == 4
    assert metrics["instances"] == {"total": 4, "found": 4}
    curves = metrics["segmentation"].pop("precision_recall")
    assert all(curve == [1.0] * 101 for curve in curves.values())
    keys = ("map", "map50", "map_medium_large", "box_map", "box_map50")
    assert metrics["segmentation"] == pytest.approx(dict.fromkeys(keys, 1.0))
    assert metrics["poses"].keys() == {GIVEN, PREDICTED}
    for masks in (GIVEN, PREDICTED):
        scores = metrics["poses"][masks]["only"]
        assert scores["count"] == scores["posed"] == 4
        assert scores["confidence_auroc"] is None, "none is wrong"
        assert [
            value
            for key, value in scores.items()
            if "recall" in key or "auc" in key or key.startswith("ar")
        ] == pytest.approx([1.0] * 10)
    assert metrics["per_class"]["box"]["pose"]["ar"] == 1.0


def test_each_model_is_scored_on_the_classes_that_it_knows(
    dataset: FrameDataset, box_views
) -> None:
    foreign = KnownPoses(box_views)
    foreign.class_names = ("crate",)
    estimators = {"only": KnownPoses(box_views), "known size, refined": foreign}
    evaluator = ModelEvaluator(dataset, None, estimators)
    results = evaluator.run(range(2))
    assert {stage: len(found) for stage, found in results.poses[GIVEN].items()} == {
        "only": 2,
        "known size, refined": 0,
    }
    (note,) = class_notes(dataset, evaluator, results)
    assert note.startswith("the pose model of known size does not know box")


def test_wrong_poses_have_the_errors_they_have(dataset: FrameDataset, box_views) -> None:
    estimators = {
        "far": KnownPoses(box_views, offset=0.05),
        "near": KnownPoses(box_views, offset=0.004),
    }
    results = ModelEvaluator(dataset, None, estimators).run(range(4))
    [match, *_] = results.poses[GIVEN]["far"]
    assert match.pose.add == pytest.approx(0.05)
    assert match.bop.mssd == pytest.approx(0.05 / match.pose.diameter)
    metrics = model_metrics(results, "near")
    assert (metrics["segmentation"], metrics["instances"]) == (None, None)
    far, near = (metrics["poses"][GIVEN][stage] for stage in estimators)
    assert (far["recall_0.1d"], near["recall_0.1d"]) == (0.0, 1.0)
    assert far["add_auc"] == pytest.approx(0.5)
    assert far["ar_vsd"] < near["ar_vsd"]
    assert metrics["pose"]["recall_0.1d"] == 1.0, "near is the headline"
    both = [*results.poses[GIVEN]["far"], *results.poses[GIVEN]["near"]]
    assert pose_scores(both)["confidence_auroc"] == 0.5, "right and wrong ones are equally sure"


def test_sizes_are_scored_where_objects_differ_from_their_models(
    dataset: FrameDataset, box_views, box_size, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KnownSizes(KnownPoses):
        def __call__(self, *seen) -> list[PoseEstimate]:
            std = np.full(3, 0.01)
            return [
                replace(pose, size=1.25 * box_size, size_std=std)
                for pose in super().__call__(*seen)
            ]

    estimators = {"sized": KnownSizes(box_views), "known size": KnownPoses(box_views)}
    plain = model_metrics(ModelEvaluator(dataset, None, estimators).run(range(2)), "known size")
    assert "size_error_median" not in plain["pose"], "nobody asked for sizes"

    original = dataset.instances

    def larger(index: int) -> list[GroundTruthInstance]:
        return [replace(instance, scale=np.full(3, 1.25)) for instance in original(index)]

    monkeypatch.setattr(dataset, "instances", larger)
    results = ModelEvaluator(dataset, None, estimators).run(range(4))
    metrics = model_metrics(results, "sized")
    sized, known = (metrics["poses"][GIVEN][stage] for stage in estimators)
    assert metrics["per_class"]["box"]["pose"]["iou_mean"] == pytest.approx(1.0, abs=1e-6)
    assert sized["size_error_median"] == pytest.approx(0.0, abs=1e-6)
    assert known["size_error_median"] == pytest.approx(0.2)
    assert known["iou_mean"] == pytest.approx(0.8**3)
    for scores in (sized, known):
        assert scores["recall_0.1d"] == scores["ap_5deg_5cm"] == scores["ap_iou_0.5"] == 1.0
    [match, *_] = results.poses[GIVEN]["sized"]
    [box] = dataset.models.values()
    assert match.pose.diameter == pytest.approx(1.25 * box.diameter, rel=1e-6)


def test_what_is_not_found_or_skipped_is_a_miss(dataset: FrameDataset, box_views) -> None:
    results = ModelEvaluator(
        dataset, KnownMasks(box_views, miss=4), {"only": KnownPoses(box_views, skip=5)}
    ).run(range(4))
    # Calls of the estimator: given and predicted masks of each frame in turn; the fifth, frame 2
    # with given masks, skips.
    metrics = model_metrics(results, "only")
    assert metrics["instances"] == {"total": 4, "found": 3}
    assert metrics["poses"][GIVEN]["only"]["recall_0.1d"] == 0.75
    assert metrics["poses"][PREDICTED]["only"]["recall_0.1d"] == 0.75
    assert metrics["pose"]["ar"] == metrics["pose"]["adds_auc"] == 0.75
    reasons = {
        masks: [match.reason for match in results.poses[masks]["only"]]
        for masks in (GIVEN, PREDICTED)
    }
    assert reasons[GIVEN] == ["", "", "skipped for a test", ""]
    assert reasons[PREDICTED] == ["", "", "", NOT_FOUND]
    assert results.rejected == {"skipped for a test": 1}


def test_detections_of_low_score_count_for_precision_only(dataset: FrameDataset, box_views) -> None:
    class Unsure(KnownMasks):
        def __call__(
            self, rgb: np.ndarray, depth: np.ndarray, intrinsics: Intrinsics
        ) -> list[Instance]:
            confident = super().__call__(rgb, depth, intrinsics)
            return [replace(instance, score=0.3) for instance in confident]

    metrics = model_metrics(
        ModelEvaluator(dataset, Unsure(box_views), {"only": KnownPoses(box_views)}).run(range(2)),
        "only",
    )
    assert metrics["segmentation"]["map"] == pytest.approx(1.0)
    assert metrics["instances"]["found"] == 0
    assert metrics["pose"]["recall_0.1d"] == 0.0


def test_visibility_is_measured_where_the_layout_does_not_state_it(
    dataset: FrameDataset, box_views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(dataset), "states_visibility", False)
    results = ModelEvaluator(dataset, None, {"only": KnownPoses(box_views)}).run(
        range(len(dataset))
    )
    whole = [
        index
        for index, frame in enumerate(results.ground_truth)
        if (frame[0].box > 0).all() and (frame[0].box < [160, 120, 160, 120]).all()
    ]
    assert len(whole) > 3
    assert [results.ground_truth[index][0].score for index in whole] == pytest.approx(
        [1.0] * len(whole), abs=0.03
    )

    def mostly_hidden(index: int) -> np.ndarray:
        labels = original(index)
        labels[np.cumsum(labels).reshape(labels.shape) > 0.05 * labels.sum()] = 0
        return labels

    original = dataset.labels
    monkeypatch.setattr(dataset, "labels", mostly_hidden)
    hidden = ModelEvaluator(dataset, None, {"only": KnownPoses(box_views)}).run(range(4))
    assert headline_matches(hidden, "only") == []
    assert model_metrics(hidden, "only")["pose"] is None


def test_worst_cases_show_wrong_poses_beside_misses(dataset: FrameDataset, box_views) -> None:
    results: ModelResults = ModelEvaluator(
        dataset, None, {"only": KnownPoses(box_views, skip=2)}
    ).run(range(8))
    shown = worst_poses(headline_matches(results, "only"), 4)
    assert [match.estimate is None for match in shown] == [True, True, False, False]
    assert len(worst_poses(headline_matches(results, "only"), 100)) == 8


def test_stages_that_follow_get_the_poses_of_the_frame_before(
    dataset: FrameDataset, box_views
) -> None:
    alone, following = KnownPoses(box_views), KnownPoses(box_views)
    estimators = {"alone": alone, "following": following}
    ModelEvaluator(dataset, None, estimators, ("following",)).run([0, 1, 3])
    assert alone.given == [0, 0, 0]
    assert following.given == [0, 1, 0], "frame 3 does not follow frame 1"


@pytest.mark.parametrize(
    ("degrees", "jumps"), [(0.0, 0), (15.0, 0), (30.0, 3)], ids=["still", "noise", "jumps"]
)
def test_jitter_is_the_change_of_the_error(
    dataset: FrameDataset, box_views, degrees: float, jumps: int
) -> None:
    evaluator = ModelEvaluator(dataset, None, {"only": KnownPoses(box_views)})
    matches = evaluator.run(range(4)).poses[GIVEN]["only"]

    # Every second pose is turned about the model's center.
    turn = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    matches[1::2] = [
        replace(match, estimate=(match.ground_truth[0] @ turn, match.ground_truth[1]))
        for match in matches[1::2]
    ]
    measured = jitter(matches, evaluator.target_models, dataset.scene)
    assert measured["pairs"] == 3
    assert measured["jumps"] == jumps
    assert measured["rotation_degrees"]["median"] == pytest.approx(degrees, abs=1e-4)
    assert measured["translation_mm"]["p95"] == pytest.approx(0, abs=1e-3)


def test_reliability_of_known_confidences(dataset: FrameDataset, box_views, tmp_path) -> None:
    results = ModelEvaluator(dataset, None, {"only": KnownPoses(box_views)}).run(range(4))
    matches = [
        replace(match, confidence=confidence)
        for match, confidence in zip(
            results.poses[GIVEN]["only"], (0.65, 0.67, 0.9, 1.0), strict=True
        )
    ]
    bins = reliability(matches)
    assert [(part.count, part.right) for part in bins] == [(2, 1.0), (2, 1.0)]
    assert [part.confidence for part in bins] == pytest.approx([0.66, 0.95])
    assert calibration_error(bins) == pytest.approx(0.195)
    assert calibration_error([]) is None

    draw_reliability(tmp_path / "curve.png", {"given masks": matches, "none": []})
    assert cv2.imread(str(tmp_path / "curve.png")).shape[2] == 3
