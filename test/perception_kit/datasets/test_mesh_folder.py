# SPDX-License-Identifier: Apache-2.0
"""Folders of meshes: which objects they hold, and how large these are by which unit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_files import GREEN, box, obj_text, write_obj, write_picture

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh import MeshError
from perception_kit.datasets.mesh_folder import find_objects, mesh_of
from perception_kit.datasets.mesh_units import METERS, MeshUnit, meters_per_unit
from perception_kit.datasets.opener import open_models, open_object
from perception_kit.synth.catalog import read_classes

SIZE = "part: 120 x 80 x 60 mm"


@pytest.mark.parametrize(
    ("scale", "suffix", "line"),
    [
        (1.0, ".obj", f"{SIZE} (unit m, by its size)"),
        (1000.0, ".obj", f"{SIZE} (unit mm, by its size)"),
        (1000.0, ".stl", f"{SIZE} (unit mm, by its size)"),
        (1.0, ".ply", f"{SIZE} (unit m, by its size)"),
        (1.0, ".glb", f"{SIZE} (unit m, of its format)"),
    ],
)
def test_the_unit_is_decided_and_said(scale: float, suffix: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "part" / f"x{suffix}"
    path.parent.mkdir()
    if suffix == ".obj":
        path.write_text(obj_text(scale, textured=False))
    else:
        box(scale).export(path)

    # For training renders and for the table of a pose model alike.
    (rendered,), notes = read_classes(tmp_path)
    model = open_models(tmp_path)[1]
    assert notes[0] == model.notes[0] == line
    np.testing.assert_allclose(rendered.mesh.size, [0.12, 0.08, 0.06], rtol=1e-5)
    np.testing.assert_allclose(model.size, [0.12, 0.08, 0.06], rtol=1e-5)


@pytest.mark.parametrize(
    ("scale", "suffix", "complaint"),
    [
        (100.0, ".obj", "120 x 80 x 60 mm in cm"),
        (39.37, ".obj", "120 x 80 x 60 mm in in"),
        (70.0, ".obj", "8.4 x 5.6 x 4.2 mm in mm"),
        (400.0, ".obj", "several units are possible"),
        (375.0, ".stl", "45 x 30 x 22 mm in mm.*; parts from CAD are mostly in mm; give its"),
        (0.05, ".obj", "10 mm to 1 m is expected"),
        (1e5, ".obj", "10 mm to 1 m is expected"),
        (1000.0, ".glb", "120000 x 80000 x 60000 mm .unit m, of its format"),
    ],
    ids=["cm", "in", "tiny_mm", "mm_or_cm", "cad_part", "too_small", "too_large", "glb_in_mm"],
)
def test_an_unclear_unit_is_asked_for(
    scale: float, suffix: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "part" / f"x{suffix}"
    path.parent.mkdir()
    if suffix == ".obj":
        path.write_text(obj_text(scale, textured=False))
    else:
        box(scale).export(path)
    for read in (read_classes, open_models):
        with pytest.raises(DatasetError, match=complaint) as caught:
            read(tmp_path)
        assert str(path) in str(caught.value)
        assert "--mesh-unit" in str(caught.value)


@given(
    st.sampled_from(["m", "cm", "mm", "in"]),
    st.floats(0.001, 5).map(lambda value: np.array([value, value / 2, value / 3])),
)
def test_a_given_unit_is_taken_at_any_size(unit: str, meters: np.ndarray) -> None:
    factor, line = meters_per_unit("part", meters / METERS[unit], unit)  # type: ignore[arg-type]
    assert factor == METERS[unit]
    assert f"(unit {unit}, as given)" in line
    assert ("warning" in line) == (not 0.005 <= (meters / METERS[unit]).max() * METERS[unit] <= 3)


@pytest.mark.parametrize(
    ("meters", "unit", "guess"),
    [(300.0, "m", "is it in mm[?]"), (1e-4, "mm", "is it in m[?]"), (1e-9, "m", "check its unit")],
)
def test_a_given_unit_by_which_nothing_is_an_object_is_refused(
    meters: float, unit: MeshUnit, guess: str
) -> None:
    with pytest.raises(MeshError, match=f"part: .*--mesh-unit {unit}: {guess}"):
        meters_per_unit("part", np.full(3, meters) / METERS[unit], unit)


def test_a_doubtful_given_unit_is_asked_about() -> None:
    _, line = meters_per_unit("part", np.array([80.0, 50.0, 20.0]), "m")
    assert line.endswith("warning: objects are 5 mm to 3 m long; is it in cm or mm?")


@given(st.floats(1e-4, 1e5))
def test_a_decided_size_is_plausible(units: float) -> None:
    size = np.array([units / 3, units, units / 2])
    try:
        factor, _ = meters_per_unit("part", size)
    except MeshError:
        fitting = [unit for unit, meters in METERS.items() if 0.01 <= units * meters < 1]
        assert len(fitting) != 1
        assert "m" not in fitting
        return
    assert 0.01 <= units * factor < 1


def test_all_bad_objects_are_listed_at_once(tmp_path: Path) -> None:
    write_picture(write_obj(tmp_path / "good" / "b.obj").with_name("t.png"), GREEN)
    write_obj(tmp_path / "no_picture" / "b.obj")
    write_obj(tmp_path / "in_cm" / "b.obj", "newmtl a\nKd 1 0 0\n", scale=100)
    (tmp_path / "pointer").mkdir()
    (tmp_path / "pointer" / "p.stl").write_text("version https://git-lfs.github.com/spec/v1\n")
    for read in (read_classes, open_models):
        with pytest.raises(DatasetError, match="3 of 4 objects cannot be used") as caught:
            read(tmp_path)
        message = str(caught.value)
        assert message.count("\n- ") == 3
        for words in ("git lfs pull", "in_cm/b.obj", "its texture 't.png' is missing"):
            assert words in message
        assert "good" not in message


def test_empty_folders_are_listed_at_once(tmp_path: Path) -> None:
    for name in ("cup", "plate"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="2 of 2 objects cannot be used") as caught:
        find_objects(tmp_path)
    assert "cup: expected one mesh" in str(caught.value)


def test_meshes_without_sub_folders(tmp_path: Path) -> None:
    box(1000).export(tmp_path / "b_cup.stl")
    box(1000).export(tmp_path / "a_box.ply")
    (tmp_path / "textures").mkdir()
    classes, _ = read_classes(tmp_path)
    assert [entry.name for entry in classes] == ["a_box", "b_cup"]
    assert [entry.name for entry in open_models(tmp_path).values()] == ["a_box", "b_cup"]


def test_one_mesh_of_several_files(tmp_path: Path) -> None:
    for name in ("part.stl", "part.ply"):
        box().export(tmp_path / name)
    assert mesh_of(tmp_path).name == "part.ply", "the format that can hold colors"
    box().export(tmp_path / "nontextured.ply")
    with pytest.raises(MeshError, match=r"expected one mesh .* remove the others"):
        mesh_of(tmp_path)
    (tmp_path / "textured.obj").write_text(obj_text(textured=False))
    assert mesh_of(tmp_path).name == "textured.obj"


@pytest.mark.parametrize("corners", [3, 4])
def test_flat_objects_are_neither_rendered_nor_posed(corners: int, tmp_path: Path) -> None:
    path = tmp_path / "card" / "c.obj"
    path.parent.mkdir()
    face = " ".join(str(corner + 1) for corner in range(corners))
    path.write_text(f"v 0 0 0\nv .1 0 0\nv .1 .1 0\nv 0 .1 0\nf {face}\n")
    for read, source in ((read_classes, tmp_path), (open_models, tmp_path), (open_object, path)):
        with pytest.raises(MeshError, match=r"c\.obj: is flat"):
            read(source)


def test_a_bop_folder_can_be_rendered(tmp_path: Path) -> None:
    """Millimetres, names and symmetries are those that models_info.json states by number."""
    for number in (4, 10):
        box(100 if number == 4 else 1000).export(tmp_path / f"obj_{number:06d}.ply")
    turn = np.diag([-1.0, -1.0, 1.0, 1.0]).ravel().tolist()
    info = {
        "4": {"name": "nut"},
        "10": {"symmetries_discrete": [turn]},
        "11": {"articulated": True},
    }
    (tmp_path / "models_info.json").write_text(json.dumps(info))
    classes, notes = read_classes(tmp_path)
    assert [entry.name for entry in classes] == ["nut", "obj_000010"]
    assert notes[0] == "nut: 12 x 8.0 x 6.0 mm (unit mm, of its format)"
    assert [len(entry.symmetry.discrete) for entry in classes] == [0, 1]


def test_folder_gives_sorted_classes_with_their_symmetries(tmp_path: Path) -> None:
    for name in ("b_cup", "a_box"):
        write_obj(tmp_path / name / "o.obj", "newmtl a\nKd 1 0 0\n")
    (tmp_path / "symmetries.json").write_text(
        '{"b_cup": {"symmetries_continuous": [{"axis": [0, 0, 1], "offset": [10, 0, 0]}]}}'
    )
    classes, _ = read_classes(tmp_path)
    assert [(entry.class_id, entry.name) for entry in classes] == [(1, "a_box"), (2, "b_cup")]
    assert classes[0].symmetry.axis is None
    assert classes[1].symmetry.axis == (0, 0, 1)
    assert classes[1].symmetry.offset == (0.01, 0, 0), "the file is in millimetres"


@pytest.mark.parametrize("exists", [True, False])
def test_empty_folder_is_refused(tmp_path: Path, exists: bool) -> None:
    with pytest.raises(MeshError, match="sub-folder or one mesh per object"):
        read_classes(tmp_path if exists else tmp_path / "nowhere")


def test_real_meshes_of_both_kinds(shared_dir: Path) -> None:
    lmo = shared_dir / "data/lmo/models"
    classes, notes = read_classes(lmo)
    assert notes[0] == "obj_000001: 76 x 78 x 92 mm (unit mm, of its format)"
    models = open_models(lmo)
    for entry, model in zip(classes, models.values(), strict=True):
        assert entry.name == model.name
        colors = model.surface(300).colors
        assert colors is not None
        assert entry.mesh.colors is not None
        mean = entry.mesh.colors.mean(axis=(0, 1)) / 255
        np.testing.assert_allclose(colors.mean(axis=0), mean, atol=0.1)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (["part/cup.step"], "part: expected one mesh .*found 'cup.step': convert it to one of"),
        (["part/CUP.DAE"], "found 'CUP.DAE': convert it"),
        (
            ["part/meshes/cup.stl"],
            r"part: expected one mesh .*found \['meshes'\]: put the mesh there",
        ),
        (["part/.keep"], "part: expected one mesh .*found nothing: put the mesh there"),
        (["cup.gltf"], "one sub-folder or one mesh per object .*found 'cup.gltf': convert it"),
        (["notes.txt"], r"found \['notes.txt'\]: put the mesh there"),
    ],
)
def test_a_folder_without_a_mesh_says_what_it_holds(
    files: list[str], complaint: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(MeshError, match=complaint):
        find_objects(tmp_path)


def test_hidden_folders_are_no_objects(tmp_path: Path) -> None:
    for name in ("cup", ".git", "__MACOSX"):
        write_obj(tmp_path / name / "a.obj")
    assert [item.name for item in find_objects(tmp_path)] == ["cup"]
