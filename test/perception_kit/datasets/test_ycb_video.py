# SPDX-License-Identifier: Apache-2.0
"""Reader of YCB-Video folders: units, labels, splits, models in several units, damaged folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_layouts import HEIGHT, write_obj, write_ycb_video
from scipy.io import loadmat, savemat

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.ycb_video import YcbVideoDataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_ycb_video(tmp_path / "YCB_Video_Dataset")


def test_frame_is_in_meters_by_the_factor_of_its_file(folder: Path) -> None:
    dataset = YcbVideoDataset(folder)
    assert [dataset.name(k) for k in range(len(dataset))] == ["0007/000001", "0007/000002"]
    frame = dataset[1]
    assert frame.rgb[0, 0].tolist() == [200, 0, 0]
    np.testing.assert_allclose(frame.depth, 0.8)
    assert (frame.intrinsics.fx, frame.intrinsics.cx, frame.intrinsics.height) == (500, 8, HEIGHT)
    seen = [(instance.class_id, instance.visible_fraction) for instance in frame.instances]
    assert seen == [(2, 1.0), (3, 0.0)]
    np.testing.assert_allclose(frame.instances[0].translation, [0.2, 0, 1])
    assert np.unique(frame.labels).tolist() == [0, 1]


def test_models_are_measured_and_the_bowl_is_round(folder: Path) -> None:
    models = YcbVideoDataset(folder).models
    assert [model.name for model in models.values()] == ["002_can", "003_box", "024_bowl"]
    assert models[1].diameter == pytest.approx(np.hypot(0.1, 0.06), rel=1e-3)
    np.testing.assert_allclose(models[1].size, [0.1, 0.06, 0.04], rtol=1e-6)
    assert [model.symmetric for model in models.values()] == [False, False, True]


def test_mesh_in_millimeters_is_recognized_and_said(folder: Path) -> None:
    write_obj(folder / "models" / "003_box", scale=1000)
    dataset = YcbVideoDataset(folder)
    np.testing.assert_allclose(dataset.models[2].size, [0.1, 0.06, 0.04], rtol=1e-6)
    assert dataset.notes[1:] == ["003_box: 100 x 60 x 40 mm (unit mm, by its size)"]


def test_points_take_the_place_of_a_mesh(folder: Path) -> None:
    for path in (folder / "models" / "002_can").iterdir():
        path.unlink()
    points = np.random.default_rng(0).uniform(-0.05, 0.05, (50, 3))
    np.savetxt(folder / "models" / "002_can" / "points.xyz", points)
    model = YcbVideoDataset(folder).models[1]
    np.testing.assert_allclose(model.size, np.ptp(points, axis=0), rtol=1e-5)
    assert {tuple(point) for point in model.points(20)} <= {
        tuple(point) for point in points.astype(np.float32)
    }


def test_split_lists_choose_the_frames(folder: Path) -> None:
    (folder / "image_sets").mkdir()
    (folder / "image_sets" / "keyframe.txt").write_text("0007/000002\n")
    dataset = YcbVideoDataset(folder, "keyframe")
    assert [dataset.name(k) for k in range(len(dataset))] == ["0007/000002"]
    with pytest.raises(
        DatasetError, match=r"train.txt' does not exist; .* has the splits keyframe"
    ):
        YcbVideoDataset(folder)
    (folder / "image_sets" / "keyframe.txt").write_text("0007/000009\n")
    with pytest.raises(DatasetError, match=r"000009-meta.mat' is missing"):
        YcbVideoDataset(folder, "keyframe").instances(0)


@pytest.mark.parametrize("ending", ["color.png", "depth.png", "label.png"])
def test_missing_image_is_named(folder: Path, ending: str) -> None:
    (folder / "data" / "0007" / f"000001-{ending}").unlink()
    with pytest.raises(DatasetError, match=f"000001-{ending}' is missing"):
        YcbVideoDataset(folder)[0]


def test_damaged_files_are_named(folder: Path) -> None:
    for content in (b"no MATLAB file" * 20, b""):
        (folder / "data" / "0007" / "000001-meta.mat").write_bytes(content)
        with pytest.raises(DatasetError, match=r"000001-meta.mat' is missing or not a MATLAB file"):
            YcbVideoDataset(folder)[0]
    savemat(
        folder / "data" / "0007" / "000001-meta.mat",
        {"cls_indexes": [[2]], "poses": np.zeros((3, 4))},
    )
    with pytest.raises(DatasetError, match="lacks the key 'factor_depth'"):
        YcbVideoDataset(folder)[0]
    mesh = folder / "models" / "003_box" / "textured.obj"
    mesh.write_text(mesh.read_text().replace("f 1/1 3/1 2/1", "f 1/1 3/1 99/1"))
    with pytest.raises(
        DatasetError,
        match=r"003_box/textured.obj: a face refers to a vertex that is not in the file",
    ):
        _ = YcbVideoDataset(folder).models


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factor_depth": 0}, "'factor_depth' is 0.0, expected a number above 0"),
        ({"factor_depth": [1.0, 2.0]}, r"'factor_depth' is .*expected 1 finite number"),
        ({"intrinsic_matrix": np.eye(2)}, "expected 9 finite numbers"),
        ({"poses": np.zeros((3, 4, 2))}, "an object 2 has .* for a rotation matrix"),
        ({"poses": np.full((3, 4, 2), np.nan)}, "not finite"),
        (
            {"poses": np.stack([np.hstack([np.eye(3), [[0], [0], [900]]])] * 2, axis=2)},
            "an object 2 is 900 m away",
        ),
        ({"cls_indexes": "ab"}, "lacks the key 'cls_indexes'"),
    ],
)
def test_a_spoilt_entry_is_named(folder: Path, change: dict, message: str) -> None:
    path = folder / "data" / "0007" / "000001-meta.mat"
    content = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    savemat(path, content | change)
    with pytest.raises(DatasetError, match=message):
        YcbVideoDataset(folder)[0]


def test_a_color_image_without_meta_file_is_told(folder: Path) -> None:
    (folder / "data" / "0007" / "000001-meta.mat").unlink()
    assert "1 colour images" in YcbVideoDataset(folder).notes[-1]


@pytest.mark.parametrize(
    "entry",
    [
        "3",
        '{"symmetries_discrete": [[1, 0]]}',
        '{"symmetries_continuous": [{"offset": [0, 0, 0]}]}',
    ],
)
def test_damaged_symmetries_are_named(folder: Path, entry: str) -> None:
    (folder / "models" / "symmetries.json").write_text(f'{{"003_box": {entry}}}')
    with pytest.raises(
        DatasetError, match=r"symmetries.json: '003_box' is .*, expected symmetries"
    ):
        _ = YcbVideoDataset(folder).models


def test_class_without_a_model_folder_is_named(folder: Path) -> None:
    for path in (folder / "models" / "024_bowl").iterdir():
        path.unlink()
    (folder / "models" / "024_bowl").rmdir()
    with pytest.raises(DatasetError, match="names class 3, but there are 2 model folders"):
        YcbVideoDataset(folder).instances(0)


def test_real_frames(shared_dir: Path) -> None:
    dataset = YcbVideoDataset(shared_dir / "data/pose_ycbv/frames")
    images = list((shared_dir / "data/pose_ycbv/frames/data").glob("*/*-color.png"))
    assert len(dataset) == len(images) > 0
    frame = dataset[0]
    for number, instance in enumerate(frame.instances, start=1):
        depth = frame.depth[(frame.labels == number) & (frame.depth > 0)]
        assert np.median(depth) == pytest.approx(instance.translation[2], abs=0.1)
