# SPDX-License-Identifier: Apache-2.0
"""A trained model gets the surfaces of its objects."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from painted_box import (
    CAMERA,
    PAINT,
    ROTATION,
    TRANSLATION,
    box_model,
    box_view,
    paint_at,
)

from perception_kit.types import Instance
from pose6d_node import PoseEstimator, update_objects
from pose6d_node.densefusion import predictor
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.evaluate import pose_stages
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
        predictor,
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
