# SPDX-License-Identifier: Apache-2.0
"""Photographs in the layouts of COCO and YOLO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.joined import open_datasets
from perception_kit.datasets.opener import open_dataset

WIDTH, HEIGHT = 60, 40
SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]
INNER = [15, 15, 25, 15, 25, 25, 15, 25]


def write_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 128, np.uint8))


def annotation(number: int, category: int, outline: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": 7,
        "category_id": category,
        "segmentation": outline,
        **more,
    }


def write_coco(root: Path, annotations: list[dict[str, Any]], **image: Any) -> Path:
    write_picture(root / "train" / "a.jpg")
    entry = {"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT, **image}
    categories = [{"id": 1, "name": "person"}, {"id": 47, "name": "cup"}]
    content = {"images": [entry], "annotations": annotations, "categories": categories}
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return root


def write_yolo(root: Path, lines: str, names: str | None = "names: [cup, person]\n") -> Path:
    write_picture(root / "images" / "train" / "a.jpg")
    (root / "labels" / "train").mkdir(parents=True, exist_ok=True)
    (root / "labels" / "train" / "a.txt").write_text(lines)
    if names:
        (root / "data.yaml").write_text(names)
    return root


def test_polygons_and_run_lengths_are_read(tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[5:9, 40:50] = 1
    encoded = coco_mask.encode(mask)
    packed = {"size": [HEIGHT, WIDTH], "counts": encoded["counts"].decode()}
    plain = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT, HEIGHT * (WIDTH - 1)]}
    outlines = [[SQUARE], packed, plain]
    entries = [annotation(k, 1, outline) for k, outline in enumerate(outlines)]

    dataset = open_dataset(write_coco(tmp_path, entries))
    _, labels = dataset.color_and_labels(0)
    assert dataset.name(0) == "train/a"
    assert not dataset.has_depth
    # By area: the square, two columns less of the strip in the first column, the small one.
    assert labels[20, 20] == 1
    assert labels[6, 45] == 2 or labels[6, 45] == 3
    assert (labels[:, 0] > 1).all()


def test_what_lies_in_front_is_not_lost_in_what_it_covers(tmp_path: Path) -> None:
    entries = [annotation(0, 47, [INNER]), annotation(1, 1, [SQUARE])]
    dataset = open_dataset(write_coco(tmp_path, entries))
    labels, instances = dataset.labels(0), dataset.instances(0)
    names = [dataset.class_names[instance.class_id] for instance in instances]
    assert names == ["person", "cup"]
    assert labels[20, 20] == 2
    assert labels[12, 12] == 1


def test_a_crowd_counts_as_invisible(tmp_path: Path) -> None:
    entries = [annotation(0, 1, [SQUARE], iscrowd=1), annotation(1, 1, [INNER])]
    instances = open_dataset(write_coco(tmp_path, entries)).instances(0)
    assert [instance.visible_fraction for instance in instances] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("entries", "image", "message"),
    [
        ([annotation(3, 1, [[1, 2, 3]])], {}, "outline of annotation 3 cannot be read"),
        ([annotation(3, 1, "x")], {}, "outline of annotation 3 cannot be read"),
        ([{"id": 1, "image_id": 7, "category_id": 1}], {}, "lacks the key 'segmentation'"),
        # What would take gigabytes: far away corners, and run lengths of a larger picture.
        ([annotation(1, 3, [[0, 0, 2e9, 0, 2e9, 2e9]])], {}, "it reaches from 0 to 2e"),
        ([annotation(1, 3, {"size": [2**31, 2**31], "counts": [1]})], {}, "its size is"),
        ([], {"width": 10}, "is 60x40 pixels, but"),
        ([], {"file_name": "b.jpg"}, "'b.jpg' of .* lies in none of"),
    ],
)
def test_damaged_annotations_of_coco_are_named(
    tmp_path: Path, entries: list[dict[str, Any]], image: dict[str, Any], message: str
) -> None:
    folder = write_coco(tmp_path, entries, **image)
    with pytest.raises(DatasetError, match=message):
        open_dataset(folder).labels(0)


def test_pictures_beside_their_annotations(tmp_path: Path) -> None:
    coco = write_coco(tmp_path / "coco", [annotation(0, 1, [SQUARE])])
    (tmp_path / "export" / "train").mkdir(parents=True)
    text = (coco / "annotations" / "instances_train.json").read_text()
    (tmp_path / "export" / "train" / "_annotations.coco.json").write_text(text)
    write_picture(tmp_path / "export" / "train" / "a.jpg")
    assert open_dataset(tmp_path / "export").labels(0).max() == 1


def test_polygons_of_yolo_are_fractions_of_the_picture(tmp_path: Path) -> None:
    lines = "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n\n0 0 0 0.1 0 0.1 0.1\n"
    dataset = open_dataset(write_yolo(tmp_path, lines))
    labels = dataset.labels(0)
    assert [dataset.class_names[i.class_id] for i in dataset.instances(0)] == ["person", "cup"]
    assert (labels[11:29, 16:44] == 1).all()
    assert labels[5, 30] == 0


def test_yolo_without_names_has_those_of_coco(tmp_path: Path) -> None:
    lines = "0 0.25 0.25 0.75 0.25 0.75 0.75\n"
    dataset = open_dataset(write_yolo(tmp_path, lines, names=None))
    assert dataset.class_names[0] == "person"
    assert dataset.class_names[79] == "toothbrush"
    assert any("COCO's 80" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("0 0.5 0.5 0.1 0.1", "line 1 is a box"),
        ("0 0.5 0.5 0.1 0.1 0.2", "x y of at least three corners"),
        ("0 5 5 10 10 20 20", "as fractions"),
        ("0 a b", "expected numbers"),
        ("9 0.1 0.1 0.2 0.2 0.3 0.3", "class 9 has no name"),
    ],
)
def test_damaged_labels_of_yolo_are_named(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_dataset(write_yolo(tmp_path, lines)).labels(0)


def test_classes_of_several_layouts_are_joined_by_name(tmp_path: Path) -> None:
    coco = write_coco(tmp_path / "coco", [annotation(0, 47, [INNER]), annotation(1, 1, [SQUARE])])
    lines = "1 0.25 0.25 0.75 0.25 0.75 0.75\n0 0 0 0.2 0 0.2 0.2\n"
    yolo = write_yolo(tmp_path / "yolo", lines)
    with pytest.raises(DatasetError, match="--classes, which goes by names"):
        open_datasets([coco, yolo])

    joined = open_datasets([coco, yolo], classes=["person", "cup"])
    assert joined.class_names == {1: "person", 2: "cup"}
    assert [[i.class_id for i in joined.instances(k)] for k in range(2)] == [[1, 2], [1, 2]]

    person = open_datasets([coco, yolo], classes=["person"])
    assert [len(person.instances(k)) for k in range(2)] == [1, 1]
    assert person.labels(0).max() == 1

    with pytest.raises(DatasetError, match="no dataset has a class dog"):
        open_datasets([coco, yolo], classes=["person", "dog"])


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = write_coco(tmp_path, [annotation(0, 1, [SQUARE])])
    with pytest.raises(DatasetError, match="no split 'val'"):
        open_dataset(folder, "val")
    with pytest.raises(DatasetError, match="no depth"):
        open_dataset(folder).depth(0)
