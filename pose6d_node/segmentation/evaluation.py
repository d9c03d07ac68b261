# SPDX-License-Identifier: Apache-2.0
"""Scores of a segmentation model on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from perception_kit.datasets.frame import FrameDataset, visible_instances
from perception_kit.metrics.instances import count_found
from perception_kit.metrics.segmentation import mask_average_precision
from pose6d_node.segmentation.predictor import Segmenter

SCORE_THRESHOLD = 0.05  # average precision needs the low-scored detections too
FOUND_SCORE = 0.5  # the node's default score_threshold


def evaluate_segmentation(
    model_path: Path, dataset: FrameDataset, device: str = "cpu", max_frames: int = 300
) -> dict[str, Any]:
    """COCO mask AP and the instances that are found.

    AP is ``map``, ``map50`` and ``per_class``; ``found`` of ``total`` instances have a detection of
    score 0.5. At most ``max_frames`` frames, spread evenly over ``dataset``, are used.
    """
    segmenter = Segmenter(model_path, device, score_threshold=SCORE_THRESHOLD, max_detections=100)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(max_frames, len(dataset))).astype(int))

    ground_truth, predictions, shapes = [], [], set()
    for index in tqdm(chosen, desc="evaluating", unit="frame"):
        rgb, labels = dataset.color_and_labels(index)
        shapes.add(rgb.shape[:2])
        visible = visible_instances(labels, dataset.instances(index), dataset.class_names)
        ground_truth.append([instance for instance, _ in visible])

        if segmenter.uses_depth:
            intrinsics = dataset.intrinsics(index, *rgb.shape[:2])
            instances = segmenter(rgb, dataset.depth(index), intrinsics)
        else:
            instances = segmenter(rgb)

        # A detection of a class that the frame does not annotate is neither right nor wrong.
        annotated = dataset.annotated_classes(index)
        predictions.append([found for found in instances if found.class_name in annotated])

    confident = [
        [instance for instance in instances if instance.score >= FOUND_SCORE]
        for instances in predictions
    ]
    height, width = np.max(list(shapes), axis=0).tolist()  # room for the largest frame
    return {
        **mask_average_precision(ground_truth, predictions, height, width),
        **count_found(ground_truth, confident),
        "frames": len(chosen),
    }
