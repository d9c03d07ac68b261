# SPDX-License-Identifier: Apache-2.0
"""Where the points of pose errors come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from perception_kit.datasets.files import DatasetError
from perception_kit.evaluation.object_points import load_point_models
from perception_kit.networks.model_file import save_model
from perception_kit.networks.model_metadata import ModelFileError


def write_bop_models(folder: Path, name: str) -> None:
    """One tetrahedron with edges of 100 mm along the axes, and a person."""
    folder.mkdir(parents=True)
    entry = {
        "name": name,
        "diameter": 141.4,
        "size_x": 100,
        "size_y": 100,
        "size_z": 100,
        "symmetries_discrete": [np.eye(4).ravel().tolist()],
    }
    (folder / "models_info.json").write_text(
        json.dumps({"1": entry, "2": {"name": "person", "articulated": True}})
    )
    vertices, faces = (
        ["0 0 0", "100 0 0", "0 100 0", "0 0 100"],
        ["3 0 2 1", "3 0 1 3", "3 0 3 2", "3 1 2 3"],
    )
    properties = [
        "element vertex 4",
        *(f"property float {axis}" for axis in "xyz"),
        "element face 4",
        "property list uchar int vertex_indices",
    ]
    lines = ["ply", "format ascii 1.0", *properties, "end_header", *vertices, *faces]
    (folder / "obj_000001.ply").write_text("\n".join(lines) + "\n")


@pytest.fixture
def pose_model(tmp_path: Path) -> Path:
    """A pose model file of one symmetric object."""
    path = tmp_path / "pose.safetensors"
    metadata = {
        "class_names": ["bowl"],
        "diameters": [0.2],
        "symmetries": [[np.eye(4).tolist()] * 3],
    }
    save_model(path, "pose", {"model_points": torch.ones(1, 5, 3)}, metadata)
    return path


def test_folder_that_is_given_comes_first(tmp_path: Path, pose_model: Path) -> None:
    write_bop_models(tmp_path / "given", "given")
    write_bop_models(tmp_path / "bag" / "models", "recorded")
    models = load_point_models(tmp_path / "given", tmp_path / "bag", pose_model)
    assert list(models) == ["given"]
    assert models["given"].points.shape == (1000, 3)
    assert models["given"].points.max() <= 0.1 + 1e-6
    assert models["given"].diameter == pytest.approx(0.1414)


def test_models_of_the_bag_come_before_those_of_the_pose_model(
    tmp_path: Path, pose_model: Path
) -> None:
    write_bop_models(tmp_path / "bag" / "models", "recorded")
    assert list(load_point_models(None, tmp_path / "bag", pose_model)) == ["recorded"]


def test_points_of_the_pose_model(tmp_path: Path, pose_model: Path) -> None:
    [(name, model)] = load_point_models(None, tmp_path / "bag", pose_model).items()
    assert (name, model.diameter, model.symmetric) == ("bowl", 0.2, True)
    assert model.points.shape == (5, 3)


def test_what_cannot_be_read_is_named(tmp_path: Path, pose_model: Path) -> None:
    with pytest.raises(DatasetError, match="one sub-folder per class"):
        load_point_models(tmp_path, tmp_path / "bag", pose_model)
    with pytest.raises(ModelFileError, match="does not exist"):
        load_point_models(None, tmp_path / "bag", tmp_path / "nothing.safetensors")
