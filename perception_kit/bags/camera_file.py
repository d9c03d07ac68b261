# SPDX-License-Identifier: Apache-2.0
"""Camera information for bags without any, from a YAML file of ROS's ``camera_calibration``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from perception_kit.bags.bag import BagError, open_typestore
from perception_kit.budgets import parse_yaml, regular

_EXPECTED = (
    "expected image_width, image_height and camera_matrix (rows, cols, data), as the"
    " camera_calibration package writes them"
)


def read_camera_file(path: Path) -> dict[str, Any]:
    """Fields of ``sensor_msgs/CameraInfo`` without its header.

    Raises BagError for a file that is none of camera_calibration's.
    """
    try:
        content = parse_yaml(regular(path).read_text())
        height, width = int(content["image_height"]), int(content["image_width"])

        # Without a projection the image is taken as rectified: P = [K | 0].
        matrix = _matrix(content, "camera_matrix", (3, 3))
        projection = np.hstack([matrix.reshape(3, 3), np.zeros((3, 1))])

        distortion = content.get("distortion_coefficients", {}).get("data", [])
        fields = {
            "distortion_model": str(content.get("distortion_model", "plumb_bob")),
            "d": np.array(distortion, np.float64),
            "k": matrix,
            "r": _matrix(content, "rectification_matrix", (3, 3), np.eye(3)),
            "p": _matrix(content, "projection_matrix", (3, 4), projection),
        }
    except OSError as error:
        raise BagError(
            f"camera information '{path}' cannot be read ({error}): give a file as --camera-info"
        ) from error
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise BagError(
            f"camera information '{path}' is not valid ({type(error).__name__}: {error}):"
            f" {_EXPECTED}"
        ) from error
    return {"height": height, "width": width, **fields}


def camera_info_message(fields: dict[str, Any], header: Any) -> Any:
    """``sensor_msgs/CameraInfo`` of a camera file's fields, with the header of an image.

    Header and message are ``rosbags`` objects.
    """
    types = open_typestore().types
    roi = types["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return types["sensor_msgs/msg/CameraInfo"](
        header=header, binning_x=0, binning_y=0, roi=roi, **fields
    )


def _matrix(
    content: dict[str, Any], name: str, shape: tuple[int, int], default: np.ndarray | None = None
) -> np.ndarray:
    """Row-major values of a matrix of ``shape``.

    Raises KeyError where they are missing, ValueError where there are more or fewer.
    """
    if name not in content and default is not None:
        return default.reshape(-1)
    values = np.array(content[name]["data"], np.float64)
    if values.size != shape[0] * shape[1]:
        raise ValueError(f"{name} has {values.size} values, expected {shape[0]} x {shape[1]}")
    return values.reshape(-1)
