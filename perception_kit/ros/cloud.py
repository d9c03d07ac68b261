# SPDX-License-Identifier: Apache-2.0
"""Writes coloured point clouds as RViz and Foxglove show them."""

from __future__ import annotations

from array import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from perception_kit.geometry import back_project
from perception_kit.types import Intrinsics

# Four bytes each; rgb is 0x00RRGGBB, which PCL declares as FLOAT32, too.
_POINT_FIELDS = {"x": "<f4", "y": "<f4", "z": "<f4", "rgb": "<u4"}
_POINT = np.dtype(list(_POINT_FIELDS.items()))
_FIELDS = [
    PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
    for index, name in enumerate(_POINT_FIELDS)
]


def cloud_message(
    rgb: np.ndarray, depth: np.ndarray, intrinsics: Intrinsics, header: Header, max_points: int
) -> PointCloud2:
    """Points of the valid pixels of a depth image in the colours of its colour image.

    ``rgb`` is (H, W, 3) uint8, ``depth`` (H, W) in metres. Of more than ``max_points`` pixels every
    n-th in each direction is taken.
    """
    step = max(1, int(np.ceil(np.sqrt(depth.size / max_points))))
    valid = depth[::step, ::step] > 0
    positions = back_project(depth, intrinsics)[::step, ::step][valid]
    colors = rgb[::step, ::step][valid].astype(np.uint32)

    points = np.zeros(len(positions), _POINT)
    points["x"], points["y"], points["z"] = positions.T
    red, green, blue = colors.T
    points["rgb"] = red << 16 | green << 8 | blue

    message = PointCloud2(header=header, height=1, width=len(points), fields=_FIELDS)
    message.is_bigendian, message.is_dense = False, True
    message.point_step, message.row_step = _POINT.itemsize, _POINT.itemsize * len(points)
    message.data = array("B", points.tobytes())
    return message
