# SPDX-License-Identifier: Apache-2.0
"""Compressed images as they are recorded."""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rvl_encoder import encode_rvl

from perception_kit.bags.bag import BagError, open_typestore
from perception_kit.bags.compressed import decompress_image

BLUE, GREEN, RED = (np.full((4, 6), value, np.uint8) for value in (200, 100, 50))
COLOR = np.dstack([BLUE, GREEN, RED])
MILLIMETERS = np.array([[0, 500, 1200], [65535, 1, 900]], np.uint16)


def message(form: str, data: bytes) -> Any:
    types = open_typestore().types
    stamp = types["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    pixels = np.frombuffer(data, np.uint8)
    return types["sensor_msgs/msg/CompressedImage"](header=header, format=form, data=pixels)


def encoded(pixels: np.ndarray, ending: str) -> bytes:
    return cv2.imencode(ending, pixels)[1].tobytes()


def pixels_of(image: Any) -> np.ndarray:
    kinds = {
        "bgr8": (np.uint8, 3),
        "bgra8": (np.uint8, 4),
        "mono8": (np.uint8, 1),
        "16UC1": (np.uint16, 1),
        "32FC1": (np.float32, 1),
    }
    kind, channels = kinds[image.encoding]
    assert image.step == image.width * channels * np.dtype(kind).itemsize
    return image.data.view(kind).reshape(image.height, image.width, channels).squeeze()


def zstd(pixels: np.ndarray, encoding: str, compress: Any = gzip.compress) -> bytes:
    """Data of the zstd transport."""
    height, width = pixels.shape[:2]
    name = encoding.encode()
    head = struct.pack("<IIBII", height, width, 0, pixels.strides[0], len(name))
    return head + name + compress(pixels.tobytes())


LOSSLESS = {
    "colour PNG": ("rgb8; png compressed bgr8", encoded(COLOR, ".png"), "bgr8", COLOR),
    "colour PNG of a driver that names only the format": (
        "png",
        encoded(COLOR, ".png"),
        "bgr8",
        COLOR,
    ),
    "PNG with opacity": (
        "bgra8; png compressed",
        encoded(np.dstack([COLOR, COLOR[..., 0]]), ".png"),
        "bgra8",
        np.dstack([COLOR, COLOR[..., 0]]),
    ),
    "grey PNG": ("mono8; png compressed", encoded(COLOR[..., 0], ".png"), "mono8", COLOR[..., 0]),
    "depth as plain PNG": (
        "16UC1; png compressed",
        encoded(MILLIMETERS, ".png"),
        "16UC1",
        MILLIMETERS,
    ),
    "compressedDepth of millimetres": (
        "16UC1; compressedDepth png",
        bytes(12) + encoded(MILLIMETERS, ".png"),
        "16UC1",
        MILLIMETERS,
    ),
    "compressedDepth of a publisher that leaves the header out": (
        "16UC1; compressedDepth",
        encoded(MILLIMETERS, ".png"),
        "16UC1",
        MILLIMETERS,
    ),
    "compressedDepth of mono16": (
        "mono16; compressedDepth png",
        bytes(12) + encoded(MILLIMETERS, ".png"),
        "16UC1",
        MILLIMETERS,
    ),
    "RVL": (
        "16UC1; compressedDepth rvl",
        bytes(12) + struct.pack("<ii", 3, 2) + encode_rvl(MILLIMETERS),
        "16UC1",
        MILLIMETERS,
    ),
    "zstd of colours": ("zstd", zstd(COLOR, "bgr8"), "bgr8", COLOR),
    "zstd of depth": ("zstd", zstd(MILLIMETERS, "16UC1"), "16UC1", MILLIMETERS),
    "zstd without gzip's header": ("zstd", zstd(COLOR, "bgr8", zlib.compress), "bgr8", COLOR),
    "compressedDepth before the format was named": (
        "16UC1; compressedDepth",
        bytes(12) + encoded(MILLIMETERS, ".png"),
        "16UC1",
        MILLIMETERS,
    ),
}


@pytest.mark.parametrize("case", LOSSLESS)
def test_lossless(case: str) -> None:
    form, data, encoding, expected = LOSSLESS[case]
    image = decompress_image(message(form, data), "/topic")
    assert image.encoding == encoding
    assert np.array_equal(pixels_of(image), expected)
    assert (image.header.stamp.nanosec, image.header.frame_id) == (2, "camera")


def test_jpeg_keeps_the_colors() -> None:
    jpeg = message("rgb8; jpeg compressed bgr8", encoded(COLOR, ".jpg"))
    image = decompress_image(jpeg, "/topic")
    assert np.abs(pixels_of(image).astype(int) - COLOR).max() <= 4


@given(st.lists(st.floats(0.3, 9.9), min_size=1, max_size=20), st.floats(50, 200))
def test_quantized_meters_come_back(meters: list[float], quantization: float) -> None:
    """As image_transport quantises: B = 1 - A / depth_max, and A / depth + B is rounded."""
    a, b = quantization, 1 - quantization / 10.0
    values = np.array([[0, *(round(a / depth + b) for depth in meters)]], np.uint16)
    data = struct.pack("<iff", 0, a, b) + encoded(values, ".png")
    image = decompress_image(message("32FC1; compressedDepth png", data), "/topic")
    decoded = pixels_of(image).reshape(-1)
    assert np.isnan(decoded[0])

    step = np.square(meters) / quantization  # change of the depth for a change of 1
    assert np.all(np.abs(decoded[1:] - meters) <= 0.6 * step + 0.06 * step**2 + 1e-4)


REFUSED = {
    "no picture": ("jpeg", b"not a picture", "no whole JPEG or PNG"),
    "nothing": ("jpeg", b"", "holds 0 bytes"),
    "video": ("h264", b"video", "holds video \\('h264'\\) as single pictures"),
    "zstd that was cut off": ("zstd", zstd(COLOR, "bgr8")[:-20], "cut off or damaged \\(.* bytes"),
    "zstd of a header alone": ("zstd", bytes(9), "cut off or damaged"),
    "zstd of another compression": ("zstd", zstd(COLOR, "bgr8", bytes), "cut off or damaged"),
    "damaged RVL": ("16UC1; compressedDepth rvl", bytes(30), "RVL that is cut off or damaged"),
    "metres without their quantisation": (
        "32FC1; compressedDepth png",
        encoded(MILLIMETERS, ".png"),
        "without the header that says how the metres",
    ),
    "depth as JPEG": (
        "16UC1; jpeg compressed ",
        encoded(COLOR[..., 0], ".jpg"),
        "in which the distances are lost",
    ),
    "depth of another encoding": (
        "mono8; compressedDepth png",
        bytes(12) + encoded(MILLIMETERS, ".png"),
        "expected 16UC1 or 32FC1",
    ),
    "depth of 8 bits": (
        "16UC1; compressedDepth png",
        bytes(12) + encoded(COLOR[..., 0], ".png"),
        "expected 16-bit depth",
    ),
    "colour of 16 bits": (
        "rgb16; png",
        encoded(COLOR.astype(np.uint16), ".png"),
        "expected 8-bit colour or depth",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case: str) -> None:
    form, data, text = REFUSED[case]
    with pytest.raises(BagError, match=text) as error:
        decompress_image(message(form, data), "/depth/topic")
    assert "'/depth/topic'" in str(error.value)
