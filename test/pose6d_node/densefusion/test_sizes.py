# SPDX-License-Identifier: Apache-2.0
"""Objects of unknown size: the geometry of scaling, the model file, and poses with a size."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from painted_box import CAMERA, ROTATION, SIDES, TRANSLATION, box_crop, box_model, box_view

from perception_kit.datasets.frame import instance_from_mask
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.networks.model_file import read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node import train_pose
from pose6d_node.densefusion.crops import make_inputs, point_order
from pose6d_node.densefusion.instance_models import InstanceModels
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.pose_model_spec import PoseModelSpec
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.densefusion.size_net import LogScale, SizeNet
from pose6d_node.densefusion.sizes import estimate_sizes, noisy, normalized, reach, vary_sizes
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Hypotheses
from pose6d_node.registration.scoring import compare

SCALE = np.array([1.25, 0.8, 1.5])
RANGE = (0.6, 1.6)

scales = st.tuples(*[st.floats(*RANGE)] * 3)


def sized_model(variation: str = "axes", scale: np.ndarray = SCALE) -> PoseModel:
    """An untrained model of the painted box, whose size network always says ``scale``."""
    torch.manual_seed(0)
    model = PoseModel.for_objects([box_model()], "densefusion_compact", variation, RANGE).eval()
    with torch.no_grad():
        model.size_network.factors.weight.zero_()
        model.size_network.factors.bias[:3] = torch.from_numpy(scale).log()
        model.size_network.factors.bias[3:] = math.log(0.05)
    return model


def scaled_box(scale: np.ndarray) -> ObjectModel:
    vertices, faces = box_model().mesh()
    return ObjectModel.from_mesh(1, "box", vertices * scale, faces, {})


@settings(max_examples=25, deadline=None)
@given(scales, st.floats(0.5, 2.0))
def test_another_unit_leaves_points_and_poses_where_they_are(
    scale: tuple[float, ...], factor: float
) -> None:
    inputs = make_inputs(
        box_crop(box_view(box_model())), torch.tensor([0.2]), 64, point_order(64, 0)
    )
    other = inputs.with_unit(inputs.scale * factor)
    torch.testing.assert_close(other.points(), inputs.points())
    pose = torch.from_numpy(ROTATION).float()[None], torch.from_numpy(TRANSLATION).float()[None]
    for there in (inputs, other):
        rotation, translation = there.to_camera_frame(*there.to_network_frame(*pose))
        torch.testing.assert_close(rotation, pose[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(translation, pose[1], atol=1e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(scales, st.integers(0, 1000))
def test_a_larger_object_further_away_is_the_same_picture(
    scale: tuple[float, ...], seed: int
) -> None:
    torch.manual_seed(seed)
    crops = box_crop(box_view(box_model()))
    translation = torch.from_numpy(TRANSLATION).float()[None]
    factors = torch.tensor([scale])
    varied, moved, larger = vary_sizes(crops, translation, factors, RANGE)

    zoom = float((larger / factors).mean())
    torch.testing.assert_close(larger, factors * zoom)
    torch.testing.assert_close(moved, translation * zoom)
    torch.testing.assert_close(varied.points(), crops.points() * zoom)
    assert RANGE[0] - 1e-4 <= larger.min() <= larger.max() <= RANGE[1] + 1e-4


def test_points_normalized_by_the_true_size_do_not_tell_it() -> None:
    model = sized_model("uniform", np.ones(3))
    clouds = []
    for factor in (0.7, 1.4):
        object_model = scaled_box(np.full(3, factor))
        view = box_view(object_model, rotation=ROTATION, translation=TRANSLATION * factor)
        inputs = make_inputs(box_crop(view), reach(model), 64, point_order(64, 0))
        clouds.append(normalized(model, inputs, torch.full((1, 3), factor)).cloud)
    torch.testing.assert_close(clouds[0], clouds[1], atol=1e-3, rtol=0)


def test_the_loss_is_least_at_the_truth_and_at_the_true_spread() -> None:
    truth = torch.tensor([[0.8, 1.0, 1.3]])

    def loss(factor: float, std: float) -> float:
        spread = torch.full((1, 3), math.log(std))
        return float(LogScale((truth * factor).log(), spread).loss(truth))

    assert loss(1.0, 0.1) < loss(1.1, 0.1) < loss(1.3, 0.1)
    off = math.exp(0.1)
    assert loss(off, 0.1) < min(loss(off, 0.05), loss(off, 0.2))


def test_axes_of_a_group_have_one_factor() -> None:
    torch.manual_seed(1)
    network = SizeNet(8, torch.tensor([[0, 0, 2], [0, 0, 0], [0, 1, 2]]))
    mean, log_std = network(torch.rand(3, 8, 20), torch.rand(3, 20, 3), torch.arange(3))
    assert mean.shape == log_std.shape == (3, 3)
    assert mean[0, 0] == mean[0, 1] != mean[0, 2]
    assert mean[1].std() < 1e-6 < mean[2].std()


def test_a_model_file_says_whether_it_estimates_sizes(tmp_path: Path) -> None:
    path = tmp_path / "pose.safetensors"
    sized_model().save(path, {})
    spec = PoseModel.load(path).spec
    assert spec.estimates_sizes
    assert (spec.size_variation, spec.size_range) == ("axes", list(RANGE))

    # Earlier files say nothing of it.
    PoseModel.for_objects([box_model()], "densefusion_compact").save(path, {})
    tensors, metadata = read_model(path, "pose")
    assert not any(name.startswith("size_network") for name in tensors)
    for name in ("kind", "version", "size_variation", "size_range"):
        metadata.pop(name, None)
    save_model(path, "pose", tensors, metadata)
    assert not PoseModel.load(path).spec.estimates_sizes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"size_variation": "volume"},
            "size_variation is 'volume', expected one of known, uniform",
        ),
        ({"size_range": [1.6, 0.6]}, "expected the smallest factor first"),
        ({"size_range": [0.6]}, "size_range is [0.6], expected a list of 2"),
        ({"input_frame": "camera"}, "sizes are estimated in the input frame 'object' only"),
    ],
)
def test_metadata_of_sizes_that_no_model_has_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "pose.safetensors"
    sized_model().save(path, {})
    tensors, metadata = read_model(path, "pose")
    metadata.pop("kind", None)
    save_model(path, "pose", tensors, metadata | change)
    with pytest.raises(ModelFileError) as refused:
        PoseModel.load(path)
    assert message in str(refused.value)


def test_estimates_stay_near_what_was_trained() -> None:
    model = sized_model(scale=np.array([50.0, 1e-3, 1.0]))
    inputs = make_inputs(box_crop(box_view(box_model())), reach(model), 64, point_order(64, 0))
    scale = estimate_sizes(model, inputs).scale[0].numpy()
    np.testing.assert_allclose(scale, np.array([1.6, 0.6, 1.0]) * np.exp([0.1, -0.1, 0]), rtol=1e-3)
    assert noisy(torch.ones(400, 3)).std() == pytest.approx(0.06, abs=0.02)


def test_poses_are_judged_by_models_of_the_estimated_size() -> None:
    model, of_class = sized_model(), torch.zeros(1, dtype=torch.long)
    surfaces = model.surfaces
    assert surfaces is not None
    crops = box_crop(box_view(scaled_box(SCALE)))
    pose = Hypotheses(
        of_class,
        torch.from_numpy(ROTATION).float()[None],
        torch.from_numpy(TRANSLATION).float()[None],
    )
    agreement = {}
    for name, factors in (("true", SCALE), ("of the class", np.ones(3))):
        scale = torch.from_numpy(factors).float()[None]
        models = InstanceModels(model, of_class, scale, torch.zeros(1, 3))
        own = models.surfaces(surfaces)
        torch.testing.assert_close(own.normals.norm(dim=2), torch.ones(1, 1000))
        found = compare(Observation.of(crops), own, pose, 1000)
        agreement[name] = float(found.depth_agreement()[0])
    assert agreement["true"] > 0.9
    assert agreement["of the class"] < 0.6


@pytest.mark.parametrize(
    "choice", [{"hypotheses": "views"}, {"hypotheses": "none", "icp": True}], ids=["views", "icp"]
)
@pytest.mark.slow
def test_poses_come_with_their_size(tmp_path: Path, choice: dict[str, object]) -> None:
    path = tmp_path / "pose.safetensors"
    sized_model().save(path, {})
    estimator = PoseEstimator(path, min_confidence=0.0, **choice)
    rgb, depth, mask = box_view(scaled_box(SCALE))
    instance = instance_from_mask(1, "box", 1.0, mask)
    (pose,) = estimator(rgb, depth, CAMERA, [instance])
    np.testing.assert_allclose(pose.size, SIDES * SCALE, rtol=1e-4)
    assert pose.size_std is not None
    np.testing.assert_allclose(pose.size_std, SIDES * SCALE * 0.05, rtol=1e-3)
    if choice["hypotheses"] == "views":
        # A model of other proportions would be pulled off its place.
        networks = PoseEstimator(path, min_confidence=0.0, hypotheses="none")
        (expected,) = networks(rgb, depth, CAMERA, [instance])
        np.testing.assert_allclose(pose.translation, expected.translation, atol=1e-5)


def test_objects_added_without_training_are_of_known_size(tmp_path: Path) -> None:
    path = tmp_path / "pose.safetensors"
    sized_model().with_untrained([replace(box_model(), name="crate")]).save(path, {})
    rgb, depth, mask = box_view(box_model())
    estimator = PoseEstimator(path, min_confidence=0.0)
    instances = [instance_from_mask(1, name, 1.0, mask) for name in ("box", "crate")]
    box, crate = estimator(rgb, depth, CAMERA, instances)
    assert box.size_std is not None
    assert crate.size_std is None
    np.testing.assert_allclose(crate.size, SIDES, rtol=1e-5)
    assert np.linalg.norm(crate.translation - TRANSLATION) < 0.01


def test_training_learns_sizes_and_says_how_well(bop_folder: Path, tmp_path: Path, capsys) -> None:
    folder = shutil.copytree(bop_folder, tmp_path / "sized")
    ground_truth = next(folder.glob("*/000000/scene_gt.json"))
    frames = json.loads(ground_truth.read_text())
    for number, entries in enumerate(frames.values()):
        for entry in entries:
            entry["scale"] = [0.8 + 0.04 * number] * 3
    frames["0"][0]["scale"][2] += 0.01
    ground_truth.write_text(json.dumps(frames))

    out = ["--out", str(tmp_path / "pose.safetensors"), "--run-dir", str(tmp_path / "run")]
    shared = ["--val", str(folder), *out, "--steps", "2", "--batch-size", "4"]
    train_pose.main(["--data", str(folder), *shared, "--estimate-size", "uniform"])
    output = capsys.readouterr().out
    assert re.search(r"1 of \d+ instances have another factor for each axis", output)
    assert "sizes are off by" in output
    record = json.loads((tmp_path / "pose.safetensors.json").read_text())
    assert 0 <= record["held_out"]["size_error"]["median"] < 1
    spec = PoseModel.load(tmp_path / "pose.safetensors").spec
    assert spec.size_range == pytest.approx([0.8, 0.8 + 0.04 * (len(frames) - 1)])

    fresh = ["--run-dir", str(tmp_path / "other"), "--estimate-size", "axes"]
    with pytest.raises(SystemExit, match="2"):
        train_pose.main(["--data", str(bop_folder), *shared, *fresh])
    assert "states no scale of its instances" in capsys.readouterr().err


def test_a_spec_of_known_sizes_is_the_default() -> None:
    spec = PoseModelSpec.for_objects([box_model()], "densefusion_compact")
    assert not spec.estimates_sizes
    model = PoseModel.for_objects([box_model()], "densefusion_compact")
    torch.testing.assert_close(reach(model), model.diameters, rtol=0, atol=0)
