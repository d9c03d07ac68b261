# SPDX-License-Identifier: Apache-2.0
"""The predictor names what it rejects, repeats itself, and treats each instance alone."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from perception_kit.datasets.bop_models import read_models
from perception_kit.networks.model_file import read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node.config import Pose6dConfig
from pose6d_node.densefusion import crop_poses
from pose6d_node.densefusion.inference import estimate
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.pose_model_spec import PoseModelSpec
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.densefusion.rotations import fit_rigid


@pytest.fixture(scope="module", params=["densefusion_compact", "densefusion"])
def model_path(request, bop_folder: Path, tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "pose.safetensors"
    objects = list(read_models(bop_folder / "models").values())
    PoseModel.for_objects(objects, request.param).save(path, {})
    return path


@pytest.fixture(scope="module")
def estimator(model_path: Path) -> PoseEstimator:
    """It keeps the poses of an untrained model, which agree with nothing."""
    return PoseEstimator(model_path, min_confidence=0.0)


def test_a_saved_model_is_complete(model_path: Path, bop_folder: Path) -> None:
    model = PoseModel.load(model_path)
    box = read_models(bop_folder / "models")[1]
    assert model.spec.class_names == ["box"]
    assert model.spec.diameters == pytest.approx([box.diameter])
    assert model.spec.symmetric == [False]
    np.testing.assert_allclose(model.model_points[0].numpy(), box.points(1000))


def test_poses_are_rotations_in_the_cameras_frame(estimator, box_views, camera) -> None:
    view = box_views[0]
    (pose,) = estimator(view.rgb, view.depth, camera, [view.instance()])
    np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(pose.rotation) == pytest.approx(1.0, abs=1e-5)
    assert 0 <= pose.confidence <= 1
    assert (pose.class_id, pose.class_name, pose.detection_index) == (7, "box", 0)
    np.testing.assert_allclose(pose.size, [0.10, 0.06, 0.16], rtol=1e-5)
    assert estimator.rejected == []


def test_an_instance_does_not_depend_on_the_others(estimator, box_views, camera) -> None:
    view = box_views[0]
    instance, neighbor = view.instance(), box_views[1].instance()
    moved = replace(neighbor, mask=neighbor.mask[::2, ::2])

    (alone,) = estimator(view.rgb, view.depth, camera, [instance])
    (again,) = estimator(view.rgb, view.depth, camera, [instance])
    together = estimator(view.rgb, view.depth, camera, [moved, instance, moved])[1]
    np.testing.assert_array_equal(alone.rotation, again.rotation)
    np.testing.assert_array_equal(alone.translation, again.translation)
    np.testing.assert_allclose(alone.rotation, together.rotation, atol=1e-4)
    np.testing.assert_allclose(alone.translation, together.translation, atol=1e-5)


def test_what_cannot_be_estimated_is_skipped_by_name(estimator, box_views, camera) -> None:
    view = box_views[0]
    good, unknown = view.instance(), view.instance("teapot")
    empty = replace(good, mask=np.zeros_like(good.mask))
    diagonal = np.eye(*good.mask.shape, dtype=bool)
    diagonal[20:] = False
    small = replace(good, mask=diagonal)

    poses = estimator(view.rgb, view.depth, camera, [unknown, empty, small, good])
    assert [pose.detection_index for pose in poses] == [3]
    assert [index for index, _ in estimator.rejected] == [0, 1, 2]
    reasons = [reason for _, reason in estimator.rejected]
    for word, reason in zip(("teapot", "empty", "known depths"), reasons, strict=True):
        assert word in reason


def test_a_mask_that_slips_through_the_grid_of_its_crop_leaves_the_others(
    bop_folder, box_views, camera, tmp_path: Path
) -> None:
    objects = list(read_models(bop_folder / "models").values())
    path = tmp_path / "pose.safetensors"
    PoseModel.for_objects(objects, "densefusion_compact").save(path, {})
    estimator, view = PoseEstimator(path, min_confidence=0.0), box_views[0]

    row = np.ones((1, view.depth.shape[1]), bool)
    line = replace(view.instance(), mask=row, mask_origin=(0, 60))
    (pose,) = estimator(view.rgb, view.depth, camera, [line, view.instance()])
    assert pose.detection_index == 1
    assert estimator.rejected == [
        (0, "the mask is too thin: its crop of 64 pixels a side holds none of its known depths")
    ]


def test_votes_that_say_nothing_leave_the_others() -> None:
    source = torch.rand(3, 20, 3)
    weights = torch.ones(3, 20)
    weights[0] = 0
    source[1, 0, 0] = torch.nan
    rotation, translation = fit_rigid(source, source + 1, weights)
    assert translation.isfinite().all(dim=1).tolist() == [False, False, True]
    torch.testing.assert_close(rotation[2], torch.eye(3), atol=1e-4, rtol=0)


def test_a_pose_that_is_not_finite_is_skipped_by_name(
    estimator, box_views, camera, monkeypatch
) -> None:
    view = box_views[0]

    def spoilt(*arguments: object) -> tuple[torch.Tensor, ...]:
        rotation, translation, confidence = estimate(*arguments)
        is_spoilt = torch.tensor([True, False]).view(-1, 1, 1)
        return torch.where(is_spoilt, torch.nan, rotation), translation, confidence

    monkeypatch.setattr(crop_poses, "estimate", spoilt)
    (pose,) = estimator(view.rgb, view.depth, camera, [view.instance(), view.instance()])
    assert pose.detection_index == 1
    assert estimator.rejected == [(0, "the network gave no finite pose")]


def test_no_depth_at_all_gives_no_pose(estimator, box_views, camera) -> None:
    view = box_views[0]
    for depth in (np.zeros_like(view.depth), np.full_like(view.depth, np.nan)):
        assert estimator(view.rgb, depth, camera, [view.instance()]) == []
        assert len(estimator.rejected) == 1
    assert estimator(view.rgb, view.depth, camera, []) == []


def test_depth_of_another_size_is_refused(estimator, box_views, camera) -> None:
    view = box_views[0]
    with pytest.raises(ValueError, match="aligned"):
        estimator(view.rgb, view.depth[::2], camera, [view.instance()])


def test_depth_in_millimetres_is_refused(estimator, box_views, camera) -> None:
    view = box_views[0]
    millimetres = (1000 * view.depth).astype(np.uint16)
    with pytest.raises(ValueError, match=r"depth is uint16, expected .* metres: divide .* by 1000"):
        estimator(view.rgb, millimetres, camera, [view.instance()])


def test_values_out_of_range_are_refused(model_path) -> None:
    with pytest.raises(ValueError, match="refine_iterations is -1, expected 0 to 20"):
        PoseEstimator(model_path, refine_iterations=-1)


def test_an_incomplete_model_file_is_refused(tmp_path: Path) -> None:
    tensors = {"model_points": torch.zeros(1, 10, 3)}
    save_model(tmp_path / "broken.safetensors", "pose", tensors, {"class_names": ["box"]})
    with pytest.raises(ModelFileError, match="cannot read"):
        PoseEstimator(tmp_path / "broken.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "pvnet"}, "expected one of"),
        ({"diameters": [0.0]}, "diameters above 0"),
        ({"class_names": ["box", "ball"]}, "2 classes need as many"),
        ({"crop_size": 20}, "expected a multiple of 8"),
        ({"num_points": 0}, "0 points, expected 1 or more"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(
    change: dict[str, object], message: str
) -> None:
    good = {
        "class_names": ["box"],
        "diameters": [0.1],
        "sizes": [[0.1, 0.1, 0.1]],
        "symmetries": [[np.eye(4).tolist()]],
    }
    PoseModelSpec(**good)
    with pytest.raises(ValueError, match=message):
        PoseModelSpec(**{**good, **change})


def test_poses_that_contradict_the_depth_are_held_back_when_asked(
    model_path, estimator, box_views, camera
) -> None:
    view = box_views[0]
    (pose,) = estimator(view.rgb, view.depth, camera, [view.instance()])
    strict = PoseEstimator(model_path, min_confidence=pose.confidence + 0.01)
    assert strict(view.rgb, view.depth, camera, [view.instance()]) == []
    assert "contradict" in strict.rejected[0][1]


def test_parameters_change_while_running(model_path, box_views, camera) -> None:
    view, estimator = box_views[0], PoseEstimator(model_path)
    config = Pose6dConfig(refine_iterations=0, icp=True, min_confidence=1.0)
    expected = PoseEstimator(model_path, "cpu", refine_iterations=0, icp=True, min_confidence=1.0)
    estimator.configure(config)
    assert estimator(view.rgb, view.depth, camera, [view.instance()]) == []
    assert expected(view.rgb, view.depth, camera, [view.instance()]) == []
    assert estimator.rejected == expected.rejected


def test_icp_never_makes_a_pose_less_consistent(model_path, box_views, camera) -> None:
    plain = PoseEstimator(model_path, min_confidence=0.0)
    registered = PoseEstimator(model_path, icp=True, min_confidence=0.0)
    for view in box_views[:4]:
        (before,) = plain(view.rgb, view.depth, camera, [view.instance()])
        (after,) = registered(view.rgb, view.depth, camera, [view.instance()])
        assert after.confidence >= before.confidence
        np.testing.assert_allclose(after.rotation @ after.rotation.T, np.eye(3), atol=1e-5)


def test_depth_in_the_wrong_unit_is_named(estimator, box_views, camera) -> None:
    view = box_views[0]
    assert estimator(view.rgb, view.depth * 1000, camera, [view.instance()]) == []
    assert "millimetres" in estimator.rejected[0][1]


def test_absurd_depth_on_one_object_leaves_the_others(estimator, box_views, camera) -> None:
    view = box_views[0]
    good = view.instance()
    spoilt = replace(good, mask_origin=(0, 0))
    depth = view.depth.copy()
    height, width = good.mask.shape
    depth[:height, :width][~view.mask[:height, :width]] = 1e30

    poses = estimator(view.rgb, depth, camera, [spoilt, good])
    (expected,) = estimator(view.rgb, view.depth, camera, [good])
    np.testing.assert_allclose(poses[-1].rotation, expected.rotation, atol=1e-4)
    assert all(np.isfinite(pose.translation).all() for pose in poses)


@pytest.mark.parametrize("distance", [0.1, 10.0])
def test_an_object_very_near_or_far_leaves_the_others(
    distance: float, estimator, box_views, camera
) -> None:
    """Its depth is nothing that the networks ever saw: it gets a finite pose or is rejected."""
    view = box_views[0]
    good = view.instance()
    odd = replace(good, mask_origin=(0, 0))
    depth = view.depth.copy()
    depth[odd.full_mask(*depth.shape) & ~view.mask] = distance

    poses = estimator(view.rgb, depth, camera, [odd, good])
    (alone,) = estimator(view.rgb, view.depth, camera, [good])
    assert poses[-1].detection_index == 1
    np.testing.assert_allclose(poses[-1].rotation, alone.rotation, atol=1e-4)
    np.testing.assert_allclose(poses[-1].translation, alone.translation, atol=1e-5)
    assert len(poses) + len(estimator.rejected) == 2
    for pose in poses[:-1]:
        assert np.isfinite(pose.translation).all()
        assert np.isfinite(pose.rotation).all()


@pytest.mark.slow
def test_sixty_instances_in_one_frame(estimator, box_views, camera) -> None:
    view = box_views[0]
    instance = view.instance()
    poses = estimator(view.rgb, view.depth, camera, [instance] * 60)
    assert [pose.detection_index for pose in poses] == list(range(60))
    (alone,) = estimator(view.rgb, view.depth, camera, [instance])
    for pose in poses:
        np.testing.assert_allclose(pose.rotation, alone.rotation, atol=1e-4)
        np.testing.assert_allclose(pose.translation, alone.translation, atol=1e-5)


def test_networks_that_make_nonsense_are_refused(model_path: Path, tmp_path: Path) -> None:
    tensors, metadata = read_model(model_path, "pose")
    tensors |= {
        name: value * 1e30
        for name, value in tensors.items()
        if name.startswith("estimator") and value.dim() > 1
    }
    path = tmp_path / "overflowing.safetensors"
    save_model(path, "pose", tensors, metadata)
    with pytest.raises(ModelFileError, match="is of no use: its network gave a pose"):
        PoseEstimator(path, "cpu")


def test_a_table_of_other_objects_is_refused(model_path: Path, tmp_path: Path) -> None:
    tensors, metadata = read_model(model_path, "pose")
    tensors["model_points"] = tensors["model_points"][:1, :, :2].clone()
    path = tmp_path / "other.safetensors"
    save_model(path, "pose", tensors, metadata)
    with pytest.raises(ModelFileError, match="model_points have the shape"):
        PoseEstimator(path, "cpu")


def test_estimators_share_the_model_and_nothing_else(
    model_path: Path, box_views, camera, tmp_path: Path
) -> None:
    path = Path(shutil.copy(model_path, tmp_path))
    first = PoseEstimator(path, "cpu", min_confidence=0.0)
    second = PoseEstimator(path, "cpu", min_confidence=1.0)
    assert first.model is second.model
    view = box_views[0]
    arguments = view.rgb, view.depth, camera, [view.instance()]
    with ThreadPoolExecutor(2) as pool:
        found, refused = pool.map(lambda estimator: estimator(*arguments), (first, second))
    assert (len(found), first.rejected) == (1, [])
    assert (refused, len(second.rejected)) == ([], 1)

    path.write_bytes(path.read_bytes())
    assert PoseEstimator(path, "cpu").model is not first.model
