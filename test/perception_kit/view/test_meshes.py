# SPDX-License-Identifier: Apache-2.0
"""Shapes come from meshes where there are some, else from the pose model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mesh_files import box

from perception_kit.datasets.files import DatasetError
from perception_kit.networks.model_file import read_model
from perception_kit.resources import package_folder
from perception_kit.view.meshes import Shape, flat_shaded, load_shapes

DEMO = package_folder() / "models" / "demo" / "pose.safetensors"


def test_hulls_of_the_pose_model_enclose_its_points_and_look_outward() -> None:
    tensors, metadata = read_model(DEMO, "pose")
    shapes = load_shapes(None, DEMO)
    assert list(shapes) == metadata["class_names"]
    for k, shape in enumerate(shapes.values()):
        points = tensors["model_points"][k].numpy()
        vertices, faces, normals = flat_shaded(shape)
        middle = points.mean(axis=0)
        assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
        assert (((vertices - middle) * normals).sum(axis=1) > 0).all()
        assert np.allclose(np.ptp(vertices, axis=0), np.ptp(points, axis=0))
        assert faces.max() == len(vertices) - 1


def test_meshes_of_a_bop_folder(tmp_path: Path) -> None:
    vertices = [[0, 0, 0], [100, 0, 0], [0, 200, 0], [0, 0, 300]]
    lines = ["ply", "format ascii 1.0", "element vertex 4"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += ["element face 4", "property list uchar int vertex_indices", "end_header"]
    lines += [" ".join(map(str, vertex)) for vertex in vertices]
    lines += ["3 0 2 1", "3 0 1 3", "3 0 3 2", "3 1 2 3"]
    (tmp_path / "obj_000001.ply").write_text("\n".join(lines) + "\n")
    entry = '{"1": {"name": "wedge", "diameter": 374, "size_x": 100, "size_y": 200, "size_z": 300}}'
    (tmp_path / "models_info.json").write_text(entry)
    shape = load_shapes(tmp_path, DEMO)["wedge"]
    assert shape.vertices.max() == pytest.approx(0.3)
    assert shape.faces.tolist() == [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]


def test_a_folder_without_models_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="one sub-folder per class"):
        load_shapes(tmp_path, None)


def test_meshes_of_a_folder_in_their_unit(tmp_path: Path) -> None:
    box(100).export(tmp_path / "part.stl")
    with pytest.raises(DatasetError, match=r"part\.stl.*--mesh-unit"):
        load_shapes(tmp_path, None)
    shape = load_shapes(tmp_path, None, "cm")["part"]
    assert np.ptp(shape.vertices, axis=0) == pytest.approx([0.12, 0.08, 0.06])


def test_normals_of_one_triangle() -> None:
    shape = Shape(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    vertices, faces, normals = flat_shaded(shape)
    assert (vertices.shape, faces.tolist()) == ((3, 3), [[0, 1, 2]])
    assert np.allclose(normals, [0, 0, 1])
