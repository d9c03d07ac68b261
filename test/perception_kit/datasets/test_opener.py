# SPDX-License-Identifier: Apache-2.0
"""The layout of a folder is recognised by what is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bop_rectangles import write_rectangles
from dataset_layouts import (
    write_linemod,
    write_mesh,
    write_models,
    write_obj,
    write_scene,
    write_ycb_video,
)

from perception_kit.datasets.bop import BopDataset
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.linemod import LinemodDataset
from perception_kit.datasets.opener import (
    EVALUATION_SPLITS,
    TRAINING_SPLITS,
    choose_split,
    open_dataset,
    open_models,
    open_object,
)
from perception_kit.datasets.ycb_video import YcbVideoDataset

WRITERS = {
    "BOP": (write_scene, BopDataset, ["wedge", "person"]),
    "LineMOD": (lambda folder: write_linemod(folder, {4: 117.0}), LinemodDataset, ["obj_04"]),
    "YCB-Video": (write_ycb_video, YcbVideoDataset, ["002_can", "003_box", "024_bowl"]),
}


@pytest.mark.parametrize("layout", WRITERS)
def test_layouts_are_told_apart(layout: str, tmp_path: Path) -> None:
    write, reader, names = WRITERS[layout]
    write(tmp_path)
    dataset = open_dataset(tmp_path)
    assert type(dataset) is reader
    assert dataset[0].labels.any()
    assert list(dataset.class_names.values()) == names
    assert [model.name for model in open_models(tmp_path / "models").values()] == names


def test_test_split_comes_first_and_train_otherwise(tmp_path: Path) -> None:
    write_linemod(tmp_path / "linemod", {4: 117.0})
    write_scene(tmp_path / "bop")
    assert open_dataset(tmp_path / "linemod").name(0) == "04/0003"
    assert open_dataset(tmp_path / "linemod", "train").name(0) == "04/0000"
    assert open_dataset(tmp_path / "bop").name(0) == "000002/000007"
    with pytest.raises(DatasetError, match="its splits are train"):
        open_dataset(tmp_path / "bop", "val")


def test_a_split_without_frames_is_refused(tmp_path: Path) -> None:
    (write_scene(tmp_path) / "scene_gt.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"the split 'train' of .* lists no frames"):
        open_dataset(tmp_path)


def test_one_scene_of_ycb_video_is_enough(tmp_path: Path) -> None:
    write_ycb_video(tmp_path)
    assert len(open_dataset(tmp_path / "data" / "0007")) == 2


def test_other_folders_are_refused_with_the_layouts_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "frame.png").touch()
    with pytest.raises(
        DatasetError, match=r"no frames in a known layout: expected BOP .*LineMOD .*YCB-Video"
    ):
        open_dataset(tmp_path)


@pytest.mark.parametrize("opened", [open_dataset, open_models])
def test_a_folder_that_does_not_exist_is_named(
    opened: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"missing' does not exist"):
        opened(tmp_path / "missing")
    with pytest.raises(DatasetError, match=r"file' is a file, expected a folder"):
        opened(tmp_path / "file")


@pytest.mark.parametrize("scale", [1.0, 0.001])
def test_an_object_is_called_as_its_folder_or_file(scale: float, tmp_path: Path) -> None:
    write_obj(tmp_path / "wedge", 1000 * scale)
    write_mesh(tmp_path / "wedge.ply", scale)
    for mesh, name in (("wedge", "wedge"), ("wedge/textured.obj", "textured"), ("wedge.ply",) * 2):
        model = open_object(tmp_path / mesh)
        assert model.name == name.removesuffix(".ply")
        assert model.size == pytest.approx([0.1, 0.06, 0.04], rel=1e-5)


def test_a_listed_object_has_its_listed_name_and_symmetries(tmp_path: Path) -> None:
    write_models(tmp_path)
    assert open_object(tmp_path / "obj_000004.ply").name == "wedge"

    write_mesh(tmp_path / "cone.ply")
    (tmp_path / "symmetries.json").write_text(
        '{"cone": {"symmetries_continuous": [{"axis": [0, 0, 1], "offset": [0, 0, 0]}]}}'
    )
    assert open_object(tmp_path / "cone.ply").symmetric
    (tmp_path / "symmetries.json").write_text("{")
    with pytest.raises(DatasetError, match="is not JSON"):
        open_object(tmp_path / "cone.ply")


@pytest.mark.parametrize(
    ("splits", "to_train_on", "to_evaluate_on"),
    [
        ([], "train", "train"),
        (["test", "train"], "train", "test"),
        (["train_pbr"], "train_pbr", "train_pbr"),
        (["test_primesense", "train_primesense"], "train_primesense", "test_primesense"),
        (["train", "train_pbr", "val"], "train", "val"),
        (["onboarding"], "onboarding", "onboarding"),
        (["train_pbr", "train_real"], None, None),
        (["a", "b"], None, None),
    ],
)
def test_splits_are_chosen_by_name(
    splits: list[str], to_train_on: str | None, to_evaluate_on: str | None
) -> None:
    for preferred, chosen in (
        (TRAINING_SPLITS, to_train_on),
        (EVALUATION_SPLITS, to_evaluate_on),
    ):
        if chosen is None:
            with pytest.raises(DatasetError, match=f"{', '.join(splits)}: choose with --split"):
                choose_split(Path("data"), splits, preferred)
        else:
            assert choose_split(Path("data"), splits, preferred) == chosen


@pytest.mark.parametrize("part", ["train", "train/000000"])
def test_a_part_of_a_dataset_names_the_whole(tmp_path: Path, part: str) -> None:
    write_rectangles(tmp_path / "boxes", frames=1)
    with pytest.raises(DatasetError, match=r"give the whole data set, '.*/boxes', and its split"):
        open_dataset(tmp_path / "boxes" / part)


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "train_pbr").mkdir()
    (tmp_path / "train_pbr/shard-000000.tar").touch()
    with pytest.raises(DatasetError, match=r"known layout.*; unpack 'shard-000000\.tar'"):
        open_dataset(tmp_path)
