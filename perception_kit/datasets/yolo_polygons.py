# SPDX-License-Identifier: Apache-2.0
"""Reader of YOLO's segmentation layout: ``images/SPLIT/NAME.jpg`` and ``labels/SPLIT/NAME.txt``.

A line of a label file is one instance: its class, then x y of its outline's corners as fractions of
the picture's sides. The classes' names stand in ``data.yaml`` (``names``); without one they are
COCO's 80.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from perception_kit.datasets.files import DatasetError, read_yaml, required
from perception_kit.datasets.photographs import PICTURES, OutlinedInstance, PhotographDataset

MIN_NUMBERS = 7  # a class and three corners


def yolo_splits(folder: Path) -> list[str]:
    """Names of the splits of ``folder``; none where it is in another layout."""
    return sorted(
        path.name
        for path in folder.glob("labels/*")
        if path.is_dir() and (folder / "images" / path.name).is_dir()
    )


class YoloPolygonDataset(PhotographDataset):
    """The photographs of one ``split``, by name. Raises DatasetError naming file and line."""

    def __init__(self, folder: str | Path, split: str) -> None:
        folder = Path(folder)
        root = folder / "images" / split
        pictures = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICTURES)
        tables = sorted(folder.glob("*.yaml")) + sorted(folder.glob("*.yml"))

        super().__init__(folder, pictures, _read_names(tables[0]) if tables else _coco_names())
        self._labels = folder / "labels" / split
        self._root = root
        if not tables:
            self.notes.append("there is no data.yaml: classes are taken for COCO's 80")

    def outlined(self, index: int, height: int, width: int) -> list[OutlinedInstance]:
        """The annotated instances; a picture without a label file has none."""
        relative = self._pictures[index].relative_to(self._root).with_suffix(".txt")
        path = self._labels / relative
        if not path.is_file():
            return []
        try:
            lines = enumerate(path.read_text().splitlines(), start=1)
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"'{path}' cannot be read as text: {error}") from error
        return [
            self._instance(line, f"'{path}', line {number}", height, width)
            for number, line in lines
            if line.strip()
        ]

    def _instance(self, line: str, where: str, height: int, width: int) -> OutlinedInstance:
        try:
            values = np.array(line.split(), float)
        except ValueError as error:
            raise DatasetError(f"{where}: expected numbers, got {line!r:.60}") from error
        if len(values) == 5:
            raise DatasetError(f"{where} is a box; expected the outlines of a segmentation dataset")

        corners = values[1:]
        is_outline = len(values) >= MIN_NUMBERS and len(corners) % 2 == 0
        is_outline = is_outline and float(values[0]).is_integer()
        if not is_outline or not (corners.min() >= -0.01 and corners.max() <= 1.01):
            raise DatasetError(
                f"{where}: expected a class and x y of at least three corners as fractions of the"
                f" picture's sides, got {line!r:.60}"
            )
        class_id = int(values[0])
        if class_id not in self.class_names:
            raise DatasetError(f"{where}: class {class_id} has no name among {self.class_names}")

        outline = np.round(corners.reshape(-1, 2) * (width, height) - 0.5).astype(np.int32)
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [outline], 1)
        return OutlinedInstance(class_id, mask.astype(bool))


def _read_names(path: Path) -> dict[int, str]:
    """``names`` of a data.yaml: a list, or a dictionary by class id."""
    names = required(read_yaml(path), "names", path)
    if isinstance(names, list):
        return dict(enumerate(map(str, names)))
    if isinstance(names, dict) and all(isinstance(key, int) for key in names):
        return {key: str(name) for key, name in names.items()}
    raise DatasetError(f"'{path}': 'names' is {names!r:.60}, expected a list or names by number")


def _coco_names() -> dict[int, str]:
    # Importing torchvision takes seconds, which datasets with a data.yaml need not wait for.
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

    categories = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return dict(enumerate(name for name in categories[1:] if name != "N/A"))
