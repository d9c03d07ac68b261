# SPDX-License-Identifier: Apache-2.0
"""Average precision of instance masks and boxes as COCO defines it, computed by pycocotools."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from perception_kit.metrics.instances import is_evaluated
from perception_kit.types import Instance

SMALL = 32**2  # pixels of a mask: COCO's instances of less are small
LARGEST = 10**10  # pixels, more than any image has


def mask_average_precision(
    ground_truth: Iterable[Sequence[Instance]],
    predictions: Iterable[Sequence[Instance]],
    height: int,
    width: int,
) -> dict[str, Any]:
    """COCO mask AP over frames of ``height`` x ``width`` pixels.

    Both iterables give one list of instances a frame. Returns ``map`` (mean over IoU 0.5:0.05:0.95
    and classes), ``map50`` (IoU 0.5), ``map_medium_large`` (instances from ``SMALL`` pixels on) and
    ``per_class``, the same of the classes in the ground truth. ``precision_recall`` {name: 101
    values} is the interpolated precision of each class at IoU 0.5 and the recalls 0, 0.01, … 1.
    Without any ground-truth instance that counts (``is_evaluated``) the means are None; one that
    does not count is COCO's crowd region, neither a miss nor a false positive. Raises ValueError
    if the iterables have different lengths.
    """
    return _average_precision(ground_truth, predictions, height, width, "segm")


def box_average_precision(
    ground_truth: Iterable[Sequence[Instance]],
    predictions: Iterable[Sequence[Instance]],
    height: int,
    width: int,
) -> dict[str, Any]:
    """COCO box AP; as ``mask_average_precision``, but of the instances' boxes."""
    return _average_precision(ground_truth, predictions, height, width, "bbox")


def _average_precision(
    ground_truth: Iterable[Sequence[Instance]],
    predictions: Iterable[Sequence[Instance]],
    height: int,
    width: int,
    iou_type: str,
) -> dict[str, Any]:
    size = height, width
    true_annotations: list[dict[str, Any]] = []
    predicted_annotations: list[dict[str, Any]] = []
    images: list[dict[str, int]] = []

    # COCO's annotations; image ids count from 1.
    pairs = zip(ground_truth, predictions, strict=True)
    for image_id, (true_instances, predicted_instances) in enumerate(pairs, start=1):
        images.append({"id": image_id, "height": height, "width": width})
        for instance in true_instances:
            is_crowd = {"iscrowd": int(not is_evaluated(instance))}
            true_annotations.append(_annotation(instance, image_id, *size) | is_crowd)
        for instance in predicted_instances:
            predicted_annotations.append(_annotation(instance, image_id, *size))

    if all(annotation["iscrowd"] for annotation in true_annotations):
        nothing = dict.fromkeys(("map", "map50", "map_medium_large"))
        return {**nothing, "per_class": {}, "precision_recall": {}}

    # Means over IoU thresholds, recalls and classes.
    names = sorted({annotation["class_name"] for annotation in true_annotations})
    precision = _precision(
        _dataset(true_annotations, names, images),
        _dataset(predicted_annotations, names, images),
        iou_type,
    )
    per_class = {name: _means(precision[:, :, [k]]) for k, name in enumerate(names)}
    curves = {
        name: precision[0, :, k, 0].round(4).tolist()
        for k, name in enumerate(names)
        if (precision[0, :, k, 0] > -1).any()
    }
    return {**_means(precision), "per_class": per_class, "precision_recall": curves}


def _means(precision: np.ndarray) -> dict[str, float | None]:
    return {
        "map": _mean(precision[..., 0]),
        "map50": _mean(precision[0, ..., 0]),
        "map_medium_large": _mean(precision[..., 1]),
    }


def _annotation(instance: Instance, image_id: int, height: int, width: int) -> dict[str, Any]:
    left, top, right, bottom = (float(value) for value in instance.box)
    rle = coco_mask.encode(np.asfortranarray(instance.full_mask(height, width), dtype=np.uint8))
    return {
        "image_id": image_id,
        "class_name": instance.class_name,
        "segmentation": rle,
        "bbox": [left, top, right - left, bottom - top],
        "area": float(coco_mask.area(rle)),
        "score": float(instance.score),
        "iscrowd": 0,
    }


def _dataset(
    annotations: list[dict[str, Any]], names: list[str], images: list[dict[str, int]]
) -> COCO:
    """COCO dataset of the annotations whose class is one of ``names``.

    COCO's mean leaves out classes that have no ground-truth instance.
    """
    category = {name: k for k, name in enumerate(names, start=1)}
    known = [annotation for annotation in annotations if annotation["class_name"] in category]

    data = COCO()
    data.dataset = {
        "images": images,
        "categories": [{"id": k, "name": name} for name, k in category.items()],
        "annotations": [
            {**annotation, "id": k, "category_id": category[annotation["class_name"]]}
            for k, annotation in enumerate(known, start=1)
        ],
    }
    with redirect_stdout(io.StringIO()):
        data.createIndex()
    return data


def _precision(ground_truth: COCO, predictions: COCO, iou_type: str) -> np.ndarray:
    """(10 IoU thresholds, 101 recalls, classes, 2) interpolated precision.

    Of all instances, and of those that are no smaller than ``SMALL``. -1 for a class without
    ground-truth instances that count.
    """
    evaluation = COCOeval(ground_truth, predictions, iouType=iou_type)
    evaluation.params.areaRng = [[0, LARGEST], [SMALL, LARGEST]]
    evaluation.params.areaRngLbl = ["all", "medium and large"]
    with redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    most_detections = -1
    return evaluation.eval["precision"][..., most_detections]


def _mean(precision: np.ndarray) -> float | None:
    valid = precision[precision > -1]
    return float(valid.mean()) if valid.size else None
