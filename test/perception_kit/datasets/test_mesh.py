# SPDX-License-Identifier: Apache-2.0
"""Meshes: the OBJ reader and what it refuses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_kit.datasets.mesh import MeshError, read_obj, scale_to_meters
from perception_kit.synth import shapes
from perception_kit.synth.catalog import read_classes

SQUARE = "mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"


def write_object(folder: Path, text: str, texture: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "m.mtl").write_text("newmtl a\nmap_Kd t.png\n")
    if texture:
        cv2.imwrite(str(folder / "t.png"), np.full((4, 6, 3), (10, 20, 30), np.uint8))
    path = folder / "o.obj"
    path.write_text(text)
    return path


def test_reads_polygons_as_triangle_fans(tmp_path: Path) -> None:
    mesh = read_obj(write_object(tmp_path, SQUARE + "f 1/1 2/2 3/3 4/4\n"))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.uv[1].tolist() == [[0, 0], [1, 1], [0, 1]]
    assert mesh.texture.shape == (4, 6, 3)
    assert mesh.texture[0, 0].tolist() == [30, 20, 10], "sRGB order, not OpenCV's"


def test_negative_indices_count_from_the_end(tmp_path: Path) -> None:
    mesh = read_obj(write_object(tmp_path, SQUARE + "f -4/-4 -3/-3 -2/-2\n"))
    assert mesh.faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (SQUARE + "f 1/1 2/2 9/3\n", "not in the file"),
        (SQUARE + "f 1 2 3\n", "without texture coordinates"),
        (SQUARE + "v 1 x 0\n", "o.obj:10"),
        (SQUARE, "0 faces"),
        (SQUARE.replace("mtllib m.mtl\n", "") + "f 1/1 2/2 3/3\n", "no material library"),
        (SQUARE.replace("v 0 0 0", "v nan 0 0") + "f 1/1 2/2 3/3\n", "not finite"),
    ],
    ids=["truncated", "no_uv", "garbled_number", "no_faces", "no_material", "nan"],
)
def test_corrupt_mesh_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = write_object(tmp_path, text)
    with pytest.raises(MeshError, match=complaint) as caught:
        read_obj(path)
    assert str(path) in str(caught.value)


def test_missing_texture_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match=r"t\.png"):
        read_obj(write_object(tmp_path, SQUARE + "f 1/1 2/2 3/3\n", texture=False))


def test_millimeters_are_recognized() -> None:
    texture = np.zeros((2, 2, 3), np.uint8)
    meters, converted = scale_to_meters(shapes.box((0.1, 0.2, 0.3), texture))
    assert not converted
    millimeters, converted = scale_to_meters(shapes.box((100.0, 200.0, 300.0), texture))
    assert converted
    np.testing.assert_allclose(millimeters.vertices, meters.vertices, atol=1e-6)


def test_folder_gives_sorted_classes_with_their_symmetries(tmp_path: Path) -> None:
    solid = SQUARE + "v 0 0 1\nf 1/1 2/2 3/3\nf 1/1 2/2 5/3\nf 2/1 3/2 5/3\nf 3/1 1/2 5/3\n"
    for name in ("b_cup", "a_box"):
        write_object(tmp_path / name, solid)
    (tmp_path / "symmetries.json").write_text(
        '{"b_cup": {"symmetries_continuous": [{"axis": [0, 0, 1], "offset": [10, 0, 0]}]}}'
    )
    classes, notes = read_classes(tmp_path)
    assert [(entry.class_id, entry.name) for entry in classes] == [(1, "a_box"), (2, "b_cup")]
    assert classes[0].symmetry.axis is None
    assert classes[1].symmetry.axis == (0, 0, 1)
    assert classes[1].symmetry.offset == (0.01, 0, 0), "the file is in millimetres"
    assert notes == []


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="sub-folder per object"):
        read_classes(tmp_path)
