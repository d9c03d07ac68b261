# SPDX-License-Identifier: Apache-2.0
"""Points are where the depth says, in the colours of the image."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import PointField
from std_msgs.msg import Header

from perception_kit.ros.cloud import cloud_message
from perception_kit.types import Intrinsics

CAMERA = Intrinsics(100, 100, 20, 15, 40, 30)


def test_points_have_place_and_color() -> None:
    depth, rgb = np.zeros((30, 40), np.float32), np.zeros((30, 40, 3), np.uint8)
    depth[15, 30], rgb[15, 30] = 2.0, (255, 128, 1)
    message = cloud_message(rgb, depth, CAMERA, Header(frame_id="optical"), 10_000)
    assert message.header.frame_id == "optical"
    assert (message.width, message.height, message.point_step) == (1, 1, 16)
    fields = [(field.name, field.offset, field.datatype) for field in message.fields]
    names = ("x", "y", "z", "rgb")
    assert fields == [(name, 4 * k, PointField.FLOAT32) for k, name in enumerate(names)]

    values = np.frombuffer(message.data, np.float32)
    assert values[:3].tolist() == pytest.approx([0.2, 0.0, 2.0])
    assert values.view(np.uint32)[3] == 0xFF8001


def test_large_images_are_thinned_out() -> None:
    rgb, depth = np.zeros((30, 40, 3), np.uint8), np.ones((30, 40), np.float32)
    message = cloud_message(rgb, depth, CAMERA, Header(), 400)
    assert 200 < message.width <= 400
    assert len(message.data) == message.width * message.point_step
