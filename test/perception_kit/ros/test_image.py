# SPDX-License-Identifier: Apache-2.0
"""Images between messages and arrays: values, units, no copies, and clear refusals."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from perception_kit.ros import image as image_module
from perception_kit.ros.image import (
    ImageError,
    array_to_image,
    check_same_size,
    color_image,
    depth_image,
    image_to_array,
    image_warnings,
    intrinsics_from_camera_info,
)

LAYOUTS = {
    "rgb8": (np.uint8, 3),
    "bgra8": (np.uint8, 4),
    "mono8": (np.uint8, 1),
    "16UC1": (np.uint16, 1),
}


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> Image:
    """An image whose rows are followed by ``padding`` bytes."""
    stored = np.ascontiguousarray(
        pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    )
    rows = stored.view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)

    height, width = pixels.shape[:2]
    result = Image(height=height, width=width, encoding=encoding, step=rows.shape[1])
    result.is_bigendian = int(big_endian)
    result.data = array("B", rows.tobytes())
    return result


@pytest.mark.parametrize("encoding", sorted(LAYOUTS))
@given(data=st.data(), padding=st.integers(0, 9), big_endian=st.booleans())
def test_rows_with_padding_and_both_byte_orders_are_read(
    encoding: str, data: st.DataObject, padding: int, big_endian: bool
) -> None:
    dtype, channels = LAYOUTS[encoding]
    shape = st.tuples(st.integers(1, 7), st.integers(1, 7)).map(
        lambda size: size if channels == 1 else (*size, channels)
    )
    pixels = data.draw(hnp.arrays(dtype, shape))
    read = image_to_array(message(pixels, encoding, padding, big_endian))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("encoding", sorted(LAYOUTS))
def test_an_array_comes_back_from_its_message(encoding: str) -> None:
    dtype, channels = LAYOUTS[encoding]
    shape = (4, 6) if channels == 1 else (4, 6, channels)
    pixels = np.arange(24 * channels).astype(dtype).reshape(shape)
    header = Header(frame_id="camera")
    written = array_to_image(pixels[:, ::-1], encoding, header)  # not contiguous
    assert (written.header, written.encoding) == (header, encoding)
    assert (written.width, written.height) == (6, 4)
    np.testing.assert_array_equal(image_to_array(written), pixels[:, ::-1])


def test_reading_does_not_copy() -> None:
    source = message(np.zeros((4, 6, 3), np.uint8), "rgb8", padding=2)
    pixels = color_image(source)
    source.data[0] = 77
    assert pixels[0, 0, 0] == 77


@pytest.mark.parametrize(
    ("encoding", "stored", "expected"),
    [
        ("rgb8", [10, 20, 30], [10, 20, 30]),
        ("bgr8", [30, 20, 10], [10, 20, 30]),
        ("rgba8", [10, 20, 30, 255], [10, 20, 30]),
        ("bgra8", [30, 20, 10, 255], [10, 20, 30]),
        ("mono8", 50, [50, 50, 50]),
    ],
)
def test_color_is_rgb_whatever_the_encoding(
    encoding: str, stored: list[int] | int, expected: list[int]
) -> None:
    pixels = np.broadcast_to(np.array(stored, np.uint8), (3, 5, *np.shape(stored)))
    rgb = np.broadcast_to(np.array(expected, np.uint8), (3, 5, 3))
    np.testing.assert_array_equal(color_image(message(pixels, encoding)), rgb)


def test_16uc1_is_millimeters_with_0_invalid() -> None:
    depth = depth_image(message(np.array([[0, 1500, 65535]], np.uint16), "16UC1"))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[0, 1.5, 65.535]], rtol=1e-6)


def test_32fc1_is_meters_with_nan_infinity_and_negative_values_invalid() -> None:
    stored = np.array([[1.25, np.nan, np.inf, -np.inf, -0.5, 0.0]], np.float32)
    np.testing.assert_array_equal(depth_image(message(stored, "32FC1")), [[1.25, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize("encoding", ["mono16", "8UC1", "rgb8", "64FC1", "32FC3", ""])
def test_a_depth_encoding_without_a_known_unit_is_refused_by_name(encoding: str) -> None:
    expected = f"depth encoding '{encoding}' has no known unit: expected 16UC1"
    with pytest.raises(ImageError, match=expected):
        depth_image(Image(encoding=encoding, width=4, height=4))


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((3, 4), np.uint16), np.full((3, 4), np.nan, np.float32)],
    ids=["zeros", "NaN"],
)
def test_depth_without_a_valid_pixel_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"4x3 .* has no valid pixel"):
        depth_image(message(pixels, "16UC1" if pixels.dtype == np.uint16 else "32FC1"))


@given(missing=st.integers(1, 72))
def test_short_data_is_refused_with_the_numbers(missing: int) -> None:
    short = message(np.zeros((4, 6, 3), np.uint8), "rgb8")
    short.data = short.data[: 72 - missing]
    expected = rf"holds {72 - missing} bytes of data, expected step \* height = 18 \* 4 = 72"
    with pytest.raises(ImageError, match=expected):
        color_image(short)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": 0}, "0x4 rgb8 image is empty"),
        ({"step": 17}, "has step 17, expected at least 18 bytes"),
        ({"encoding": "bayer_rggb8"}, "'bayer_rggb8' is not one of rgb8"),
        ({"encoding": "16UC1"}, "'16UC1' is not a colour image"),
    ],
)
def test_a_color_image_that_cannot_be_used_says_why(
    change: dict[str, object], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_module, "CvBridge", None)
    bad = message(np.zeros((4, 6, 3), np.uint8), "rgb8")
    for name, value in change.items():
        setattr(bad, name, value)
    with pytest.raises(ImageError, match=reason):
        color_image(bad)


def test_other_encodings_go_through_cv_bridge_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Bridge:
        def imgmsg_to_cv2(self, source: Image, desired_encoding: str) -> np.ndarray:
            assert desired_encoding == "rgb8"
            return np.full((source.height, source.width, 3), 9, np.uint8)

    monkeypatch.setattr(image_module, "CvBridge", Bridge)
    assert color_image(Image(encoding="yuv422", width=5, height=2)).shape == (2, 5, 3)


def test_writing_refuses_an_array_that_does_not_fit_the_encoding() -> None:
    with pytest.raises(ImageError, match=r"float64 array of shape \(2, 2\) as encoding '32FC1'"):
        array_to_image(np.zeros((2, 2)), "32FC1", Header())


def test_sizes_must_agree() -> None:
    with pytest.raises(ImageError, match="depth image is 320x240, colour image 640x480"):
        check_same_size(Image(width=640, height=480), Image(width=320, height=240))


def camera_info(**change: object) -> CameraInfo:
    k = [600.0, 0.0, 320.5, 0.0, 610.0, 240.5, 0.0, 0.0, 1.0]
    return CameraInfo(**({"width": 640, "height": 480, "k": k} | change))


def test_intrinsics_are_those_of_k() -> None:
    intrinsics = intrinsics_from_camera_info(camera_info(), Image(width=640, height=480))
    assert (intrinsics.fx, intrinsics.fy) == (600.0, 610.0)
    assert (intrinsics.cx, intrinsics.cy) == (320.5, 240.5)
    assert (intrinsics.width, intrinsics.height) == (640, 480)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (
            camera_info(width=1280, height=720),
            "camera_info is for a 1280x720 image, the colour image is 640x480",
        ),
        (camera_info(k=[0.0] * 9), "camera_info: focal lengths must be positive, got fx=0.0"),
        (camera_info(k=[600.0, 0.0, float("nan"), 0.0, 600.0, 240.0, 0.0, 0.0, 1.0]), "cx=nan"),
    ],
)
def test_camera_info_that_cannot_be_used_says_why(info: CameraInfo, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        intrinsics_from_camera_info(info, Image(width=640, height=480))


def test_what_makes_poses_doubtful_is_said() -> None:
    color, depth = Image(header=Header(frame_id="rgb")), Image(header=Header(frame_id="ir"))
    distorted = CameraInfo(distortion_model="plumb_bob", d=[0.1, 0.0, 0.0, 0.0, 0.0])
    assert image_warnings(color, color, CameraInfo(d=[0.0] * 5)) == []

    (of_other_frame,) = image_warnings(color, depth, CameraInfo())
    assert of_other_frame.kind == "frame-id"
    assert "'ir'" in of_other_frame.text

    (of_lens,) = image_warnings(color, color, distorted)
    assert of_lens.kind == "lens-distortion"
    assert "plumb_bob" in of_lens.text
