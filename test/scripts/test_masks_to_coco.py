# SPDX-License-Identifier: Apache-2.0
"""Photographs with binary masks become a COCO dataset."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from script_files import load_script

from perception_kit.datasets.opener import open_dataset


@pytest.fixture
def script() -> ModuleType:
    return load_script("masks_to_coco")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name in ("1", "2", "3"):
        cv2.imwrite(str(tmp_path / "images" / f"{name}.jpg"), np.full((40, 60, 3), 90, np.uint8))
        mask = np.zeros((20, 30), np.uint8)  # half the size
        mask[5:15, 10:20] = 255
        cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), mask)
    return tmp_path


def arguments(folder: Path, *more: str) -> list[str]:
    paths = ["--images", str(folder / "images"), "--masks", str(folder / "masks")]
    return [*paths, "--out", str(folder / "out"), *more]


def test_masks_are_scaled_to_their_pictures(script: ModuleType, folder: Path) -> None:
    (folder / "groups.txt").write_text("2\n")
    assert script.main(arguments(folder, "--leave-out", str(folder / "groups.txt"))) == 0
    dataset = open_dataset(folder / "out")
    assert [dataset.name(k) for k in range(len(dataset))] == ["train/1", "train/3"]
    labels = dataset.labels(0)
    assert labels[11:29, 21:39].all()
    assert labels.sum() == pytest.approx(400, abs=80)


def test_what_does_not_fit_is_named(script: ModuleType, folder: Path, capsys) -> None:
    (folder / "groups.txt").write_text("7\n")
    assert script.main(arguments(folder, "--leave-out", str(folder / "groups.txt"))) == 2
    assert "names pictures that are not there: ['7']" in capsys.readouterr().err

    (folder / "masks" / "3.png").unlink()
    assert script.main(arguments(folder)) == 2
    assert "3.png' is missing" in capsys.readouterr().err
