# SPDX-License-Identifier: Apache-2.0
"""Scores of a segmentation model on a BOP folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from perception_kit.bop import BopDataset, BopError
from perception_kit.metrics.instances import count_found
from perception_kit.metrics.segmentation import mask_average_precision
from perception_kit.types import Instance
from pose6d_node.segmentation.predictor import Segmenter

SCORE_THRESHOLD = 0.05  # average precision needs the low-scored detections too
FOUND_SCORE = 0.5


def evaluate_segmentation(
    model_path: Path, folder: Path, device: str = "cpu", split: str = "train", max_frames: int = 300
) -> dict[str, Any]:
    """COCO mask AP (``map``, ``map50``, ``per_class``) and the instances ``found`` of ``total`` at score 0.5.

    At most ``max_frames`` frames, spread evenly over the split, are used. All frames must have the same size, else BopError is raised.
    """
    dataset = BopDataset(folder, split)
    segmenter = Segmenter(model_path, device, score_threshold=SCORE_THRESHOLD, max_detections=100)
    names = {class_id: model.name for class_id, model in dataset.models.items()}
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(max_frames, len(dataset))).astype(int))
    truth, predictions, shapes = [], [], set()
    for index in tqdm(chosen, desc="evaluating", unit="frame"):
        rgb = dataset.rgb(index)
        shapes.add(rgb.shape[:2])
        truth.append(true_instances(dataset, index, names))
        predictions.append(segmenter(rgb))
    if len(shapes) > 1:
        raise BopError(f"'{folder}' has frames of several sizes {sorted(shapes)}: evaluate them as separate folders")
    confident = [[instance for instance in instances if instance.score >= FOUND_SCORE] for instances in predictions]
    return {
        **mask_average_precision(truth, predictions, *shapes.pop()),
        **count_found(truth, confident),
        "frames": len(chosen),
    }


def true_instances(dataset: BopDataset, index: int, names: dict[int, str]) -> list[Instance]:
    """Annotated instances of a frame that have visible pixels; ``score`` is the visible fraction."""
    labels = dataset.labels(index)
    instances = []
    for value, truth in enumerate(dataset.instances(index), start=1):
        mask = labels == value
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows) == 0:
            continue
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        box = np.array([left, top, right, bottom], np.float32)
        pixels = mask[top:bottom, left:right]
        instances.append(Instance(truth.class_id, names[truth.class_id], truth.visible_fraction, box, pixels, (int(left), int(top))))
    return instances
