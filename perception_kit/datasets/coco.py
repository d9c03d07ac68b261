# SPDX-License-Identifier: Apache-2.0
"""Reader of COCO's instance annotations (Lin et al., ECCV 2014), as annotation tools export them.

``annotations/instances_SPLIT.json`` with pictures in ``SPLIT/``, ``images/SPLIT/`` or ``images/``,
or ``SPLIT/_annotations.coco.json`` beside its pictures. Outlines are polygons or run lengths.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from perception_kit.datasets.files import (
    DatasetError,
    read_json,
    required,
    required_list,
    whole,
)
from perception_kit.datasets.photographs import OutlinedInstance, PhotographDataset

PREFIX = "instances_"
BESIDE = "_annotations.coco.json"


def coco_splits(folder: Path) -> list[str]:
    """Names of the splits of ``folder``; none where it holds no instance annotations."""
    listed = [path.stem.removeprefix(PREFIX) for path in folder.glob(f"annotations/{PREFIX}*.json")]
    return sorted(listed) or sorted(path.parent.name for path in folder.glob(f"*/{BESIDE}"))


class CocoDataset(PhotographDataset):
    """The photographs of one ``split``, in the order of their ids.

    Categories are the classes, with COCO's ids. Raises DatasetError naming the file.
    """

    def __init__(self, folder: str | Path, split: str) -> None:
        folder = Path(folder)
        self._path = folder / "annotations" / f"{PREFIX}{split}.json"
        if not self._path.is_file():
            self._path = folder / split / BESIDE
        content = read_json(self._path)

        # Annotations by image, and the pictures of the images.
        self._annotations: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for annotation in required_list(content, "annotations", self._path):
            self._annotations[whole(annotation, "image_id", self._path)].append(annotation)
        images = required_list(content, "images", self._path)
        images.sort(key=lambda image: whole(image, "id", self._path))
        self._images = images

        root = self._picture_folder(folder, split)
        pictures = [root / str(required(image, "file_name", self._path)) for image in images]
        names = {
            whole(category, "id", self._path): str(required(category, "name", self._path))
            for category in required_list(content, "categories", self._path)
        }
        super().__init__(folder, pictures, names)

    def outlined(self, index: int, height: int, width: int) -> list[OutlinedInstance]:
        """The annotated instances of a photograph."""
        image = self._images[index]
        size = whole(image, "height", self._path), whole(image, "width", self._path)
        if size != (height, width):
            raise DatasetError(
                f"'{self._pictures[index]}' is {width}x{height} pixels, but"
                f" '{self._path}' says {size[1]}x{size[0]}"
            )
        return [
            OutlinedInstance(
                whole(annotation, "category_id", self._path),
                self._mask(annotation, height, width),
                bool(annotation.get("iscrowd", 0)),
            )
            for annotation in self._annotations[whole(image, "id", self._path)]
        ]

    def _mask(self, annotation: dict[str, Any], height: int, width: int) -> np.ndarray:
        """(H, W) bool from polygons (lists) or run lengths (a dictionary)."""
        outline = required(annotation, "segmentation", self._path)
        try:
            _check_extent(outline, height, width)
            if isinstance(outline, list):
                encoded = coco_mask.merge(coco_mask.frPyObjects(outline, height, width))
            elif isinstance(outline["counts"], list):
                encoded = coco_mask.frPyObjects(outline, height, width)
            else:
                encoded = outline
            mask = coco_mask.decode(encoded).astype(bool)
        except Exception as error:  # pycocotools raises what its C code raises
            mask, reason = np.zeros((0, 0), bool), f" ({error})"
        else:
            reason = f" (it gives {mask.shape})"

        if mask.shape != (height, width):
            raise DatasetError(
                f"'{self._path}': the outline of annotation {annotation.get('id')} cannot be read"
                f"{reason}; expected polygons or run lengths for {width}x{height} pixels"
            )
        return mask

    def _picture_folder(self, folder: Path, split: str) -> Path:
        """Where the first picture of the split lies."""
        if self._path.name == BESIDE:
            return self._path.parent
        roots = [folder / split, folder / "images" / split, folder / "images", folder]
        if not self._images:
            return roots[0]
        name = str(required(self._images[0], "file_name", self._path))
        found = next((root for root in roots if (root / name).is_file()), None)
        if found is None:
            raise DatasetError(
                f"'{name}' of '{self._path}' lies in none of {', '.join(map(str, roots))}"
            )
        return found


def _check_extent(outline: Any, height: int, width: int) -> None:
    """Raise ValueError for an outline of a larger picture, for which memory would be taken.

    Polygons may leave the picture by its size at most.
    """
    if not isinstance(outline, list):
        if list(outline["size"]) != [height, width]:
            raise ValueError(f"its size is {outline['size']!r:.60}")
        return
    for polygon in outline:
        corners = np.array(polygon, float)
        reach = max(height, width)
        if corners.size and not (corners.min() >= -reach and corners.max() <= 2 * reach):
            raise ValueError(f"it reaches from {corners.min():g} to {corners.max():g}")
