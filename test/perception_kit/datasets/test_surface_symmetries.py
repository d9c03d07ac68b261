# SPDX-License-Identifier: Apache-2.0
"""Symmetries of meshes with known ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted_box import box_model
from scipy.spatial.transform import Rotation

from perception_kit.datasets.mesh_colors import CornerColors
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.surface_symmetries import surface_symmetries

GREY = 128


def one_color(vertices: np.ndarray, faces: np.ndarray) -> ObjectModel:
    """A grey body."""
    colors = CornerColors(np.full((len(faces), 3, 3), GREY, np.uint8))
    return ObjectModel.from_mesh(1, "body", vertices, faces, {}, colors)


def box(*sides: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles about the origin."""
    vertices, faces = box_model().mesh()
    return vertices / np.ptp(vertices, axis=0) * sides, faces


def cylinder(radius: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of a closed cylinder about z."""
    angles = 2 * np.pi * np.arange(64) / 64
    ring = radius * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    up = np.array([0, 0, height / 2])
    vertices = np.concatenate([ring - up, ring + up, [-up, up]])
    faces = []
    for a in range(64):
        b = (a + 1) % 64
        faces += [(a, b, a + 64), (b, b + 64, a + 64), (b, a, 128), (a + 64, b + 64, 129)]
    return vertices, np.array(faces)


def test_paint_tells_the_turns_of_a_box_apart() -> None:
    assert surface_symmetries(box_model()) == {}


@pytest.mark.parametrize(
    ("sides", "turns"), [((0.16, 0.10, 0.06), 3), ((0.1, 0.1, 0.06), 7), ((0.1, 0.1, 0.1), 23)]
)
def test_a_box_of_one_color_has_the_turns_of_its_shape(
    sides: tuple[float, float, float], turns: int
) -> None:
    entry = surface_symmetries(one_color(*box(*sides)))
    assert set(entry) == {"symmetries_discrete"}
    assert len(entry["symmetries_discrete"]) == turns


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1 << 30))
def test_turns_are_found_wherever_the_model_lies(seed: int) -> None:
    vertices, faces = box(0.16, 0.10, 0.06)
    rotation = Rotation.random(random_state=seed).as_matrix()
    moved = vertices @ rotation.T + np.random.default_rng(seed).uniform(-1, 1, 3)
    model = one_color(moved, faces)
    symmetric = replace(model, symmetry=surface_symmetries(model))

    assert len(symmetric.symmetries) == 4
    for transform in symmetric.symmetries:
        turned = moved @ transform[:3, :3].T + transform[:3, 3]
        distance = np.linalg.norm(turned[:, None] - moved, axis=2).min(axis=1)
        assert distance.max() < 0.02 * model.diameter


def test_a_cylinder_turns_by_any_angle_and_flips() -> None:
    model = one_color(*cylinder(0.04, 0.1))
    entry = surface_symmetries(model)
    ((axis,), (flip,)) = entry["symmetries_continuous"], entry["symmetries_discrete"]
    assert np.abs(axis["axis"]) == pytest.approx([0, 0, 1], abs=0.02)
    assert np.reshape(flip, (4, 4))[2, 2] == pytest.approx(-1, abs=0.01)


def test_a_handle_ends_the_symmetry() -> None:
    vertices, faces = cylinder(0.04, 0.1)
    handle, more = box(0.03, 0.01, 0.06)
    model = one_color(
        np.concatenate([vertices, handle + np.array([0.055, 0, 0.01])]),
        np.concatenate([faces, more + len(vertices)]),
    )
    assert surface_symmetries(model) == {}


def test_without_colors_the_shape_alone_tells() -> None:
    bare = ObjectModel.from_mesh(1, "body", *cylinder(0.04, 0.1), {})
    assert surface_symmetries(bare) == surface_symmetries(one_color(*cylinder(0.04, 0.1)))
    assert "symmetries_continuous" in surface_symmetries(bare)
