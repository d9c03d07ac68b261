# SPDX-License-Identifier: Apache-2.0
"""Images between messages and arrays: values, units, no copies, and clear refusals."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from perception_kit.ros import image as image_module
from perception_kit.ros.image import (
    ImageError,
    array_to_image,
    check_same_size,
    color_image,
    depth_image,
    image_to_array,
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


@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("rgb16", [10, 20, 30]),
        ("bgr16", [30, 20, 10]),
        ("rgba16", [10, 20, 30, 255]),
        ("bgra16", [30, 20, 10, 255]),
    ],
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_colors_of_16_bits_keep_their_upper_8(
    encoding: str, stored: list[int], big_endian: bool
) -> None:
    pixels = np.broadcast_to(np.array(stored, np.uint16) * 256 + 77, (3, 5, len(stored)))
    rgb = color_image(message(pixels, encoding, padding=3, big_endian=big_endian))
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, np.broadcast_to(np.uint8([10, 20, 30]), (3, 5, 3)))


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


RED, GRAY = (230, 20, 30), (90, 90, 90)
STORED = {
    "uyvy": cv2.COLOR_RGB2YUV_UYVY,
    "yuv422": cv2.COLOR_RGB2YUV_UYVY,
    "yuyv": cv2.COLOR_RGB2YUV_YUY2,
    "yuv422_yuy2": cv2.COLOR_RGB2YUV_YUY2,
}


@pytest.mark.parametrize("encoding", STORED)
@pytest.mark.parametrize("padding", [0, 6])
def test_yuv_of_half_the_columns_is_read(encoding: str, padding: int) -> None:
    rgb = np.full((4, 6, 3), RED, np.uint8)
    rgb[:, 4:] = GRAY
    yuv = cv2.cvtColor(rgb, STORED[encoding])
    read = color_image(message(yuv, encoding, padding)).astype(int)
    assert np.abs(read - rgb).max() <= 4


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_yuv_in_planes_is_read(encoding: str) -> None:
    """OpenCV writes three planes; NV12 has U and V by turns in one, NV21 V and U."""
    rgb = np.full((4, 6, 3), RED, np.uint8)
    planes = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    u, v = planes[4:].reshape(2, 2, 3)
    by_turns = np.stack([u, v] if encoding == "nv12" else [v, u], axis=-1).reshape(2, 6)
    stored = message(np.vstack([planes[:4], by_turns]), encoding)
    stored.height = 4
    assert np.abs(color_image(stored).astype(int) - rgb).max() <= 4


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize(("bits", "factor"), [(8, 1), (16, 256)])
def test_a_bayer_mosaic_is_read(pattern: str, bits: int, factor: int) -> None:
    channel = {"r": 0, "g": 1, "b": 2}
    mosaic = np.zeros((6, 8), np.uint8 if bits == 8 else np.uint16)
    for place, name in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = RED[channel[name]] * factor
    read = color_image(message(mosaic, f"bayer_{pattern}{bits}"))
    assert read.shape == (6, 8, 3)
    np.testing.assert_array_equal(read[2:4, 2:4], np.broadcast_to(RED, (2, 2, 3)))


@pytest.mark.parametrize(
    ("encoding", "named", "stored"),
    [
        ("8UC3", "bgr8", [30, 20, 230]),
        ("8UC3", "rgb8", [230, 20, 30]),
        ("8UC4", "bgra8", [30, 20, 230, 255]),
    ],
)
def test_channels_without_names_are_read_as_they_are_said_to_be(
    encoding: str, named: str, stored: list[int]
) -> None:
    pixels = np.broadcast_to(np.array(stored, np.uint8), (3, 5, len(stored)))
    expected = np.broadcast_to(RED, (3, 5, 3))
    np.testing.assert_array_equal(color_image(message(pixels, encoding), named), expected)


def test_a_wrong_number_of_channels_is_refused() -> None:
    with pytest.raises(ImageError, match="set color_encoding to rgb8 or bgr8"):
        color_image(message(np.zeros((2, 2, 3), np.uint8), "8UC3"), "mono8")


@pytest.mark.parametrize(
    ("encoding", "scale", "stored", "meters"),
    [
        ("16UC1", 0.0, 1500, 1.5),
        ("mono16", 0.0, 1500, 1.5),
        ("16UC1", 0.0001, 15000, 1.5),
        ("16UC1", 0.00025, 6000, 1.5),
        ("32FC1", 0.0, 1.5, 1.5),
        ("32FC1", 0.001, 1500.0, 1.5),
    ],
)
def test_the_unit_of_depth_is_that_of_the_encoding_or_given(
    encoding: str, scale: float, stored: float, meters: float
) -> None:
    dtype = np.float32 if encoding == "32FC1" else np.uint16
    depth = depth_image(message(np.full((2, 3), stored, dtype), encoding), scale)
    np.testing.assert_allclose(depth, np.full((2, 3), meters), rtol=1e-6)


def test_16uc1_is_millimeters_with_0_invalid() -> None:
    depth = depth_image(message(np.array([[0, 1500, 65535]], np.uint16), "16UC1"))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[0, 1.5, 65.535]], rtol=1e-6)


def test_32fc1_is_meters_with_nan_infinity_and_negative_values_invalid() -> None:
    stored = np.array([[1.25, np.nan, np.inf, -np.inf, -0.5, 0.0]], np.float32)
    np.testing.assert_array_equal(depth_image(message(stored, "32FC1")), [[1.25, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize("encoding", ["8UC1", "rgb8", "64FC1", "32FC3", ""])
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
        ({"encoding": "yuv444"}, "'yuv444' is not one of rgb8"),
        ({"encoding": "8UC3"}, "3 channels, but not which: set color_encoding to rgb8 or bgr8"),
        ({"encoding": "nv12"}, r"holds 72 bytes of data, expected step \* height = 18 \* 6"),
        ({"encoding": "uyvy", "width": 5}, "YUV has an even number of columns"),
        ({"encoding": "bayer_rggb12"}, "Bayer encoding 'bayer_rggb12' is not read"),
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
    assert color_image(Image(encoding="yuv444", width=5, height=2)).shape == (2, 5, 3)


def test_writing_refuses_an_array_that_does_not_fit_the_encoding() -> None:
    with pytest.raises(ImageError, match=r"float64 array of shape \(2, 2\) as encoding '32FC1'"):
        array_to_image(np.zeros((2, 2)), "32FC1", Header())


def test_sizes_must_agree() -> None:
    with pytest.raises(ImageError, match="depth image is 320x240, colour image 640x480"):
        check_same_size(Image(width=640, height=480), Image(width=320, height=240))
