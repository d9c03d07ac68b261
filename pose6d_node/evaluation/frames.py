# SPDX-License-Identifier: Apache-2.0
"""Runs the models on annotated frames and judges what they answer: poses with given masks, and the
chain from the image alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from tqdm import tqdm

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import Frame, FrameDataset, visible_instances
from perception_kit.metrics.instances import is_evaluated, match_instances
from perception_kit.types import Instance
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.evaluation.pose_errors import JudgedInstance, JudgedModel, Judgement, distances
from pose6d_node.segmentation.evaluation import FOUND_SCORE
from pose6d_node.segmentation.predictor import Segmenter

GIVEN, PREDICTED = "given_masks", "predicted_masks"
NOT_FOUND = "not found by the segmentation"


@dataclass
class Results:
    """What the models made of the frames.

    ``truth`` and ``predictions`` hold the instances of each frame (the score of a true one is its
    visible fraction). ``judgements`` are by masks (``GIVEN``, ``PREDICTED``) and by stage, the way
    in which poses are estimated: every true instance that counts and whose class the pose model
    knows. ``skipped`` counts the reasons for which instances got no pose.
    """

    image_size: tuple[int, int] = (0, 0)
    ground_truth: list[list[Instance]] = field(default_factory=list)
    predictions: list[list[Instance]] = field(default_factory=list)
    judgements: dict[str, dict[str, list[Judgement]]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)


class Evaluator:
    """Runs ``segmenter`` (None: given masks only) and, by stage name, ``estimators`` (may be empty)
    on the frames of ``dataset``.
    """

    def __init__(
        self,
        dataset: FrameDataset,
        segmenter: Segmenter | None,
        estimators: Mapping[str, PoseEstimator],
    ) -> None:
        self.dataset = dataset
        self.segmenter = segmenter
        self.estimators = estimators
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
        self._models = {model.name: JudgedModel(model) for model in needed}

    def run(self, indices: Iterable[int]) -> Results:
        """Results on the frames at ``indices``.

        Raises DatasetError for a damaged frame, or for frames of several sizes.
        """
        results = Results()
        for index in tqdm(indices, desc="evaluating", unit="frame"):
            frame = self.dataset[index]
            if results.ground_truth and frame.depth.shape != results.image_size:
                raise DatasetError(
                    f"'{self.dataset.folder}' has frames of {frame.depth.shape} and"
                    f" {results.image_size} pixels: evaluate them separately"
                )
            results.image_size = frame.depth.shape
            ground_truth, targets = self._ground_truth(frame)
            results.ground_truth.append(ground_truth)
            self._with_given_masks(results, index, frame, ground_truth, targets)
            if self.segmenter is not None:
                self._with_predicted_masks(results, index, frame, ground_truth, targets)
        return results

    def _ground_truth(self, frame: Frame) -> tuple[list[Instance], dict[int, JudgedInstance]]:
        """The frame's true instances, and those among them, by position, whose pose is judged."""
        measured = distances(frame.depth, frame.intrinsics)
        ground_truth: list[Instance] = []
        targets: dict[int, JudgedInstance] = {}
        for instance, pose in visible_instances(
            frame.labels, frame.instances, self.dataset.class_names
        ):
            if instance.class_name in self._models:
                target = JudgedInstance(
                    self._models[instance.class_name], pose, measured, frame.intrinsics
                )
                if not self.dataset.states_visibility:
                    seen = np.count_nonzero(instance.mask) / max(target.silhouette_pixels, 1)
                    target.visible_fraction = min(seen, 1.0)
                    instance = replace(instance, score=target.visible_fraction)
                if instance.class_name in self.posed_classes and is_evaluated(instance):
                    targets[len(ground_truth)] = target
            ground_truth.append(instance)
        return ground_truth, targets

    def _with_given_masks(
        self,
        results: Results,
        index: int,
        frame: Frame,
        ground_truth: Sequence[Instance],
        targets: Mapping[int, JudgedInstance],
    ) -> None:
        positions = {k: number for number, k in enumerate(targets)}
        self._estimate(
            results, GIVEN, index, frame, [ground_truth[k] for k in targets], targets, positions
        )

    def _with_predicted_masks(
        self,
        results: Results,
        index: int,
        frame: Frame,
        ground_truth: Sequence[Instance],
        targets: Mapping[int, JudgedInstance],
    ) -> None:
        annotated = self.dataset.annotated_classes(index)
        instances = self.segmenter(frame.rgb, frame.depth, frame.intrinsics)
        predictions = [instance for instance in instances if instance.class_name in annotated]
        results.predictions.append(predictions)
        confident = [instance for instance in predictions if instance.score >= FOUND_SCORE]
        counted = [k for k, instance in enumerate(ground_truth) if is_evaluated(instance)]
        matched = {
            counted[i]: j for i, j in match_instances([ground_truth[k] for k in counted], confident)
        }
        self._estimate(results, PREDICTED, index, frame, confident, targets, matched)

    def _estimate(
        self,
        results: Results,
        masks: str,
        index: int,
        frame: Frame,
        instances: Sequence[Instance],
        targets: Mapping[int, JudgedInstance],
        instance_of: Mapping[int, int],
    ) -> None:
        """Estimate the poses of ``instances`` at every stage and judge those of ``targets``, whose
        instances ``instance_of`` names.
        """
        for stage, estimator in self.estimators.items():
            poses = estimator(frame.rgb, frame.depth, frame.intrinsics, instances)
            estimates = {
                pose.detection_index: ((pose.rotation, pose.translation), pose.confidence)
                for pose in poses
            }
            skipped = dict(estimator.skipped)
            judgements = results.judgements.setdefault(masks, {}).setdefault(stage, [])
            for k, target in targets.items():
                number = instance_of.get(k, -1)
                estimate, confidence = estimates.get(number, (None, 0.0))
                judgements.append(
                    target.judge(index, estimate, skipped.get(number, NOT_FOUND), confidence)
                )
        if self.estimators:
            results.skipped.update(skipped.values())
