# SPDX-License-Identifier: Apache-2.0
"""The camera of a picture that is a part of the sensor, binned or rectified."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from perception_kit.geometry import project
from perception_kit.ros.image import ImageError
from perception_kit.ros.image_warnings import image_warnings
from perception_kit.ros.intrinsics import distortion_warning, picture_intrinsics, uses_projection
from perception_kit.types import Intrinsics

FULL = Intrinsics(600.0, 610.0, 320.5, 240.5, 640, 480)
D = [-0.12, 0.13, 0.0, 0.0, 0.0]


def camera_info(**change: Any) -> CameraInfo:
    """Of a sensor of 640x480."""
    return CameraInfo(**({"width": 640, "height": 480, "k": k_of(FULL)} | change))


def k_of(camera: Intrinsics) -> list[float]:
    return [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]


def p_of(camera: Intrinsics) -> list[float]:
    return [camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0]


def picture(width: int = 640, height: int = 480) -> Image:
    return Image(width=width, height=height)


def region(x: int, y: int, width: int, height: int) -> RegionOfInterest:
    return RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)


def test_the_whole_sensor() -> None:
    assert picture_intrinsics(camera_info(), picture()) == FULL


@pytest.mark.parametrize("stated", [(640, 480), (560, 420)], ids=["REP 104", "size of the region"])
def test_a_region_of_interest_moves_the_principal_point(stated: tuple[int, int]) -> None:
    info = camera_info(width=stated[0], height=stated[1], roi=region(40, 60, 560, 420))
    expected = Intrinsics(600.0, 610.0, 280.5, 180.5, 560, 420)
    assert picture_intrinsics(info, picture(560, 420)) == expected


def test_binning_divides_all() -> None:
    info = camera_info(binning_x=2, binning_y=2)
    expected = Intrinsics(300.0, 305.0, 160.25, 120.25, 320, 240)
    assert picture_intrinsics(info, picture(320, 240)) == expected


@given(
    binning_x=st.integers(0, 4),
    binning_y=st.integers(0, 4),
    left=st.integers(0, 100),
    top=st.integers(0, 100),
    columns=st.integers(20, 300),
    rows=st.integers(20, 300),
    point=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(0.5, 3.0)),
    projection=st.booleans(),
)
def test_a_point_falls_on_the_pixel_that_the_sensor_has_there(
    binning_x: int,
    binning_y: int,
    left: int,
    top: int,
    columns: int,
    rows: int,
    point: tuple[float, float, float],
    projection: bool,
) -> None:
    other = Intrinsics(500.0, 505.0, 300.0, 200.0, 640, 480)
    info = camera_info(
        binning_x=binning_x,
        binning_y=binning_y,
        roi=region(left, top, columns, rows),
        k=k_of(other if projection else FULL),
        p=p_of(FULL if projection else other),
        d=D,
    )
    step = max(1, binning_x), max(1, binning_y)
    camera = picture_intrinsics(info, picture(columns // step[0], rows // step[1]), projection)
    (on_sensor,) = project(np.array([point]), FULL)
    (in_picture,) = project(np.array([point]), camera)
    np.testing.assert_allclose(in_picture * step + [left, top], on_sensor, atol=1e-9)


RECTIFIED = Intrinsics(630.0, 640.0, 318.0, 241.0, 640, 480)


def test_rectified_images_fit_p() -> None:
    info = camera_info(p=p_of(RECTIFIED), d=D)
    assert picture_intrinsics(info, picture(), projection=True) == RECTIFIED
    assert picture_intrinsics(info, picture()) == FULL


def test_a_camera_that_states_only_one_matrix_has_it_used() -> None:
    only_p = camera_info(k=[0.0] * 9, p=p_of(RECTIFIED))
    assert picture_intrinsics(only_p, picture()) == RECTIFIED
    assert picture_intrinsics(camera_info(), picture(), projection=True) == FULL


def test_rectified_images_without_p_are_refused_where_k_does_not_fit_them() -> None:
    with pytest.raises(ImageError, match="camera_info has no P, which rectified images need"):
        picture_intrinsics(camera_info(d=D), picture(), projection=True)


@pytest.mark.parametrize(
    ("topic", "choice", "expected"),
    [
        ("/camera/color/image_raw", "auto", False),
        ("/camera/color/image_rect_color", "auto", True),
        ("/camera/color/image_rect", "auto", True),
        ("/camera/color/image_rect_raw/compressed", "auto", True),
        ("/kinect2/qhd/image_color_rect", "auto", True),
        ("/image_rect/color/image_raw", "auto", False),
        ("/camera/color/image_direct", "auto", False),
        ("/camera/color/image_raw", "P", True),
        ("/camera/color/image_rect", "K", False),
        ("", "auto", False),
    ],
)
def test_the_topic_says_whether_images_are_rectified(
    topic: str, choice: str, expected: bool
) -> None:
    assert uses_projection(choice, topic) is expected


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (
            camera_info(width=1280, height=720),
            "is for a 1280x720 image, the colour image is 640x480: use the camera_info topic",
        ),
        (
            camera_info(roi=region(40, 60, 560, 420)),
            r"region of interest 560x420 at \(40, 60\), which gives 560x420, the colour image is",
        ),
        (camera_info(width=0, height=0), "so nothing says that it is of the colour images"),
        (camera_info(binning_x=2, binning_y=2), "binning 2x2, which gives 320x240"),
        (camera_info(k=[0.0] * 9), "camera_info: focal lengths must be positive, got fx=0.0"),
        (camera_info(k=[600.0, 0.0, float("nan"), 0.0, 600.0, 240.0, 0.0, 0.0, 1.0]), "cx=nan"),
    ],
)
def test_camera_info_that_cannot_be_used_says_why(info: CameraInfo, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        picture_intrinsics(info, picture())


def test_distortion_is_told_of_raw_images_only() -> None:
    info = camera_info(d=D, distortion_model="plumb_bob", p=p_of(RECTIFIED))
    warning = distortion_warning(info, projection=False)
    assert warning is not None
    assert "plumb_bob lens distortion (-0.12, 0.13, 0, 0, 0), which is not corrected" in warning
    assert "K and P differ by 5.0%: are these the rectified images?" in warning

    assert distortion_warning(info, projection=True) is None
    assert distortion_warning(camera_info(d=[0.0] * 5), projection=False) is None
    same = distortion_warning(camera_info(d=D, p=p_of(FULL)), projection=False)
    assert same is not None
    assert "differ" not in same


def test_depth_of_another_frame_is_told() -> None:
    color, depth = Image(header=Header(frame_id="rgb")), Image(header=Header(frame_id="ir"))
    assert image_warnings(color, color, CameraInfo(d=[0.0] * 5), projection=False) == []

    slashed = Image(header=Header(frame_id="/rgb"))
    assert image_warnings(slashed, color, CameraInfo(), projection=False) == []

    (of_other_frame,) = image_warnings(color, depth, CameraInfo(), projection=False)
    assert of_other_frame.kind == "frame-id"
    assert "'ir'" in of_other_frame.text

    info = camera_info(d=D, distortion_model="plumb_bob")
    (of_lens,) = image_warnings(color, color, info, projection=False)
    assert of_lens.kind == "lens-distortion"
