# SPDX-License-Identifier: Apache-2.0
"""Compressed images are received as raw ones."""

from __future__ import annotations

import struct
from array import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from perception_kit.ros.image import ImageError, color_image, depth_image
from perception_kit.ros.image_transport import RawMessages, image_topic

RGB = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
HEADER = Header(frame_id="camera")


def compressed(form: str, data: bytes) -> CompressedImage:
    return CompressedImage(header=HEADER, format=form, data=array("B", data))


def color() -> CompressedImage:
    data = cv2.imencode(".png", cv2.cvtColor(RGB, cv2.COLOR_RGB2BGR))[1].tobytes()
    return compressed("rgb8; png compressed bgr8", data)


def depth(millimeters: np.ndarray) -> CompressedImage:
    data = struct.pack("<iff", 0, 0.0, 0.0) + cv2.imencode(".png", millimeters)[1].tobytes()
    return compressed("16UC1; compressedDepth png", data)


@pytest.mark.parametrize(
    ("role", "transport", "expected"),
    [
        ("color", "raw", (Image, "/camera/image")),
        ("depth", "raw", (Image, "/camera/image")),
        ("color", "compressed", (CompressedImage, "/camera/image/compressed")),
        ("depth", "compressed", (CompressedImage, "/camera/image/compressedDepth")),
    ],
)
def test_the_topic_is_that_of_the_plugin(
    role: str, transport: str, expected: tuple[type, str]
) -> None:
    assert image_topic("/camera/image", role, transport) == expected


def test_images_are_those_that_were_compressed() -> None:
    millimeters = np.array([[0, 500], [1200, 65535]], np.uint16)
    messages = RawMessages({"color": color(), "depth": depth(millimeters), "info": "as it is"}, {})
    assert (*messages,) == ("color", "depth", "info")
    assert messages["color"].header == HEADER
    assert (messages["color"].width, messages["color"].height) == (8, 6)
    np.testing.assert_array_equal(color_image(messages["color"]), RGB)
    np.testing.assert_allclose(depth_image(messages["depth"]), millimeters * 1e-3)
    assert messages["info"] == "as it is"
    assert messages["color"] is messages["color"], "decompressed once"


def test_a_damaged_image_is_refused_only_where_it_is_asked_for() -> None:
    damaged = compressed("jpeg", b"\xff\xd8 no more")
    messages = RawMessages({"color": color(), "depth": damaged}, {"depth": "/camera/depth"})
    assert messages["color"].encoding == "bgr8"
    with pytest.raises(ImageError, match=r"'/camera/depth' holds 10 bytes of format 'jpeg' that"):
        messages["depth"]
