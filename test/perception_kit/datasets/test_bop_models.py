# SPDX-License-Identifier: Apache-2.0
"""Models of BOP folders: units, sizes, and what is said about broken ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import trimesh
from dataset_layouts import rewrite_json, write_models, write_scene

from perception_kit.datasets.bop import BopDataset
from perception_kit.datasets.bop_models import read_models
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh_units import METERS, MeshUnit
from perception_kit.datasets.opener import open_dataset, open_models


def test_models_are_in_meters_and_ascend_by_class(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    models = read_models(tmp_path / "models")
    assert list(models) == [4, 9]
    wedge, person = models.values()
    assert (wedge.name, person.name, person.articulated) == ("wedge", "person", True)
    assert wedge.diameter == pytest.approx(0.117)
    np.testing.assert_allclose(wedge.size, [0.1, 0.06, 0.04], rtol=1e-6)
    points = wedge.points(500)
    assert points.shape == (500, 3)
    assert points.dtype == np.float32
    assert points.min() >= -1e-9
    assert np.all(points @ [1 / 0.1, 1 / 0.06, 1 / 0.04] <= 1 + 1e-5)
    np.testing.assert_array_equal(points, wedge.points(500))
    with pytest.raises(DatasetError, match=r"'person'.*articulated"):
        person.points(10)


def test_mesh_in_meters_is_refused(tmp_path: Path) -> None:
    write_models(tmp_path / "models", scale=0.001)
    with pytest.raises(
        DatasetError, match=r"models_info file says 100.0 x 60.0 x 40.0 mm.*millimetres"
    ):
        read_models(tmp_path / "models")[4].points(10)


def test_a_flat_mesh_is_refused(tmp_path: Path) -> None:
    write_models(tmp_path)
    path = tmp_path / "obj_000004.ply"
    path.write_text(path.read_text().replace("0.0 0.0 40.0", "40.0 40.0 0.0"))
    with pytest.raises(DatasetError, match=r"obj_000004\.ply: is flat"):
        read_models(tmp_path)[4].mesh()


SPOILT_MODELS = {
    "a list": (lambda models: [models], "models_info.json' holds list"),
    "an object without number": (lambda models: {"mug": models["4"]}, "one of them has none"),
    "an object without extents": (lambda models: {"4": 3}, "holds 3 for object 4"),
    "two of one name": (
        lambda models: models["9"].update(name="wedge"),
        "several objects the same name",
    ),
    "a diameter in metres": (
        lambda models: models["4"].update(diameter=0.117),
        "diameter 0.117 mm and the size 100.0 x 60.0 x 40.0 mm",
    ),
    "everything in metres": (
        lambda models: models["4"].update(diameter=0.117, size_x=0.1, size_y=0.06, size_z=0.04),
        "all lengths of this layout, those of the meshes too, are in millimetres",
    ),
    "no diameter": (lambda models: models["4"].update(diameter=None), "'diameter' is None"),
    "a symmetry of three numbers": (
        lambda models: models["4"].update(symmetries_discrete=[[1, 0, 0]]),
        "object 4 ('wedge') cannot be read",
    ),
    "a symmetry that squeezes": (
        lambda models: models["4"].update(symmetries_discrete=[[0] * 16]),
        "is no rigid motion",
    ),
    "a symmetry without axis": (
        lambda models: models["4"].update(symmetries_continuous=[{"offset": [0, 0, 0]}]),
        "'axis'",
    ),
    "an axis of length 0": (
        lambda models: models["4"].update(
            symmetries_continuous=[{"axis": [0, 0, 0], "offset": [0, 0, 0]}]
        ),
        "names no axis",
    ),
}


@pytest.mark.parametrize("fault", SPOILT_MODELS)
def test_spoilt_models_are_named(fault: str, tmp_path: Path) -> None:
    change, message = SPOILT_MODELS[fault]
    write_models(tmp_path / "models")
    rewrite_json(tmp_path / "models" / "models_info.json", change)
    with pytest.raises(DatasetError, match=re.escape(message)):
        read_models(tmp_path / "models")


def test_missing_mesh_is_named(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    (tmp_path / "models" / "obj_000004.ply").unlink()
    with pytest.raises(DatasetError, match=r"lists object 4, but .*obj_000004.ply"):
        read_models(tmp_path / "models")


def test_models_of_another_format(tmp_path: Path) -> None:
    write_scene(tmp_path)
    mesh = tmp_path / "models" / "obj_000004.ply"
    trimesh.load_mesh(mesh).export(mesh.with_suffix(".stl"))
    mesh.unlink()
    model = BopDataset(tmp_path).models[4]
    assert model.name == "wedge"
    np.testing.assert_allclose(np.ptp(model.mesh()[0], axis=0), [0.1, 0.06, 0.04], rtol=1e-5)
    assert open_models(tmp_path / "models")[4].name == "wedge"


def test_models_without_info_are_measured_in_millimetres(tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    (tmp_path / "models" / "models_info.json").unlink()
    rewrite_json(scene / "scene_gt.json", lambda frames: frames["7"][1].update(obj_id=4))
    dataset = BopDataset(tmp_path)
    (model,) = dataset.models.values()
    assert (model.class_id, model.name) == (4, "obj_000004")
    np.testing.assert_allclose(model.size, [0.1, 0.06, 0.04], rtol=1e-5)
    assert any("not symmetric" in note for note in model.notes)
    assert len(dataset[0].instances) == 2


@pytest.mark.parametrize("unit", ["cm", "mm"])
def test_meshes_in_a_told_unit(unit: MeshUnit, tmp_path: Path) -> None:
    write_scene(tmp_path)
    write_models(tmp_path / "models", scale=0.001 / METERS[unit])
    model = open_dataset(tmp_path, mesh_unit=unit).models[4]
    np.testing.assert_allclose(np.ptp(model.mesh()[0], axis=0), [0.1, 0.06, 0.04], rtol=1e-5)
