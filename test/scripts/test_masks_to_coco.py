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


TWO = [(np.array([0.0, 0, 20, 40]), 0.9), (np.array([20.0, 0, 40, 40]), 0.5)]


def test_a_group_is_divided_among_the_people_found(script: ModuleType) -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:, 2:38] = True
    left, right = script.divide(mask, [*TWO, (np.array([30.0, 0, 60, 40]), 0.2)])
    assert left[5:, 2:19].all()
    assert right[5:, 21:38].all()
    assert ((left | right) == mask).all()


@pytest.mark.parametrize("columns", [slice(2, 60), slice(2, 18)], ids=["missed", "not in mask"])
def test_people_who_do_not_explain_the_mask_divide_nothing(
    script: ModuleType, columns: slice
) -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:, columns] = True
    assert script.divide(mask, TWO) == []


def test_groups_are_divided_or_left_out(
    script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    people = [(np.array([20.0, 10, 30, 30]), 0.9), (np.array([30.0, 10, 40, 30]), 0.9)]
    found = iter([people, []])
    monkeypatch.setattr(script, "PersonDetector", lambda wheel: lambda rgb: next(found))
    (folder / "groups.txt").write_text("2\n3\n")
    more = ["--groups", str(folder / "groups.txt"), "--detector", "its.whl"]
    assert script.main(arguments(folder, *more)) == 0
    assert "left out: the people found in" in capsys.readouterr().out
    dataset = open_dataset(folder / "out")
    assert [len(np.unique(dataset.labels(k))) - 1 for k in range(len(dataset))] == [1, 2]


def test_what_does_not_fit_is_named(script: ModuleType, folder: Path, capsys) -> None:
    (folder / "groups.txt").write_text("7\n")
    assert script.main(arguments(folder, "--leave-out", str(folder / "groups.txt"))) == 2
    assert "names pictures that are not there: ['7']" in capsys.readouterr().err

    (folder / "masks" / "3.png").unlink()
    assert script.main(arguments(folder)) == 2
    assert "3.png' is missing" in capsys.readouterr().err
