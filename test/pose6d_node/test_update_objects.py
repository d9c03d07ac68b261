# SPDX-License-Identifier: Apache-2.0
"""A model gets the surfaces of its objects, and objects that it was not trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from painted_box import (
    CAMERA,
    PAINT,
    ROTATION,
    SIDES,
    TRANSLATION,
    box_model,
    box_view,
    paint_at,
)

from perception_kit.types import Instance
from pose6d_node import PoseEstimator, update_objects
from pose6d_node.densefusion import crop_poses
from pose6d_node.densefusion.inference import estimate
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.evaluation.pose_stages import pose_stages
from pose6d_node.registration.hypotheses import half_turns
from pose6d_node.registration.placement import Hypotheses


@pytest.fixture(scope="module")
def without_surfaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pose model of the box as earlier versions wrote it."""
    model = PoseModel.for_objects([box_model()], "densefusion_compact")
    model.model_normals = model.model_colors = None
    path = tmp_path_factory.mktemp("model") / "pose.safetensors"
    model.save(path, {"steps": 7})
    return path


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    """The box as a textured OBJ: each side in the middle of its own sixth of the texture."""
    mesh, _ = box_model().mesh()
    folder = tmp_path / "meshes" / "box"
    folder.mkdir(parents=True)
    lines = ["mtllib box.mtl"]
    lines += [f"v {x} {y} {z}" for x, y, z in mesh]
    lines += [f"vt {(side + 0.5) / 6} 0.5" for side in range(6)]
    for side in range(6):
        corners = (4 * side + np.array([1, 2, 3, 4]))[:: 1 if side % 2 == 0 else -1]
        lines.append("f " + " ".join(f"{corner}/{side + 1}" for corner in corners))
    (folder / "box.obj").write_text("\n".join(lines) + "\n")
    (folder / "box.mtl").write_text("newmtl paint\nmap_Kd box.png\n")
    texture = np.repeat(PAINT[None, :, ::-1], 60, axis=1).repeat(60, axis=0)
    cv2.imwrite(str(folder / "box.png"), texture)
    return folder.parent


@pytest.mark.slow
def test_surfaces_are_those_of_the_meshes(without_surfaces: Path, meshes: Path) -> None:
    assert PoseModel.load(without_surfaces).surfaces is None
    out = without_surfaces.with_name("with_surfaces.safetensors")
    command = ["--model", str(without_surfaces), "--models", str(meshes), "--out", str(out)]
    assert update_objects.main(command) == 0

    before, after = PoseModel.load(without_surfaces), PoseModel.load(out)
    surfaces = after.surfaces
    assert surfaces is not None
    points, normals = surfaces.points[0].numpy(), surfaces.normals[0].numpy()
    assert (points * normals).sum(axis=1).min() > 0, "normals point outward"
    assert surfaces.colors[0].numpy() * 255 == pytest.approx(paint_at(points), abs=2)
    torch.testing.assert_close(after.estimator.state_dict(), before.estimator.state_dict())

    stages = ["unrefined", "refined", "refined + ICP"]
    assert list(pose_stages(without_surfaces, "cpu", 2)) == stages
    assert list(pose_stages(out, "cpu", 2)) == [*stages, "registered", "+ turns", "+ views"]


