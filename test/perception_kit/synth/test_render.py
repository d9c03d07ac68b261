# SPDX-License-Identifier: Apache-2.0
"""The renderer against geometry that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_kit.geometry import look_at, pose_matrix, project
from perception_kit.synth import shapes
from perception_kit.synth.lighting import Lighting, shade, shadow_scene
from perception_kit.synth.render import Item, render
from perception_kit.synth.surface import Surface
from perception_kit.types import Intrinsics

CAMERA = Intrinsics(200.0, 200.0, 79.5, 59.5, 160, 120)
PLAIN = np.full((8, 8, 3), 200, np.uint8)
CUBE = Surface([shapes.box((0.2, 0.2, 0.2), PLAIN)])


def at(x: float, y: float, z: float) -> np.ndarray:
    return pose_matrix(np.eye(3), np.array([x, y, z]))


def test_depth_is_z_depth_of_the_front_face() -> None:
    rendering = render([Item(CUBE, at(0, 0, 1.1), 1)], np.eye(4), CAMERA)
    np.testing.assert_allclose(rendering.depth[rendering.labels == 1], 1.0, atol=1e-5)
    assert np.isinf(rendering.depth[0, 0])
    np.testing.assert_allclose(rendering.normals[:, 60, 80], [0, 0, -1], atol=1e-6)
    rows, columns = np.nonzero(rendering.labels)
    height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    assert (height, width) == (40, 40), "0.2 m at 1 m with a focal length of 200 pixels"


@settings(max_examples=20)
@given(
    yaw=st.floats(-3, 3), x=st.floats(-0.2, 0.2), z=st.floats(0.6, 2.0), eye_x=st.floats(-0.5, 0.5)
)
def test_silhouette_is_inside_the_projected_corners(
    yaw: float, x: float, z: float, eye_x: float
) -> None:
    rotation = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    pose = pose_matrix(rotation, np.array([x, z, 0.0]))
    camera = look_at(np.array([eye_x, -0.5, 0.4]), pose[:3, 3])
    rendering = render([Item(CUBE, pose, 1)], camera, CAMERA)

    corners = CUBE.box_corners @ pose[:3, :3].T + pose[:3, 3]
    local = (corners - camera[:3, 3]) @ camera[:3, :3]
    pixels = project(local, CAMERA)
    rows, columns = np.nonzero(rendering.labels)
    assert abs(columns.min() - max(pixels[:, 0].min(), 0)) < 1.5
    assert abs(columns.max() - min(pixels[:, 0].max(), 159)) < 1.5
    assert abs(rows.min() - max(pixels[:, 1].min(), 0)) < 1.5
    assert abs(rows.max() - min(pixels[:, 1].max(), 119)) < 1.5


@pytest.mark.parametrize(
    ("center", "width", "expected"),
    [(0.0, 0.3, 0.0), (-0.08, 0.16, 0.5), (-0.2, 0.08, 1.0)],
    ids=["hidden", "half", "free"],
)
def test_visible_fraction_of_an_occluded_object(
    center: float, width: float, expected: float
) -> None:
    before = Item(Surface([shapes.box((width, 0.4, 0.01), PLAIN)]), at(center, 0, 0.8), 2)
    behind = Item(Surface([shapes.box((0.16, 0.16, 0.01), PLAIN)]), at(0, 0, 1.0), 1)
    rendering = render([behind, before], np.eye(4), CAMERA)
    assert rendering.visible_fraction(1) == pytest.approx(expected, abs=0.03)
    assert rendering.visible_fraction(2) == 1.0


def test_visible_fraction_counts_what_the_image_cuts_off() -> None:
    edge = (160 - CAMERA.cx) / 200 * 1.0
    rendering = render([Item(CUBE, at(edge, 0, 1.1), 1)], np.eye(4), CAMERA)
    shown, whole = np.count_nonzero(rendering.labels), rendering.silhouette_pixels[1]
    assert rendering.visible_fraction(1) == pytest.approx(shown / whole)
    assert 0.45 < rendering.visible_fraction(1) < 0.6


def test_order_of_items_does_not_matter() -> None:
    items = [
        Item(CUBE, at(0, 0, 1.1), 1),
        Item(CUBE, at(0.05, 0, 1.6), 2),
        Item(CUBE, at(-0.1, 0.05, 2.0)),
    ]
    forwards, backwards = (render(order, np.eye(4), CAMERA) for order in (items, items[::-1]))
    np.testing.assert_array_equal(forwards.depth, backwards.depth)
    np.testing.assert_array_equal(forwards.labels, backwards.labels)
    assert forwards.silhouette_pixels == backwards.silhouette_pixels


def test_texture_is_upright() -> None:
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :32] = (255, 0, 0)
    wall = Surface([shapes.quad([-1, 0, -1], [2, 0, 0], [0, 0, 2], texture)])
    camera = look_at(np.array([0.0, -2.0, 0.0]), np.zeros(3))
    albedo = render([Item(wall, np.eye(4), backdrop=True)], camera, CAMERA).albedo
    assert albedo[30, 40, 0] > 200, "the texture's top left is seen at the top left"
    assert albedo[30, 120, 0] == albedo[90, 40, 0] == 0


def test_shadow_falls_on_the_far_side_of_the_lamp() -> None:
    floor = Item(Surface([shapes.quad([-2, -2, 0], [4, 0, 0], [0, 4, 0], PLAIN)]), np.eye(4))
    block = Item(CUBE, at(0, 0, 0.1), 1)
    camera = look_at(np.array([0.0, -0.2, 2.0]), np.zeros(3))
    lighting = Lighting(np.array([2.0, 0.0, 1.0]), np.ones(3), np.zeros(3), lamp_radius=0.01)

    rendering = render([floor, block], camera, CAMERA)
    casters, rng = [shadow_scene([block])], np.random.default_rng(0)
    radiance = shade(rendering, lighting, casters, camera, CAMERA, rng)
    assert radiance[0, 60, 60] < 0.2 * radiance[0, 60, 105]
