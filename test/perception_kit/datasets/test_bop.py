# SPDX-License-Identifier: Apache-2.0
"""Frames of BOP folders: units, labels, symmetries, and what it says about broken folders."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_layouts import HEIGHT, WIDTH, rewrite_json, write_scene
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.datasets.bop import BopDataset
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import empty_masks
from perception_kit.datasets.symmetries import symmetry_transforms


def test_frame_is_in_meters_with_one_label_per_instance(tmp_path: Path) -> None:
    write_scene(tmp_path)
    dataset = BopDataset(tmp_path)
    frame = dataset[0]
    assert len(dataset) == 1
    assert frame.rgb[0, 0].tolist() == [200, 0, 0]
    np.testing.assert_allclose(frame.depth, 1.2345, rtol=1e-6)
    assert (
        frame.intrinsics.fx,
        frame.intrinsics.fy,
        frame.intrinsics.width,
        frame.intrinsics.height,
    ) == (500, 510, WIDTH, HEIGHT)
    assert frame.labels.dtype == np.uint8
    assert frame.labels[:, 5].tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0, 0]
    assert [instance.class_id for instance in frame.instances] == [4, 9]
    assert [instance.visible_fraction for instance in frame.instances] == [0.5, 1.0]
    np.testing.assert_allclose(frame.instances[0].translation, [0.01, -0.02, 0.9])
    np.testing.assert_allclose(frame.instances[0].rotation @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_discrete_symmetry_keeps_its_translation_in_meters() -> None:
    half_turn = [-1, 0, 0, 20, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    identity, turned = symmetry_transforms({"symmetries_discrete": [half_turn]})
    np.testing.assert_array_equal(identity, np.eye(4))
    np.testing.assert_allclose(turned @ [0.01, 0, 0, 1], [0.01, 0, 0, 1], atol=1e-12)


@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda values: np.linalg.norm(values) > 0.1),
    offset=st.tuples(*[st.floats(-200, 200)] * 3),
    steps=st.integers(2, 48),
)
def test_continuous_symmetry_turns_about_its_axis(axis: tuple, offset: tuple, steps: int) -> None:
    transforms = symmetry_transforms(
        {"symmetries_continuous": [{"axis": axis, "offset": offset}]}, steps
    )
    assert len(transforms) == steps
    on_axis = np.append(np.array(offset) * 1e-3 + 0.3 * np.array(axis), 1)
    for k, matrix in enumerate(transforms):
        np.testing.assert_allclose(matrix @ on_axis, on_axis, atol=1e-9)
        angle = np.linalg.norm(Rotation.from_matrix(matrix[:3, :3]).as_rotvec())
        assert angle == pytest.approx(min(k, steps - k) * 2 * np.pi / steps, abs=1e-6)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("rgb/000007.png", "rgb/000007.png' is missing"),
        ("depth/000007.png", "depth/000007.png' is missing"),
        ("mask_visib/000007_000001.png", "000007_000001.png' is missing"),
        ("scene_camera.json", "scene_camera.json' does not exist"),
        ("scene_gt.json", "not a BOP folder"),
    ],
)
def test_missing_file_is_named(tmp_path: Path, missing: str, message: str) -> None:
    (write_scene(tmp_path) / missing).unlink()
    with pytest.raises(DatasetError, match=message):
        BopDataset(tmp_path)[0]


# What a file holds in the place of one of its entries, and what is said about it.
SPOILT = {
    "a list of frames": ("scene_gt", lambda frames: [], "scene_gt.json' holds list"),
    "a frame without number": (
        "scene_gt",
        lambda frames: {"a": frames["7"]},
        "one of them has none",
    ),
    "a frame of no list": ("scene_gt", lambda frames: {"7": None}, "'7' is None, expected a list"),
    "an instance of no entries": (
        "scene_gt",
        lambda frames: {"7": [3, 4]},
        "holds 3 where the key 'obj_id'",
    ),
    "an object without number": (
        "scene_gt",
        lambda frames: frames["7"][0].update(obj_id="mug"),
        "'obj_id' is mug, expected 1 finite",
    ),
    "an unknown object": (
        "scene_gt",
        lambda frames: frames["7"][0].update(obj_id=5),
        "shows an object 5, but the models are {4: 'wedge'",
    ),
    "an object of a broken number": (
        "scene_gt",
        lambda frames: frames["7"][1].update(obj_id=1.5),
        "'obj_id' is 1.5, expected a whole number",
    ),
    "no rotation": (
        "scene_gt",
        lambda frames: frames["7"][1].update(obj_id=4, cam_R_m2c=[0] * 9),
        "for a rotation matrix, which is not orthonormal, off by 1: at most 0.01",
    ),
    "a rotation of two digits": (
        "scene_gt",
        lambda frames: frames["7"][0].update(
            cam_R_m2c=[0.88, 0.48, -0.07, 0.37, -0.76, -0.53, -0.31, 0.44, -0.85]
        ),
        "off by 0.0122: at most 0.01; expected a rotation alone, row by row",
    ),
    "a mirror": (
        "scene_gt",
        lambda frames: frames["7"][0].update(cam_R_m2c=[1, 0, 0, 0, 1, 0, 0, 0, -1]),
        "which is a reflection",
    ),
    "a translation in metres": (
        "scene_gt",
        lambda frames: frames["7"][0].update(cam_t_m2c=[0, 0, 0.9]),
        "is 0.0009 m away",
    ),
    "an object behind the camera": (
        "scene_gt",
        lambda frames: frames["7"][0].update(cam_t_m2c=[10, 20, -900]),
        "is seen, but lies behind the camera",
    ),
    "too many instances": (
        "scene_gt",
        lambda frames: frames.update({"7": frames["7"] * 128}),
        "256 instances in frame 7, at most 255",
    ),
    "a camera without focal length": (
        "scene_camera",
        lambda frames: frames["7"].update(cam_K=[0] * 9),
        "focal lengths must be positive",
    ),
    "a camera of text": (
        "scene_camera",
        lambda frames: frames["7"].update(cam_K="K"),
        "'cam_K' is K, expected 9 finite numbers",
    ),
    "a camera with a skew": (
        "scene_camera",
        lambda frames: frames["7"].update(cam_K=[500, 9, 8, 0, 510, 6, 0, 0, 1]),
        "a skew is not modeled",
    ),
    "a camera column by column": (
        "scene_camera",
        lambda frames: frames["7"].update(cam_K=[500, 0, 0, 0, 510, 0, 8, 6, 1]),
        "or transpose the matrix",
    ),
    "no depth scale": (
        "scene_camera",
        lambda frames: frames["7"].update(depth_scale=0),
        "'depth_scale' is 0.0, expected a number above 0",
    ),
    "no visibility": (
        "scene_gt_info",
        lambda frames: frames["7"][1].clear(),
        "lacks the key 'visib_fract'",
    ),
    "a visibility of percents": (
        "scene_gt_info",
        lambda frames: frames["7"][1].update(visib_fract=5.0),
        "scene_gt_info.json': 'visib_fract' is 5, expected a fraction from 0 to 1",
    ),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_entry_is_named(fault: str, tmp_path: Path) -> None:
    name, change, message = SPOILT[fault]
    rewrite_json(write_scene(tmp_path) / f"{name}.json", change)
    with pytest.raises(DatasetError, match=re.escape(message)):
        BopDataset(tmp_path)[0]


@pytest.mark.parametrize(
    "change",
    [{"cam_R_m2c": [0] * 9}, {"cam_t_m2c": [0, 0, 0.9]}, {"scale": [0, 1, 1]}, {"cam_t_m2c": None}],
)
def test_a_spoilt_instance_is_named_by_frame_and_number(change: dict, tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    rewrite_json(scene / "scene_gt.json", lambda frames: frames["7"][1].update(obj_id=4, **change))
    with pytest.raises(DatasetError, match=r"^frame 7, instance 1: .*scene_gt\.json'"):
        BopDataset(tmp_path)[0]


def test_masks_of_several_sizes_are_refused(tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    cv2.imwrite(str(scene / "mask_visib" / "000007_000001.png"), np.zeros((6, 8), np.uint8))
    with pytest.raises(DatasetError, match=r"frame 7 .* differ in size"):
        BopDataset(tmp_path)[0]


def test_color_of_another_size_than_the_masks_is_refused(tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    cv2.imwrite(str(scene / "rgb" / "000007.png"), np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"colour is \(6, 8\), but its masks are \(12, 16\)"):
        BopDataset(tmp_path).color_and_labels(0)


def test_depth_of_another_size_is_refused(tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    cv2.imwrite(str(scene / "depth" / "000007.png"), np.zeros((6, 8), np.uint16))
    with pytest.raises(
        DatasetError, match=r"colour is \(12, 16\), but depth is \(6, 8\); they must be aligned"
    ):
        BopDataset(tmp_path)[0]


def test_truncated_json_is_named(tmp_path: Path) -> None:
    (write_scene(tmp_path) / "scene_gt.json").write_text('{"7": [')
    with pytest.raises(DatasetError, match=r"scene_gt.json' is not valid JSON"):
        BopDataset(tmp_path)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_gray_images_have_equal_channels(ending: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    (scene / "rgb").rename(scene / "gray")
    (scene / "gray" / "000007.png").unlink()
    cv2.imwrite(str(scene / "gray" / f"000007.{ending}"), np.full((HEIGHT, WIDTH), 77, np.uint8))
    rgb = BopDataset(tmp_path)[0].rgb
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert np.unique(rgb).tolist() == [77]


def test_models_beside_the_plain_folder_are_used_and_said(tmp_path: Path) -> None:
    write_scene(tmp_path)
    (tmp_path / "models").rename(tmp_path / "models_cad")
    dataset = BopDataset(tmp_path)
    assert dataset.class_names == {4: "wedge", 9: "person"}
    assert dataset.notes == [f"'{tmp_path}' has no models: the meshes in models_cad are used"]


def test_symmetries_that_are_not_known_are_said(tmp_path: Path) -> None:
    write_scene(tmp_path)
    assert BopDataset(tmp_path).notes == []
    path = tmp_path / "models" / "models_info.json"
    path.unlink()
    (note,) = BopDataset(tmp_path).notes
    assert note.startswith(f"'{path}' does not exist: no symmetries are known")


def test_empty_masks_of_visible_instances_are_counted(tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    dataset = BopDataset(tmp_path)
    assert empty_masks(dataset[0], dataset.class_names) == []
    cv2.imwrite(
        str(scene / "mask_visib" / "000007_000000.png"), np.zeros((HEIGHT, WIDTH), np.uint8)
    )
    assert empty_masks(dataset[0], dataset.class_names) == ["wedge"]


def test_a_folder_without_depth_images_has_frames_of_unknown_depth(tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    assert BopDataset(tmp_path).has_depth
    shutil.rmtree(scene / "depth")
    dataset = BopDataset(tmp_path)
    assert not dataset.has_depth
    assert not dataset[0].depth.any()
    with pytest.raises(DatasetError, match=r"depth/000007.png' is missing"):
        dataset.depth(0)


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "tif", "tiff"])
def test_formats_of_images(ending: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    path = scene / "rgb" / "000007.png"
    cv2.imwrite(str(path.with_suffix(f".{ending}")), cv2.imread(str(path)))
    path.unlink()
    assert BopDataset(tmp_path).rgb(0)[0, 0] == pytest.approx([200, 0, 0], abs=4)
