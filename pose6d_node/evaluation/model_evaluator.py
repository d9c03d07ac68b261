# SPDX-License-Identifier: Apache-2.0
"""Runs models on annotated frames and matches their results with the ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from tqdm import tqdm

from perception_kit.datasets.frame import (
    AnnotatedFrame,
    FrameDataset,
    empty_masks,
    visible_instances,
)
from perception_kit.metrics.instances import InstanceMatch, is_evaluated, match_counted
from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.evaluation.pose_targets import PoseMatch, PoseTarget, TargetModel, distances
from pose6d_node.segmentation.evaluation import FOUND_SCORE
from pose6d_node.segmentation.predictor import Segmenter

GIVEN, PREDICTED = "given_masks", "predicted_masks"
NOT_FOUND = "not found by the segmentation"


@dataclass
class ModelResults:
    """Results of the models on frames, matched with the ground truth.

    ``ground_truth`` and ``predictions`` hold the instances of each frame (the score of a
    ground-truth one is its visible fraction), ``matches`` those that count with the confident
    predictions. ``poses`` are by masks (``GIVEN``, ``PREDICTED``) and by stage, the way in which
    poses are estimated: every instance that counts and whose class the stage's model knows.
    ``rejected`` counts the reasons for which instances got no pose. ``empty_masks`` are the places
    of instances that are annotated as visible, and have no pixels.
    """

    image_size: tuple[int, int] = (0, 0)
    ground_truth: list[list[Instance]] = field(default_factory=list)
    predictions: list[list[Instance]] = field(default_factory=list)
    matches: list[list[InstanceMatch]] = field(default_factory=list)
    poses: dict[str, dict[str, list[PoseMatch]]] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    empty_masks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Annotated:
    """A frame, its ground-truth instances and, by their index, the targets among them."""

    index: int
    frame: AnnotatedFrame
    instances: list[Instance]
    targets: dict[int, PoseTarget]


class ModelEvaluator:
    """Runs ``segmenter`` and ``estimators`` on the frames of ``dataset``.

    Without a segmenter, masks are given only. ``estimators`` are by stage name, and may be empty;
    those of the stages ``following`` are given the poses of the frame before, where the frames of a
    scene are those of a video.
    """

    def __init__(
        self,
        dataset: FrameDataset,
        segmenter: Segmenter | None,
        estimators: Mapping[str, PoseEstimator],
        following: Collection[str] = (),
    ) -> None:
        self.dataset = dataset
        self.segmenter = segmenter
        self.estimators = estimators
        self.following = following
        self._last: dict[tuple[str, str], tuple[int, list[PoseEstimate]]] = {}

        rigid = [model for model in dataset.models.values() if not model.articulated]
        self.posed_classes = {
            model.name
            for model in rigid
            for estimator in estimators.values()
            if model.name in estimator.class_names
        }

        # Without a stated visibility, every model is rendered to see how much of it is hidden.
        needed = [
            model
            for model in rigid
            if model.name in self.posed_classes or not dataset.states_visibility
        ]
        self.target_models = {model.name: TargetModel(model) for model in needed}

    def run(self, indices: Iterable[int]) -> ModelResults:
        """Results on the frames at ``indices``. Raises DatasetError for a damaged frame."""
        results = ModelResults()
        for index in tqdm(indices, desc="evaluating", unit="frame"):
            frame = self._frame(index)
            height, width = np.maximum(frame.depth.shape, results.image_size).tolist()
            results.image_size = height, width  # room for the largest frame

            annotated = self._annotated(index, frame)
            results.ground_truth.append(annotated.instances)
            without_pixels = empty_masks(frame, self.dataset.class_names)
            results.empty_masks += [
                f"{name} in frame {self.dataset.name(index)}" for name in without_pixels
            ]
            self._run_with_given_masks(results, annotated)
            if self.segmenter is not None:
                self._run_with_predicted_masks(results, annotated, self.segmenter)
        return results

    def _frame(self, index: int) -> AnnotatedFrame:
        if self.dataset.has_depth or self.target_models:
            return self.dataset[index]

        # Without depth and models nobody asks for the camera, which photographs do not know.
        rgb, labels = self.dataset.color_and_labels(index)
        height, width = labels.shape
        no_camera = Intrinsics(1.0, 1.0, 0.0, 0.0, width, height)
        no_depth = np.zeros(labels.shape, np.float32)
        return AnnotatedFrame(rgb, no_depth, no_camera, labels, self.dataset.instances(index))

    def _annotated(self, index: int, frame: AnnotatedFrame) -> _Annotated:
        measured = distances(frame.depth, frame.intrinsics)
        instances: list[Instance] = []
        targets: dict[int, PoseTarget] = {}
        for instance, pose in visible_instances(
            frame.labels, frame.instances, self.dataset.class_names
        ):
            model = self.target_models.get(instance.class_name)
            if model is not None:
                target = PoseTarget(model, pose, measured, frame.intrinsics)

                # Visible pixels as a fraction of those of the whole silhouette.
                if not self.dataset.states_visibility:
                    seen = np.count_nonzero(instance.mask) / max(target.silhouette_pixels, 1)
                    target.visible_fraction = min(seen, 1.0)
                    instance = replace(instance, score=target.visible_fraction)

                if instance.class_name in self.posed_classes and is_evaluated(instance):
                    targets[len(instances)] = target
            instances.append(instance)
        return _Annotated(index, frame, instances, targets)

    def _run_with_given_masks(self, results: ModelResults, annotated: _Annotated) -> None:
        instances = [annotated.instances[k] for k in annotated.targets]
        detection_of = {k: position for position, k in enumerate(annotated.targets)}
        self._estimate_poses(results, GIVEN, annotated, instances, detection_of)

    def _run_with_predicted_masks(
        self, results: ModelResults, annotated: _Annotated, segmenter: Segmenter
    ) -> None:
        # What is detected of classes that are not annotated is neither right nor wrong.
        frame = annotated.frame
        classes = self.dataset.annotated_classes(annotated.index)
        predictions = [
            instance
            for instance in segmenter(frame.rgb, frame.depth, frame.intrinsics)
            if instance.class_name in classes
        ]
        results.predictions.append(predictions)

        # Average precision needs all predictions, finding the confident ones.
        confident = [instance for instance in predictions if instance.score >= FOUND_SCORE]
        matches = match_counted(annotated.instances, confident)
        results.matches.append(matches)

        detection_of = {
            match.ground_truth_index: match.detection_index
            for match in matches
            if match.detection_index is not None
        }
        self._estimate_poses(results, PREDICTED, annotated, confident, detection_of)

    def _estimate_poses(
        self,
        results: ModelResults,
        masks: str,
        annotated: _Annotated,
        instances: Sequence[Instance],
        detection_of: Mapping[int, int],
    ) -> None:
        """Estimate the poses of ``instances`` at every stage and match those of the targets.

        ``detection_of`` gives the index in ``instances`` by that of the target.
        """
        frame = annotated.frame
        reasons: dict[int, str] = {}
        for stage, estimator in self.estimators.items():
            last = self._last_poses(masks, stage, annotated.index)
            poses = estimator(frame.rgb, frame.depth, frame.intrinsics, instances, last)
            self._last[masks, stage] = annotated.index, poses
            estimates = {pose.detection_index: pose for pose in poses}
            known = estimator.class_names
            reasons = {k: why for k, why in estimator.rejected if instances[k].class_name in known}

            matches = results.poses.setdefault(masks, {}).setdefault(stage, [])
            for k, target in annotated.targets.items():
                if target.model.name not in known:
                    continue
                detection = detection_of.get(k, -1)
                estimate = estimates.get(detection)
                matches.append(
                    target.match(annotated.index, None, reasons.get(detection, NOT_FOUND))
                    if estimate is None
                    else target.match(
                        annotated.index,
                        (estimate.rotation, estimate.translation),
                        confidence=estimate.confidence,
                        estimated_size=None if estimate.size_std is None else estimate.size,
                    )
                )

        # Reasons are counted once, not for every stage: those of the last, the most complete one.
        results.rejected.update(reasons.values())

    def _last_poses(self, masks: str, stage: str, index: int) -> Sequence[PoseEstimate]:
        """Those that a following stage estimated in the frame before of the same scene."""
        last, poses = self._last.get((masks, stage), (-1, []))
        if stage not in self.following or last != index - 1 or last < 0:
            return ()
        return poses if self.dataset.scene(last) == self.dataset.scene(index) else ()
