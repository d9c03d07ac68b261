# SPDX-License-Identifier: Apache-2.0
"""What bfloat16 costs a model on annotated frames."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.opener import open_dataset
from perception_kit.resources import BFLOAT16_RUNTIME
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.evaluation.model_evaluator import ModelEvaluator
from pose6d_node.evaluation.model_metrics import model_metrics
from pose6d_node.segmentation.evaluation import SCORE_THRESHOLD
from pose6d_node.segmentation.predictor import Segmenter

STAGE = "default"
SCORES = {"segmentation": "mask mAP", "pose": "ADD(-S) below 0.1 d, given masks"}


def score(
    kind: str, model: Path, data: Path, split: str | None, frames: int, runtime: str
) -> float:
    """The score of a model file on a dataset.

    Raises DatasetError, ModelFileError, RuntimeUnavailableError and OSError.
    """
    dataset = open_dataset(data, split)
    segmenter, estimators = None, {}
    if kind == "segmentation":
        segmenter = Segmenter(model, "cpu", SCORE_THRESHOLD, max_detections=100, runtime=runtime)
    elif dataset.has_depth:
        estimators = {STAGE: PoseEstimator(model, "cpu", min_confidence=0.0, runtime=runtime)}
    else:
        raise DatasetError(f"'{data}' has no depth images, which poses are estimated from")

    evaluator = ModelEvaluator(dataset, segmenter, estimators)
    step = max(1, len(dataset) // frames)
    metrics = model_metrics(evaluator.run(range(0, len(dataset), step)), STAGE)
    scores = metrics[kind]
    value = scores["map" if kind == "segmentation" else "recall_0.1d"] if scores else None
    if value is None:
        raise DatasetError(f"'{data}' shows nothing that '{model}' is scored on")
    return float(value)


def losses(args: argparse.Namespace, kind: str) -> list[float]:
    """What bfloat16 costs on each dataset; prints both scores. Raises what ``score`` does."""
    lost = []
    for data in args.data:
        exact, rounded = (
            score(kind, args.model, data, args.split, args.max_frames, runtime)
            for runtime in ("openvino", BFLOAT16_RUNTIME)
        )
        print(f"{data}: {SCORES[kind]} {exact:.4f} in float32, {rounded:.4f} in bfloat16")
        lost.append(exact - rounded)
    return lost
