# SPDX-License-Identifier: Apache-2.0
"""Depth and silhouette of a box at known poses."""

from __future__ import annotations

import numpy as np
import open3d as o3d
import pytest

from perception_kit.datasets.depth_renderer import DepthRenderer
from perception_kit.types import Intrinsics

CAMERA = Intrinsics(100.0, 100.0, 49.5, 39.5, 100, 80)


@pytest.fixture(scope="module")
def cube() -> DepthRenderer:
    mesh = o3d.geometry.TriangleMesh.create_box(0.2, 0.2, 0.2).translate((-0.1, -0.1, -0.1))
    return DepthRenderer(np.asarray(mesh.vertices), np.asarray(mesh.triangles))


def test_front_face_is_where_it_is_projected(cube: DepthRenderer) -> None:
    depth, silhouette = cube.render(np.eye(3), np.array([0.0, 0, 1.1]), CAMERA)
    assert depth.shape == (80, 100)
    rows, columns = np.nonzero(depth)
    # 0.2 m at 1 m are 20 pixels.
    assert (rows.min(), rows.max()) == (30, 49)
    assert (columns.min(), columns.max()) == (40, 59)
    np.testing.assert_allclose(depth[depth > 0], 1.0, rtol=1e-5)
    assert silhouette == 400


def test_silhouette_goes_on_beyond_the_border(cube: DepthRenderer) -> None:
    depth, silhouette = cube.render(np.eye(3), np.array([0.5, 0, 1.1]), CAMERA)
    assert np.count_nonzero(depth) < silhouette
    assert np.count_nonzero(depth[:, -1]) > 0


@pytest.mark.parametrize("translation", [(0, 0, -1), (30, 0, 1)])
def test_nothing_is_seen_behind_or_beside_the_camera(
    cube: DepthRenderer, translation: tuple[float, float, float]
) -> None:
    depth, silhouette = cube.render(np.eye(3), np.array(translation, float), CAMERA)
    assert not depth.any()
    assert silhouette == 0


def test_points_alone_cannot_be_rendered() -> None:
    with pytest.raises(ValueError, match="5 points without triangles"):
        DepthRenderer(np.zeros((5, 3)), np.zeros((0, 3), int))
