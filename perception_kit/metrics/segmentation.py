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


def mask_average_precision(
    ground_truth: Iterable[Sequence[Instance]],
    predictions: Iterable[Sequence[Instance]],
    height: int,
    width: int,
) -> dict[str, Any]:
    """COCO mask AP over frames of ``height`` x ``width`` pixels; both iterables give one list of
    instances a frame.

    Returns ``map`` (mean over IoU 0.5:0.05:0.95 and classes), ``map50`` (IoU 0.5) and ``per_class``
    {name: {"map", "map50"}} of the true classes. Without any true instance that counts, ``map`` and
    ``map50`` are None. ``score`` of a true instance is its visible fraction: below 0.1 the instance
    is COCO's crowd region, neither a miss nor a false positive. Raises ValueError if the iterables
    have different lengths.
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
    true_annotations: list[dict[str, Any]] = []
    predicted_annotations: list[dict[str, Any]] = []
    images = 0
    for images, (true_instances, predicted_instances) in enumerate(
        zip(ground_truth, predictions, strict=True), start=1
    ):
        true_annotations += [
            {
                **_annotation(instance, images, height, width),
                "iscrowd": int(not is_evaluated(instance)),
            }
            for instance in true_instances
        ]
        predicted_annotations += [
            _annotation(instance, images, height, width) for instance in predicted_instances
        ]
    names = sorted({annotation["class_name"] for annotation in true_annotations})
    if all(annotation["iscrowd"] for annotation in true_annotations):
        return {"map": None, "map50": None, "per_class": {}}
    image_list = [
        {"id": image_id, "height": height, "width": width} for image_id in range(1, images + 1)
    ]
    precision = _precision(
        _dataset(true_annotations, names, image_list),
        _dataset(predicted_annotations, names, image_list),
        iou_type,
    )
    per_class = {
        name: {"map": _mean(precision[:, :, k]), "map50": _mean(precision[0, :, k])}
        for k, name in enumerate(names)
    }
    return {"map": _mean(precision), "map50": _mean(precision[0]), "per_class": per_class}


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
    """COCO data set of the annotations whose class is one of ``names`` (COCO's mean leaves out
    classes that have no true instance).
    """
    category = {name: k for k, name in enumerate(names, start=1)}
    known = [annotation for annotation in annotations if annotation["class_name"] in category]
    data = COCO()
    data.dataset = {
        "images": images,
        "categories": [{"id": k, "name": name} for name, k in category.items()],
        "annotations": [
            {**item, "id": k, "category_id": category[item["class_name"]]}
            for k, item in enumerate(known, start=1)
        ],
    }
    with redirect_stdout(io.StringIO()):
        data.createIndex()
    return data


def _precision(ground_truth: COCO, predictions: COCO, iou_type: str) -> np.ndarray:
    """(10 IoU thresholds, 101 recalls, classes) interpolated precision, -1 for a class without true
    instances that count.
    """
    evaluation = COCOeval(ground_truth, predictions, iouType=iou_type)
    with redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    all_areas, most_detections = 0, -1
    return evaluation.eval["precision"][:, :, :, all_areas, most_detections]


def _mean(precision: np.ndarray) -> float | None:
    valid = precision[precision > -1]
    return float(valid.mean()) if valid.size else None
