# SPDX-License-Identifier: Apache-2.0
"""The built-in objects, and the table of YCB-Video symmetries against the meshes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open3d as o3d
import pytest
from scipy.spatial.transform import Rotation

from perception_kit.datasets.ycb_symmetries import YCB_SYMMETRIES
from perception_kit.geometry import look_at
from perception_kit.synth.catalog import ObjectClass, read_classes
from perception_kit.synth.objects import builtin_classes
from perception_kit.synth.render import Item, render
from perception_kit.types import Intrinsics

CLASSES = builtin_classes()
CAMERA = Intrinsics(200.0, 200.0, 63.5, 63.5, 128, 128)


def picture(object_class: ObjectClass, rotation: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = rotation
    return render(
        [Item(object_class.surface, pose, 1)],
        look_at(np.array([0.4, -0.1, 0.22]), np.zeros(3)),
        CAMERA,
    ).albedo.astype(int)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference of 8-bit colours over the pixels where either picture shows the object."""
    shown = (first > 0).any(axis=2) | (second > 0).any(axis=2)
    return float(np.abs(first - second)[shown].mean())


@pytest.mark.parametrize("object_class", CLASSES, ids=lambda object_class: object_class.name)
def test_size_and_origin(object_class: ObjectClass) -> None:
    assert 0.08 <= object_class.diameter <= 0.3
    np.testing.assert_allclose(
        object_class.mesh.vertices.max(axis=0) + object_class.mesh.vertices.min(axis=0),
        0,
        atol=1e-6,
    )
    assert object_class.mesh.uv.min() >= 0
    assert object_class.mesh.uv.max() <= 1


@pytest.mark.parametrize("object_class", CLASSES, ids=lambda object_class: object_class.name)
def test_only_symmetric_classes_look_the_same_from_all_around(object_class: ObjectClass) -> None:
    here = picture(object_class, np.eye(3))
    for degrees in (90, 180, 270):
        there = picture(object_class, Rotation.from_euler("z", degrees, degrees=True).as_matrix())
        if object_class.symmetry.axis is not None:
            assert difference(here, there) < 5, f"turned by {degrees} degrees"
        else:
            assert difference(here, there) > 20, f"turned by {degrees} degrees"


@pytest.mark.parametrize("object_class", CLASSES, ids=lambda object_class: object_class.name)
def test_upside_down_is_told_apart(object_class: ObjectClass) -> None:
    assert (
        difference(
            picture(object_class, np.eye(3)), picture(object_class, np.diag([1.0, -1.0, -1.0]))
        )
        > 12
    )


def test_two_classes_are_symmetric() -> None:
    assert [
        object_class.name for object_class in CLASSES if object_class.symmetry.axis is not None
    ] == [
        "soup_can",
        "bowl",
    ]


def test_ycb_symmetries_map_the_meshes_onto_themselves(shared_dir: Path) -> None:
    classes, _ = read_classes(shared_dir / "data/pose_ycbv/models")
    symmetric = {
        object_class.name: object_class
        for object_class in classes
        if object_class.symmetry.axis is not None or object_class.symmetry.discrete
    }
    assert set(symmetric) == set(YCB_SYMMETRIES)
    for name, object_class in symmetric.items():
        points = object_class.mesh.vertices
        scene = o3d.t.geometry.RaycastingScene()
        scene.add_triangles(points, object_class.mesh.faces.astype(np.uint32))
        if object_class.symmetry.axis is None:
            motion = object_class.symmetry.discrete[0]
        else:
            axis = np.array(object_class.symmetry.axis) / np.linalg.norm(object_class.symmetry.axis)
            motion = np.eye(4)
            motion[:3, :3] = Rotation.from_rotvec(1.3 * axis).as_matrix()
            motion[:3, 3] = (
                object_class.symmetry.offset - motion[:3, :3] @ object_class.symmetry.offset
            )
        moved = (points @ motion[:3, :3].T + motion[:3, 3]).astype(np.float32)
        distance = scene.compute_distance(o3d.core.Tensor.from_numpy(moved)).numpy()
        assert distance.mean() < 0.0012, name
        assert np.quantile(distance, 0.95) < 0.004, name
