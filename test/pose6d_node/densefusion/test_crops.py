# SPDX-License-Identifier: Apache-2.0
"""Crops keep points exact, and the networks' frame can be left again."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.geometry import back_project
from pose6d_node.densefusion.augmentation import augment_crops, augment_view
from pose6d_node.densefusion.crops import Crops, cut_crop, make_inputs
from pose6d_node.densefusion.rotations import quaternion_to_matrix, viewing_rotation

DIAMETERS = torch.tensor([0.2])
numbers = st.floats(-1, 1, allow_nan=False)


def crop_of(view, camera, size: int = 48) -> Crops:
    return cut_crop(view.rgb, view.depth, camera, view.mask, 0, size, 1.25)


def inputs_of(view, camera):
    order = torch.rand(1, 48 * 48, generator=torch.Generator().manual_seed(0))
    return make_inputs(crop_of(view, camera), DIAMETERS, 64, order)


def pose_of(view) -> tuple[torch.Tensor, torch.Tensor]:
    """(1, 3, 3) rotation and (1, 3) translation."""
    rotation = torch.from_numpy(view.rotation).float()[None]
    return rotation, torch.from_numpy(view.translation).float()[None]


def test_masked_points_are_points_of_the_image(box_views, camera) -> None:
    for view in box_views:
        crop = crop_of(view, camera)
        points = crop.points()[crop.mask].numpy()
        image_points = back_project(view.depth, camera)[view.mask]
        distance = np.linalg.norm(points[:, None] - image_points[None], axis=2).min(axis=1)
        assert len(points) > 50
        assert distance.max() < 1e-6


def test_crop_over_the_image_border_is_padded(camera) -> None:
    rgb, depth = np.full((120, 160, 3), 200, np.uint8), np.ones((120, 160), np.float32)
    mask = np.zeros((120, 160), bool)
    mask[:10, 140:] = True

    crop = cut_crop(rgb, depth, camera, mask, 0, 40, 1.5)
    left, top, side = crop.window[0].tolist()
    assert top < 0
    assert left + side > 160
    assert crop.color.shape == (1, 40, 40, 3)
    assert (crop.depth[crop.mask] == 1).all()
    assert set(crop.depth.unique().tolist()) == {0.0, 1.0}
    assert float(crop.mask.float().mean()) == pytest.approx(mask.sum() / side**2, rel=0.15)


@pytest.mark.parametrize(
    ("x", "y"), [(30, 20), (0, 110), (140, 0)], ids=["inside", "bottom left", "top right"]
)
def test_a_mask_of_a_rectangle_gives_the_crop_of_the_whole_image(camera, x: int, y: int) -> None:
    rng = np.random.default_rng(0)
    rgb, depth = rng.integers(0, 256, (120, 160, 3), np.uint8), rng.random((120, 160), np.float32)
    mask = rng.random((10, 20)) < 0.5
    mask[:2] = mask[:, -3:] = False  # the rectangle may be larger than what is true in it
    whole = np.zeros((120, 160), bool)
    whole[y : y + 10, x : x + 20] = mask

    expected = cut_crop(rgb, depth, camera, whole, 0, 40, 1.5)
    crop = cut_crop(rgb, depth, camera, mask, 0, 40, 1.5, (x, y))
    for field in fields(Crops):
        assert torch.equal(getattr(crop, field.name), getattr(expected, field.name)), field.name
    assert crop.mask.any()


def test_empty_mask_is_refused(camera) -> None:
    rgb, depth = np.zeros((120, 160, 3), np.uint8), np.ones((120, 160), np.float32)
    with pytest.raises(ValueError, match="empty"):
        cut_crop(rgb, depth, camera, np.zeros((120, 160), bool), 0, 40, 1.2)


def test_unknown_depth_never_becomes_a_point(box_views, camera) -> None:
    view = box_views[0]
    depth = view.depth.copy()
    depth[::2] = np.nan
    depth[:, ::2] = 0

    crop = cut_crop(view.rgb, depth, camera, view.mask, 0, 48, 1.25)
    inputs = make_inputs(crop, DIAMETERS, 64, torch.rand(1, 48 * 48))
    assert torch.isfinite(inputs.cloud).all()
    assert float(inputs.cloud.norm(dim=2).max()) < 1.01


def test_points_far_behind_the_object_are_left_out(box_views, camera) -> None:
    view = box_views[0]
    spilled = np.ones_like(view.mask)
    spilled[:, :80] = view.mask[:, :80]
    mask = view.mask | (spilled & (np.random.default_rng(0).random(view.mask.shape) < 0.01))
    crop = cut_crop(view.rgb, view.depth, camera, mask, 0, 48, 1.25)
    inputs = make_inputs(crop, DIAMETERS, 256, torch.rand(1, 48 * 48))
    assert float(inputs.cloud.norm(dim=2).max()) < 1.01


def test_the_networks_frame_round_trip(box_views, camera) -> None:
    for view in box_views:
        inputs = augment_view(inputs_of(view, camera), max_roll=1.0)
        pose = pose_of(view)
        rotation, translation = inputs.to_camera_frame(*inputs.to_network_frame(*pose))
        torch.testing.assert_close(rotation, pose[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(translation, pose[1], atol=1e-5, rtol=0)


def test_cloud_and_pose_agree_after_augmentation(box_views, box_size, camera) -> None:
    """Points moved by the inverse of the true pose, both in the networks' frame, lie on the box."""
    for view in box_views:
        inputs = augment_view(inputs_of(view, camera), max_roll=1.0)
        rotation, translation = inputs.to_network_frame(*pose_of(view))
        local = (inputs.cloud - translation.unsqueeze(1)) @ rotation * inputs.scale
        scaled = local[0].abs().numpy() / (box_size / 2)
        np.testing.assert_allclose(scaled.max(axis=1), 1.0, atol=1e-3)


def test_augmentation_keeps_part_of_the_mask_and_the_shapes(box_views, camera) -> None:
    torch.manual_seed(0)
    crops = Crops.concatenate([crop_of(view, camera) for view in box_views])
    for _ in range(5):
        changed = augment_crops(crops)
        remaining = changed.mask & crops.mask & (changed.depth > 0)
        kept = remaining.sum(dim=(1, 2)) / crops.measured().sum(dim=(1, 2))
        assert float(kept.min()) >= 0.3
        assert changed.color.dtype == torch.uint8
        assert torch.equal(changed.depth > 0, crops.depth > 0)


@given(st.tuples(numbers, numbers, st.floats(0.05, 3)))
def test_viewing_rotation_turns_the_optical_axis_to_the_direction(direction) -> None:
    target = torch.tensor([direction])
    rotation = viewing_rotation(target)
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3)[None], atol=1e-4, rtol=0)
    expected = torch.nn.functional.normalize(target)
    torch.testing.assert_close(rotation[:, :, 2], expected, atol=1e-5, rtol=0)


@given(st.tuples(numbers, numbers, numbers, numbers).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_quaternion_to_matrix_agrees_with_scipy(wxyz) -> None:
    expected = Rotation.from_quat(np.roll(wxyz, -1)).as_matrix()
    actual = quaternion_to_matrix(torch.tensor(wxyz, dtype=torch.float64))
    np.testing.assert_allclose(actual.numpy(), expected, atol=1e-9)
