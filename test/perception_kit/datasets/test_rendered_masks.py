# SPDX-License-Identifier: Apache-2.0
"""BOP folders without masks or visible fractions, which are rendered instead."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from box_views import CAMERA, BoxView, random_box, render_box, write_bop
from dataset_layouts import write_scene

from perception_kit.datasets.bop import BopDataset
from perception_kit.datasets.bop_models import read_models
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import GroundTruthInstance
from perception_kit.datasets.rendered_masks import MaskRenderer

SCENE = Path("train/000000")


@pytest.fixture
def views() -> list[BoxView]:
    rng = np.random.default_rng(3)
    return [random_box(rng) for _ in range(4)]


@pytest.fixture
def folder(views: list[BoxView], tmp_path: Path) -> Path:
    """A BOP folder with neither masks nor scene_gt_info.json."""
    folder = write_bop(tmp_path / "boxes", views)
    shutil.rmtree(folder / SCENE / "mask_visib")
    (folder / SCENE / "scene_gt_info.json").unlink()
    return folder


def test_rendered_masks_are_the_true_ones(folder: Path, views: list[BoxView]) -> None:
    dataset = BopDataset(folder)
    for index, view in enumerate(views):
        frame = dataset[index]
        assert np.count_nonzero(frame.labels.astype(bool) != view.mask) <= 5
        (instance,) = frame.instances
        at_border = np.ones(view.mask.shape, bool)
        at_border[1:-1, 1:-1] = False
        if not (view.mask & at_border).any():
            assert instance.visible_fraction == 1.0
    assert "scenes without mask_visib" in dataset.notes[0]
    assert "scenes without scene_gt_info.json" in dataset.notes[1]


def test_what_stands_before_an_object_hides_it(folder: Path, views: list[BoxView]) -> None:
    path = folder / SCENE / "depth" / "000000.png"
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    middle = int(np.median(np.nonzero(views[0].mask)[1]))
    depth[:, :middle] = 1000  # 0.1 m
    cv2.imwrite(str(path), depth)

    frame = BopDataset(folder)[0]
    assert not frame.labels[:, :middle].any()
    assert np.count_nonzero(frame.labels[:, middle:].astype(bool) != views[0].mask[:, middle:]) <= 5
    assert frame.instances[0].visible_fraction == pytest.approx(0.5, abs=0.1)


def test_the_nearer_of_two_objects_is_seen(folder: Path) -> None:
    far, near = (render_box(np.eye(3), np.array([0.0, 0.0, z])) for z in (0.8, 0.5))
    instances = [
        GroundTruthInstance(1, view.rotation, view.translation, 1.0) for view in (near, far)
    ]
    renderer = MaskRenderer(read_models(folder / "models"))
    labels = renderer.labels(instances, np.zeros(near.mask.shape, np.float32), CAMERA)
    assert np.count_nonzero((labels == 1) != near.mask) <= 5
    assert np.count_nonzero((labels == 2) != (far.mask & ~near.mask)) <= 5


def test_visible_fractions_alone_come_from_given_masks(
    views: list[BoxView], tmp_path: Path
) -> None:
    folder = write_bop(tmp_path, views)
    (folder / SCENE / "scene_gt_info.json").unlink()
    path = folder / SCENE / "mask_visib" / "000000_000000.png"
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    mask[: int(np.median(np.nonzero(mask)[0]))] = 0
    cv2.imwrite(str(path), mask)

    dataset = BopDataset(folder)
    np.testing.assert_array_equal(dataset.labels(0) > 0, mask > 0)
    assert dataset.instances(0)[0].visible_fraction == pytest.approx(0.5, abs=0.1)
    assert len(dataset.notes) == 1


def test_masks_that_cannot_be_rendered_are_named_with_a_remedy(
    folder: Path, tmp_path: Path
) -> None:
    shutil.rmtree(folder / SCENE / "depth")
    dataset = BopDataset(folder)
    assert not dataset.has_depth
    with pytest.raises(DatasetError, match=r"neither mask_visib nor depth.*calc_gt_masks\.py"):
        dataset.labels(0)

    scene = write_scene(tmp_path / "person")
    shutil.rmtree(scene / "mask_visib")
    with pytest.raises(DatasetError, match=r"objects \[9\] are articulated.*calc_gt_masks\.py"):
        BopDataset(tmp_path / "person")[0]


def test_a_mesh_of_points_alone_is_named(folder: Path) -> None:
    mesh = folder / "models" / "obj_000001.ply"
    info = json.loads((folder / "models" / "models_info.json").read_text())["1"]
    corners = [[x, y, 0] for x in (0, info["size_x"]) for y in (0, info["size_y"])]
    corners[-1][2] = info["size_z"]
    header = ["ply", "format ascii 1.0", "element vertex 4"]
    header += [f"property float {axis}" for axis in "xyz"] + ["end_header"]
    mesh.write_text("\n".join([*header, *(f"{x} {y} {z}" for x, y, z in corners)]) + "\n")
    with pytest.raises(DatasetError, match=r"class .box. cannot be rendered: .* has no faces"):
        BopDataset(folder)[0]
