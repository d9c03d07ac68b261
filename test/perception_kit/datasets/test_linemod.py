# SPDX-License-Identifier: Apache-2.0
"""Reader of preprocessed LineMOD folders: units, the annotated object, names, damaged folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from dataset_layouts import WIDTH, write_linemod

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.linemod import LINEMOD_OBJECTS, LinemodDataset, read_linemod_models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_linemod(
        tmp_path / "Linemod_preprocessed", {1: LINEMOD_OBJECTS[1][1], 10: LINEMOD_OBJECTS[10][1]}
    )


def test_frames_are_in_meters_and_show_the_folders_own_object(folder: Path) -> None:
    dataset = LinemodDataset(folder, "test")
    assert [dataset.name(k) for k in range(len(dataset))] == ["01/0003", "10/0003"]
    frame = dataset[1]
    assert frame.rgb[0, 0].tolist() == [200, 0, 0]
    np.testing.assert_allclose(frame.depth, 0.8)
    assert (frame.intrinsics.fx, frame.intrinsics.cy, frame.intrinsics.width) == (500, 6, WIDTH)
    assert frame.labels.sum() == 4 * 7
    [instance] = frame.instances
    assert instance.class_id == 10
    np.testing.assert_allclose(instance.translation, [0.01, -0.02, 0.803])
    assert dataset.annotated_classes(1) == {"eggbox"}
    assert len(LinemodDataset(folder, "train")) == 2


def test_linemods_objects_have_names_and_symmetries(folder: Path) -> None:
    ape, eggbox = read_linemod_models(folder / "models").values()
    assert (ape.name, ape.symmetric) == ("ape", False)
    assert (eggbox.name, eggbox.symmetric) == ("eggbox", True)
    assert eggbox.diameter == pytest.approx(0.16462758848)
    np.testing.assert_allclose(np.ptp(ape.mesh()[0], axis=0), [0.1, 0.06, 0.04])


def test_other_objects_in_this_layout_are_not_called_by_linemods_names(tmp_path: Path) -> None:
    [model] = read_linemod_models(write_linemod(tmp_path, {10: 117.0}) / "models").values()
    assert (model.name, model.symmetric) == ("obj_10", False)


@pytest.mark.parametrize(
    "missing", ["rgb/0000.png", "depth/0000.png", "mask/0000.png", "gt.yml", "info.yml"]
)
def test_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / "data" / "01" / missing).unlink()
    with pytest.raises(DatasetError, match=missing):
        LinemodDataset(folder)[0]


def test_damaged_ground_truth_is_named(folder: Path) -> None:
    path = folder / "data" / "01" / "gt.yml"
    path.write_text("0: [}")
    with pytest.raises(DatasetError, match=r"01/gt.yml' is not valid YAML"):
        LinemodDataset(folder)
    path.write_text(
        yaml.safe_dump({0: [{"obj_id": 1, "cam_R_m2c": [1.0] * 8, "cam_t_m2c": [0, 0, 1]}]})
    )
    with pytest.raises(DatasetError, match=r"'cam_R_m2c' is .*expected 9"):
        LinemodDataset(folder)[0]
    path.write_text(yaml.safe_dump({0: [{"obj_id": 5}]}))
    with pytest.raises(DatasetError, match="has 0 poses of object 1 in frame 0000"):
        LinemodDataset(folder)[0]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("gt.yml", "0:", "'0' is None, expected a list"),
        ("gt.yml", "0: [3]", "holds 3 where the key 'obj_id'"),
        ("info.yml", "0: {depth_scale: one}", "'depth_scale' is one"),
        ("train.txt", "0000\nframe", "'frame' is no number"),
        ("../../models/models_info.yml", "1:", "holds None where the key 'diameter'"),
        ("../../models/models_info.yml", "{}", "lacks the key '1'"),
    ],
)
def test_a_spoilt_entry_is_named(folder: Path, file: str, text: str, message: str) -> None:
    (folder / "data" / "01" / file).write_text(text)
    with pytest.raises(DatasetError, match=message):
        LinemodDataset(folder)[0]


def test_unknown_split_is_refused_with_those_there_are(folder: Path) -> None:
    with pytest.raises(DatasetError, match="splits found: test, train"):
        LinemodDataset(folder, "val")
