# SPDX-License-Identifier: Apache-2.0
"""Which photographs count as showing nobody."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.nobody_in_view import PERSON, main
from perception_kit.datasets.opener import open_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photographs of a person, of a cup, and of nothing."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "val" / f"{number}.png"), np.full((40, 60, 3), 90, np.uint8))
    outline = {"segmentation": [[5, 5, 30, 5, 30, 30, 5, 30]], "iscrowd": 0}
    content = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 60, "height": 40} for k in range(3)],
        "annotations": [
            {"id": k, "image_id": k, "category_id": k + 1, **outline} for k in range(2)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "cup"}],
    }
    (tmp_path / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return tmp_path


def test_photographs_of_nobody_are_those_without_a_person(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert [dataset.shows_none(PERSON, index) for index in range(3)] == [False, True, True]


def test_models_that_cannot_be_used_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ["--segmentation", str(folder / "none"), "--action", str(folder / "none")]
    assert main([str(folder), *missing]) == 2
    assert "nobody_in_view: " in capsys.readouterr().err