def test_a_missing_mesh_is_named(
    without_surfaces: Path, meshes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (meshes / "box").rename(meshes / "crate")
    out = without_surfaces.with_name("missing.safetensors")
    command = ["--model", str(without_surfaces), "--models", str(meshes), "--out", str(out)]
    assert update_objects.main(command) == 2
    assert "has no mesh of box, which the model knows" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("turn", range(4))
def test_the_estimator_finds_the_right_one_of_the_half_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    model = PoseModel.for_objects([box_model()], "densefusion_compact")
    model.save(tmp_path / "pose.safetensors", {})
    surfaces = model.surfaces
    assert surfaces is not None
    true = Hypotheses(
        torch.tensor([0]),
        torch.from_numpy(ROTATION).float()[None],
        torch.from_numpy(TRANSLATION).float()[None],
    )
    answer = half_turns(surfaces, torch.tensor([0]), true).select(torch.tensor([turn]))
    monkeypatch.setattr(
        crop_poses,
        "estimate",
        lambda *_: (answer.rotation, answer.translation, torch.ones(1)),
    )

    rgb, depth, mask = box_view(box_model())
    box = Instance(1, "box", 1.0, np.zeros(4, np.float32), mask, (0, 0))
    estimator = PoseEstimator(tmp_path / "pose.safetensors")
    (pose,) = estimator(rgb, depth, CAMERA, [box])
    assert pose.rotation == pytest.approx(ROTATION, abs=0.02)
    assert pose.translation == pytest.approx(TRANSLATION, abs=0.002)

    estimator.hypotheses = "none"
    (pose,) = estimator(rgb, depth, CAMERA, [box])
    assert pose.rotation == pytest.approx(answer.rotation[0].numpy(), abs=1e-6)


def add_box(meshes: Path, out: Path, *more: str) -> Path:
    """The model file that the command writes, ``meshes/box`` added."""
    command = ["--add-object", str(meshes / "box"), "--out", str(out), *more]
    assert update_objects.main(command) == 0
    return out


def box_instance(mask: np.ndarray, name: str = "box") -> Instance:
    """The only instance in a ``box_view``."""
    return Instance(1, name, 1.0, np.zeros(4, np.float32), mask, (0, 0))


def test_an_added_object_gets_poses_without_any_network(meshes: Path, tmp_path: Path) -> None:
    path = add_box(meshes, tmp_path / "pose.safetensors")
    assert list(pose_stages(path, "cpu", 2)) == ["+ views"]

    rgb, depth, mask = box_view(box_model())
    estimator = PoseEstimator(path)
    (pose,) = estimator(rgb, depth, CAMERA, [box_instance(mask)])
    assert pose.rotation == pytest.approx(ROTATION, abs=0.02)
    assert pose.translation == pytest.approx(TRANSLATION, abs=0.002)
    assert pose.size == pytest.approx(SIDES, abs=1e-6)

    estimator.hypotheses = "none"
    assert estimator(rgb, depth, CAMERA, [box_instance(mask)]) == []
    ((_, reason),) = estimator.rejected
    assert reason.startswith("the networks were not trained on class 'box'")


@pytest.mark.slow
def test_networks_see_the_classes_alone_that_they_were_trained_on(
    meshes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = PoseModel.for_objects([replace(box_model(), name="crate")], "densefusion_compact")
    trained.save(tmp_path / "trained.safetensors", {"steps": 7})
    path = add_box(
        meshes, tmp_path / "pose.safetensors", "--model", str(tmp_path / "trained.safetensors")
    )

    # The same networks with more classes in the table.
    model = PoseModel.load(path)
    assert model.spec.class_names == ["crate", "box"]
    assert (model.spec.num_trained, model.spec.num_untrained) == (1, 1)
    assert len(model.model_points) == 2
    torch.testing.assert_close(model.estimator.state_dict(), trained.estimator.state_dict())
    assert list(pose_stages(path, "cpu", 2)) == [
        "unrefined",
        "refined",
        "refined + ICP",
        "registered",
        "+ turns",
        "+ views",
    ]

    # Whatever the order of the instances, only the crate comes to the networks.
    estimator = PoseEstimator(path, min_confidence=0.0)
    seen = []

    def recorded(*arguments: Any) -> tuple[torch.Tensor, ...]:
        seen.append(arguments[1].class_index.tolist())
        return estimate(*arguments)

    monkeypatch.setattr(crop_poses, "estimate", recorded)
    rgb, depth, mask = box_view(box_model())
    instances = [box_instance(mask), box_instance(mask, "crate"), box_instance(mask)]
    poses = estimator(rgb, depth, CAMERA, instances)
    assert seen == [[0]]
    assert [pose.class_name for pose in poses] == ["box", "crate", "box"]
    for pose in poses:
        assert pose.rotation == pytest.approx(ROTATION, abs=0.02)

    estimator.hypotheses = "none"
    poses = estimator(rgb, depth, CAMERA, instances)
    assert [pose.detection_index for pose in poses] == [1]
    assert [index for index, _ in estimator.rejected] == [0, 2]


def test_an_object_without_colors_is_posed_by_its_shape(
    meshes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    obj = meshes / "box" / "box.obj"
    obj.write_text(obj.read_text().replace("mtllib box.mtl\n", ""))
    (meshes / "box" / "box.mtl").unlink()
    (meshes / "box" / "box.png").unlink()
    path = add_box(meshes, tmp_path / "pose.safetensors")
    assert "'box' has no colors: the depth alone tells its poses apart" in capsys.readouterr().out

    rgb, depth, mask = box_view(box_model())
    (pose,) = PoseEstimator(path, min_confidence=0.0)(rgb, depth, CAMERA, [box_instance(mask)])
    assert pose.translation == pytest.approx(TRANSLATION, abs=0.004)
    turns = ([1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1])
    same = [np.abs(ROTATION @ np.diag(turn) - pose.rotation).max() for turn in turns]
    assert min(same) < 0.03


def test_what_cannot_be_added_is_named(
    without_surfaces: Path, meshes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pose.safetensors"

    def error(*command: str | Path) -> str:
        assert update_objects.main([*map(str, command), "--out", str(out)]) == 2
        assert not out.exists()
        return capsys.readouterr().err

    (meshes / "points").mkdir()
    np.savetxt(meshes / "points" / "points.xyz", np.random.default_rng(0).random((50, 3)))
    assert "has no surface" in error("--add-object", meshes / "points")
    assert "does not exist" in error("--add-object", meshes / "mug.obj")
    several = error("--add-object", meshes / "mug.obj", meshes / "box", meshes / "points")
    assert "2 of 3 objects cannot be used:" in several
    assert "mug.obj' does not exist" in several
    assert "several added meshes are called box" in error(
        "--add-object", meshes / "box", meshes / "box" / "box.obj"
    )
    assert "knows box already" in error("--model", without_surfaces, "--add-object", meshes / "box")
    (meshes / "box").rename(meshes / "crate")
    assert "holds no surfaces of its own objects: add them with --models" in error(
        "--model", without_surfaces, "--add-object", meshes / "crate"
    )


@pytest.mark.parametrize("command", [[], ["--models", "meshes"]])
def test_a_command_that_stores_nothing_is_refused(command: list[str]) -> None:
    with pytest.raises(SystemExit):
        update_objects.main([*command, "--out", "pose.safetensors"])
