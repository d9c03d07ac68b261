# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.spatial.transform import Rotation

from perception_kit import geometry
from perception_kit.types import Instance, Intrinsics

CAMERA = Intrinsics(fx=600.0, fy=610.0, cx=31.5, cy=23.5, width=64, height=48)
coordinates = st.floats(-2.0, 2.0)
quaternions = npst.arrays(float, 4, elements=st.floats(-1.0, 1.0)).filter(
    lambda q: np.linalg.norm(q) > 1e-2
)


@given(quaternions)
def test_quaternion_to_matrix_agrees_with_scipy(wxyz: np.ndarray) -> None:
    expected = Rotation.from_quat(np.roll(wxyz, -1)).as_matrix()
    np.testing.assert_allclose(geometry.quaternion_to_matrix(wxyz), expected, atol=1e-12)


@given(quaternions, npst.arrays(float, 3, elements=coordinates))
def test_inverse_undoes_a_pose(wxyz: np.ndarray, translation: np.ndarray) -> None:
    pose = geometry.pose_matrix(geometry.quaternion_to_matrix(wxyz), translation)
    np.testing.assert_allclose(geometry.invert_pose(pose) @ pose, np.eye(4), atol=1e-12)


@given(
    npst.arrays(np.float32, (CAMERA.height, CAMERA.width), elements=st.floats(0.25, 8.0, width=32))
)
def test_projection_undoes_back_projection(depth: np.ndarray) -> None:
    points = geometry.back_project(depth, CAMERA).reshape(-1, 3)
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    np.testing.assert_allclose(
        geometry.project(points, CAMERA), np.stack([u.ravel(), v.ravel()], axis=1), atol=1e-3
    )


def test_invalid_depth_gives_the_origin() -> None:
    depth = np.array([[0.0, np.nan, np.inf, 1.0]], np.float32)
    points = geometry.back_project(depth, CAMERA)
    assert np.all(points[0, :3] == 0)
    assert points[0, 3, 2] == 1.0


def test_points_behind_the_camera_do_not_project() -> None:
    assert np.isnan(geometry.project(np.array([[0.1, 0.1, -1.0], [0.0, 0.0, 0.0]]), CAMERA)).all()


def test_look_at_puts_the_target_on_the_optical_axis() -> None:
    eye, target = np.array([1.0, -2.0, 1.5]), np.array([0.2, 0.3, 0.7])
    seen = geometry.invert_pose(geometry.look_at(eye, target)) @ np.append(target, 1.0)
    np.testing.assert_allclose(seen[:3], [0, 0, np.linalg.norm(target - eye)], atol=1e-12)


def test_look_at_along_up_is_refused() -> None:
    with pytest.raises(ValueError, match="in line with up"):
        geometry.look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3))


def test_a_focal_length_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fx=0\.0.*CameraInfo"):
        Intrinsics(0.0, 600.0, 320.0, 240.0, 640, 480)


def test_a_principal_point_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        Intrinsics(600.0, 600.0, np.nan, 240.0, 640, 480)


@pytest.mark.parametrize("origin", [(-1, 0), (0, 8), (500, 500)])
def test_a_mask_that_reaches_out_of_the_image_is_refused(origin: tuple[int, int]) -> None:
    instance = Instance(1, "mug", 1.0, np.zeros(4, np.float32), np.ones((3, 2), bool), origin)
    with pytest.raises(
        ValueError, match=r"a mask of 2x3 pixels at .* reaches out of the image of 20x10"
    ):
        instance.full_mask(10, 20)
