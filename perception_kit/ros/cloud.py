# SPDX-License-Identifier: Apache-2.0
"""Coloured point clouds as RViz and Foxglove show them."""

from __future__ import annotations

from array import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from perception_kit.geometry import back_project
from perception_kit.types import Intrinsics

_POINT = np.dtype(
    [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")]
)  # rgb: 0x00RRGGBB, as PCL has it
_FIELDS = [
    PointField(name=name, offset=_POINT.fields[name][1], datatype=PointField.FLOAT32, count=1)
    for name in _POINT.names
]


def cloud_message(
    rgb: np.ndarray, depth: np.ndarray, intrinsics: Intrinsics, header: Header, max_points: int
) -> PointCloud2:
    """Points of the valid pixels of a (H, W) depth image in metres with the colours of the (H, W,
    3) uint8 image.

    Of more than ``max_points`` pixels every n-th in each direction is taken.
    """
    step = max(1, int(np.ceil(np.sqrt(depth.size / max_points))))
    places, colors = (
        back_project(depth, intrinsics)[::step, ::step],
        rgb[::step, ::step].astype(np.uint32),
    )
    valid = depth[::step, ::step] > 0
    points = np.zeros(int(valid.sum()), _POINT)
    points["x"], points["y"], points["z"] = places[valid].T
    red, green, blue = colors[valid].T
    points["rgb"] = red << 16 | green << 8 | blue
    message = PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=_FIELDS,
        is_bigendian=False,
        is_dense=True,
    )
    message.point_step, message.row_step = _POINT.itemsize, _POINT.itemsize * len(points)
    message.data = array("B", points.tobytes())
    return message
