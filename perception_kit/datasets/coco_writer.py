# SPDX-License-Identifier: Apache-2.0
"""Writes photographs of one outlined class in the layout that ``coco`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from perception_kit.datasets.coco import PREFIX

_CATEGORY = 1


def coco_image(number: int, name: str, width: int, height: int) -> dict[str, Any]:
    """The entry of photograph ``number``, the file ``name`` in the folder of its split."""
    return {"id": number, "file_name": name, "width": width, "height": height}


def coco_annotation(number: int, image: int, mask: np.ndarray) -> dict[str, Any]:
    """The entry of an instance with the (H, W) bool ``mask`` in the photograph ``image``."""
    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {
        "id": number,
        "image_id": image,
        "category_id": _CATEGORY,
        "segmentation": {"size": encoded["size"], "counts": encoded["counts"].decode()},
        "bbox": coco_mask.toBbox(encoded).tolist(),
        "area": float(coco_mask.area(encoded)),
        "iscrowd": 0,
    }


def write_coco(
    folder: Path,
    split: str,
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    class_name: str,
) -> None:
    """Write the annotations of a split, all of one class; its photographs lie in ``SPLIT/``."""
    categories = [{"id": _CATEGORY, "name": class_name}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "annotations" / f"{PREFIX}{split}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
