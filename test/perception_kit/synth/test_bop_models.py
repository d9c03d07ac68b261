# SPDX-License-Identifier: Apache-2.0
"""The BOP models folder, written and read back: its objects look as the rendered ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mesh_files import box, write_obj

from perception_kit.datasets.bop_models import read_models
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.synth.bop_models import write_models
from perception_kit.synth.catalog import ObjectClass, read_classes
from perception_kit.synth.objects import builtin_classes
from pose6d_node import update_objects
from pose6d_node.densefusion.pose_model import PoseModel


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bop") / "models"
    write_models(folder, builtin_classes(), with_person=True)
    return folder


def rendered_colors(object_class: ObjectClass, model: ObjectModel, count: int) -> np.ndarray:
    """(N, 3) colors, 0..1, that renders show at the model's samples."""
    samples = model.surface(count)
    rays = np.hstack([samples.points + 1e-3 * samples.normals, -samples.normals])
    hits = object_class.surface.cast(rays.astype(np.float32))
    assert np.isfinite(hits.depth).all()
    return object_class.surface.appearance(hits, np.full(count, 1e-3))[1] / 255


@pytest.mark.parametrize("object_class", builtin_classes(), ids=lambda entry: entry.name)
def test_surfaces_have_the_rendered_textures(models: Path, object_class: ObjectClass) -> None:
    model = read_models(models)[object_class.class_id]
    colors = model.surface(1000).colors
    assert colors is not None
    difference = np.abs(colors - rendered_colors(object_class, model, 1000)).max(axis=1)

    # Both look a texture up between its pixels, so that edges of print differ.
    assert np.median(difference) < 0.01
    assert np.mean(difference > 0.1) < 0.15


def test_the_print_of_boxes_is_kept(models: Path) -> None:
    """A box has 24 vertices: their colors alone say nothing of what is between them."""
    cracker_box = builtin_classes()[0]
    model = read_models(models)[cracker_box.class_id]
    colors = model.surface(1000).colors
    assert colors is not None
    assert len(model.mesh()[0]) == 24
    assert len(np.unique((colors * 255).round(), axis=0)) > 100


def test_files_are_those_of_bop(models: Path) -> None:
    header = (models / "obj_000001.ply").read_bytes().partition(b"end_header")[0].decode()
    assert "comment TextureFile obj_000001.png\n" in header
    for line in ("float texture_u", "float texture_v", "float nx", "uchar red"):
        assert f"property {line}\n" in header
    assert (models / "obj_000001.png").is_file()


def test_a_rendered_folder_can_be_rendered_again(models: Path) -> None:
    again = read_classes(models)[0]
    for old, new in zip(builtin_classes(), again, strict=True):
        assert new.name == old.name
        np.testing.assert_allclose(new.mesh.size, old.mesh.size, rtol=1e-4)
        np.testing.assert_array_equal(new.mesh.texture, old.mesh.texture)
        assert (new.symmetry.axis is None) == (old.symmetry.axis is None)


def test_colors_and_their_absence_are_kept(tmp_path: Path) -> None:
    meshes = tmp_path / "meshes"
    write_obj(meshes / "two" / "b.obj", "newmtl a\nKd 1 0 0\nnewmtl b\nKd 0 0 1\n")
    (meshes / "bare").mkdir()
    box().export(meshes / "bare" / "part.stl")
    write_models(tmp_path / "models", read_classes(meshes)[0], with_person=False)
    bare, two = read_models(tmp_path / "models").values()
    assert bare.surface(5).colors is None
    colors = two.surface(300).colors
    assert colors is not None
    assert {tuple(color) for color in colors.round(3)} == {(1, 0, 0), (0, 0, 1)}


def test_a_missing_texture_is_named_where_colors_are_needed(tmp_path: Path) -> None:
    write_models(tmp_path, builtin_classes(), with_person=False)
    for number in (1, 3):
        (tmp_path / f"obj_{number:06d}.png").unlink()
    objects = list(read_models(tmp_path).values())
    assert all(model.points(10).shape == (10, 3) for model in objects), "for evaluation"
    with pytest.raises(DatasetError, match="2 of 6 objects cannot be used") as caught:
        PoseModel.for_objects(objects, "densefusion_compact")
    assert "obj_000003.ply: its texture 'obj_000003.png' is missing" in str(caught.value)


def test_a_pose_model_gets_the_rendered_textures(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = [model for model in read_models(models).values() if not model.articulated]
    trained = PoseModel.for_objects(objects, "densefusion_compact")
    trained.model_normals = trained.model_colors = None
    trained.save(tmp_path / "old.safetensors", {})
    command = ["--model", str(tmp_path / "old.safetensors"), "--models", str(models)]
    assert update_objects.main([*command, "--out", str(tmp_path / "new.safetensors")]) == 0
    assert "cracker_box: " in capsys.readouterr().out

    surfaces = PoseModel.load(tmp_path / "new.safetensors").surfaces
    assert surfaces is not None
    for number, entry in enumerate(builtin_classes()):
        expected = rendered_colors(entry, objects[number], surfaces.colors.shape[1])
        difference = np.abs(surfaces.colors[number].numpy() - expected).max(axis=1)
        assert np.median(difference) < 0.01, entry.name


def test_a_pose_model_says_which_objects_have_no_colors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meshes = tmp_path / "meshes"
    for name in ("bare", "painted"):
        (meshes / name).mkdir(parents=True)
        box().export(meshes / name / "part.stl")
    write_obj(meshes / "painted" / "textured.obj", "newmtl a\nKd 1 0 0\n")
    objects = [
        ObjectModel.from_mesh(k, entry.name, entry.mesh.vertices, entry.mesh.faces, {})
        for k, entry in enumerate(read_classes(meshes)[0])
    ]
    PoseModel.for_objects(objects, "densefusion_compact").save(tmp_path / "m.safetensors", {})
    command = ["--model", str(tmp_path / "m.safetensors"), "--models", str(meshes)]
    assert update_objects.main([*command, "--out", str(tmp_path / "n.safetensors")]) == 0
    written = capsys.readouterr().out
    assert "'bare' has no colors: the depth alone tells its poses apart" in written
    assert "'painted' has no colors" not in written
    assert PoseModel.load(tmp_path / "n.safetensors").surfaces is not None
