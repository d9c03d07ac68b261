# SPDX-License-Identifier: Apache-2.0
"""Datasets whose depth or meshes are in another unit than their layout says are named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_views import BoxView, render_box, write_bop

from perception_kit.datasets.opener import open_dataset
from perception_kit.datasets.scale_check import scale_note


@pytest.fixture(scope="module")
def views() -> list[BoxView]:
    return [
        render_box(rotation=np.eye(3), translation=np.array([0.01 * k - 0.02, 0.0, 0.5]))
        for k in range(6)
    ]


def change(path: Path, edit: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    for entry in content.values():
        edit(entry)
    path.write_text(json.dumps(content))


def scale_extents(entry: dict[str, Any], factor: float) -> None:
    for key in entry:
        if key != "name":
            entry[key] *= factor


@pytest.mark.parametrize(
    ("file", "edit", "text"),
    [
        (None, None, None),
        (
            "train/000000/scene_camera.json",
            lambda camera: camera.update(depth_scale=1.0),
            "6 objects are 8.4 times as far as by their poses: correct the unit of the depth",
        ),
        (
            "train/000000/scene_camera.json",
            lambda camera: camera.update(depth_scale=0.0001),
            "1190 times as near as by their poses: correct the unit of the depth",
        ),
        (
            "models/models_info.json",
            lambda model: scale_extents(model, 10.0),
            "by depth and poses, which agree, 6 objects look .* give --mesh-unit",
        ),
    ],
    ids=["right", "depth in 0.1 mm", "depth in metres", "meshes in 0.1 mm"],
)
def test_a_wrong_unit_is_named(
    views: list[BoxView],
    tmp_path: Path,
    file: str | None,
    edit: Callable[[Any], None],
    text: str | None,
) -> None:
    folder = write_bop(tmp_path / "data", views)
    if file is not None:
        change(folder / file, edit)
    note = scale_note(open_dataset(folder))
    if text is None:
        assert note is None
    else:
        assert note is not None
        assert re.search(text, note)


def test_a_dataset_without_depth_is_not_judged(views: list[BoxView], tmp_path: Path) -> None:
    folder = write_bop(tmp_path / "data", views)
    (folder / "train/000000/depth").rename(folder / "train/000000/unused")
    assert scale_note(open_dataset(folder)) is None
