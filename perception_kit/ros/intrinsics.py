# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera of one picture, from the ``CameraInfo`` of its stream (REP 104).

``CameraInfo`` describes the full sensor: ``width``, ``height``, ``K`` of the raw images and ``P``
of the rectified ones. Its region of interest and binning say which part of it the picture is. The
messages may be objects of ROS or of ``rosbags``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perception_kit.ros.image import ImageError
from perception_kit.types import Intrinsics

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo, Image

_TRANSPORTS = ("compressed", "compressedDepth", "ffmpeg", "theora", "zstd")
_NOTABLE = 0.005  # difference of K and P from which on it matters which one is taken


class _Matrix(NamedTuple):
    """Focal lengths and principal point, pixels of the full sensor."""

    fx: float
    fy: float
    cx: float
    cy: float


def uses_projection(choice: str, topic: str) -> bool:
    """Whether the images of ``topic`` fit P, for a ``choice`` of ``CameraConfig.intrinsics``.

    ``auto``: as image_proc and the drivers name them, rectified images are ``image_rect…``, or have
    ``rect`` as another word of the last part.
    """
    if choice != "auto":
        return choice == "P"
    parts = [part for part in topic.split("/") if part not in _TRANSPORTS]
    return bool(parts) and re.search(r"(^|_)rect", parts[-1]) is not None


def picture_intrinsics(info: CameraInfo, picture: Image, projection: bool = False) -> Intrinsics:
    """Pinhole camera of ``picture``: K, or with ``projection`` P, of its region and binning.

    A camera that only states P has rectified images. Lens distortion is not modelled: see
    ``distortion_warning``. Raises ImageError where the camera information is of another image
    size, or not calibrated (values that are not finite, fx or fy not positive).
    """
    (left, top), (binning_x, binning_y) = _part_of_sensor(info, picture)
    matrix = _matrix(info, projection)
    if not np.isfinite(matrix).all():
        raise ImageError(
            f"camera_info has fx={matrix.fx}, fy={matrix.fy}, cx={matrix.cx}, cy={matrix.cy},"
            " expected finite numbers: calibrate the camera"
        )
    try:
        return Intrinsics(
            matrix.fx / binning_x,
            matrix.fy / binning_y,
            (matrix.cx - left) / binning_x,
            (matrix.cy - top) / binning_y,
            picture.width,
            picture.height,
        )
    except ValueError as error:
        raise ImageError(f"camera_info: {error}") from error


def picture_size(info: CameraInfo) -> tuple[int, int]:
    """Width and height of the pictures that the camera information is of."""
    (width, height), (binning_x, binning_y) = _region(info)
    return width // binning_x, height // binning_y


def distortion_warning(info: CameraInfo, projection: bool) -> str | None:
    """Why the pinhole camera does not fit the pictures as it should; None where it does.

    Rectified pictures have no distortion any more, though their camera information states it.
    """
    if projection or not any(info.d) or not _is_filled(_raw(info)):
        return None
    coefficients = ", ".join(f"{value:.3g}" for value in info.d)
    text = (
        f"camera_info states a {info.distortion_model} lens distortion ({coefficients}), which is"
        " not corrected"
    )

    difference = _difference(info)
    if difference < _NOTABLE:
        return text
    return (
        f"{text}, and its K and P differ by {difference:.1%}: are these the rectified images? Then"
        " P is right: set intrinsics to P; now K is taken, as for raw images"
    )


def _difference(info: CameraInfo) -> float:
    """Largest difference of K and P, of the focal length or of the size; 0 where one is missing."""
    raw, projected = _raw(info), _projected(info)
    if not (_is_filled(raw) and _is_filled(projected) and info.width and info.height):
        return 0.0
    scale = np.array([raw.fx, raw.fy, info.width, info.height])
    return float(np.max(np.abs(np.subtract(projected, raw)) / scale))


def _part_of_sensor(info: CameraInfo, picture: Image) -> tuple[tuple[int, int], tuple[int, int]]:
    """Offset (x, y) in pixels of the full sensor, and binning (x, y), of ``picture``.

    Raises ImageError where region and binning do not give the size of the picture.
    """
    if not (info.width and info.height):
        raise ImageError(
            f"camera_info is for a {info.width}x{info.height} image, so nothing says that it is of"
            f" the colour images ({picture.width}x{picture.height}): let the driver fill width and"
            " height"
        )
    roi = info.roi
    region, binning = _region(info)
    expected = picture_size(info)
    found = picture.width, picture.height

    # A driver may round up where the binning does not divide the region.
    rounded = tuple(-(-size // step) for size, step in zip(region, binning, strict=True))
    if all(size in both for size, *both in zip(found, expected, rounded, strict=True)):
        return (roi.x_offset, roi.y_offset), binning

    part = ""
    if binning != (1, 1):
        part += f", binning {binning[0]}x{binning[1]}"
    if roi.width or roi.height or roi.x_offset or roi.y_offset:
        part += f", region of interest {roi.width}x{roi.height} at ({roi.x_offset}, {roi.y_offset})"
    if part:
        part += f", which gives {expected[0]}x{expected[1]}"
    raise ImageError(
        f"camera_info is for a {info.width}x{info.height} image{part}, the colour image is"
        f" {found[0]}x{found[1]}: "
        + (
            "let the driver fill width and height (of the full sensor), roi and binning as REP 104"
            " says"
            if part
            else "use the camera_info topic of the colour stream"
        )
    )


def _region(info: CameraInfo) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of the region of interest on the full sensor, and its binning."""
    region = info.roi.width or info.width, info.roi.height or info.height
    return region, (max(1, info.binning_x), max(1, info.binning_y))


def _matrix(info: CameraInfo, projection: bool) -> _Matrix:
    """The matrix that fits the pictures; without P, K does where there is no distortion."""
    raw, projected = _raw(info), _projected(info)
    if projection and not _is_filled(projected) and any(info.d):
        raise ImageError(
            "camera_info has no P, which rectified images need: its lens distortion says that K is"
            " of the raw images; use the camera_info that is published with the rectified images"
        )
    wanted, other = (projected, raw) if projection else (raw, projected)
    return wanted if _is_filled(wanted) or not _is_filled(other) else other


def _raw(info: CameraInfo) -> _Matrix:
    return _Matrix(*(float(info.k[index]) for index in (0, 4, 2, 5)))  # row-major 3x3


def _projected(info: CameraInfo) -> _Matrix:
    return _Matrix(*(float(info.p[index]) for index in (0, 5, 2, 6)))  # row-major 3x4


def _is_filled(matrix: _Matrix) -> bool:
    """Whether anything is stated: drivers leave what they do not know at zero."""
    return any(matrix[:2])
