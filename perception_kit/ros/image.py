# SPDX-License-Identifier: Apache-2.0
"""Converts ``sensor_msgs/Image`` and ``CameraInfo`` to arrays and back.

Encodings and depth units are known only here.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any, NamedTuple

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.types import Intrinsics

try:  # part of a full ROS 2; only for the encodings that are not in _LAYOUTS
    from cv_bridge import CvBridge
except ImportError:
    CvBridge = None

# Type and channels of a pixel by encoding
_LAYOUTS: dict[str, tuple[type[np.generic], int]] = {
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "bgra8": (np.uint8, 4),
    "mono8": (np.uint8, 1),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
}
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}
DEPTH_ENCODINGS = ("16UC1", "32FC1")
_COLOR_ENCODINGS = ("rgb8", *_TO_RGB)


class ImageError(ValueError):
    """An image or its camera information cannot be used; the message says what to change."""


def image_to_array(message: Image) -> np.ndarray:
    """(H, W) or (H, W, C) view of the pixels in the message's own channel order, without a copy.

    Only data in the other byte order, and encodings that need ``cv_bridge``, are copied. Raises
    ImageError for an unknown encoding, a size of zero, and fewer bytes than ``step`` * ``height``.
    """
    if message.encoding not in _LAYOUTS:
        return _array_from_cv_bridge(message)

    scalar, channels = _LAYOUTS[message.encoding]
    dtype = np.dtype(scalar)
    height, width, step = message.height, message.width, message.step
    row_bytes = width * channels * dtype.itemsize

    size = f"{width}x{height} {message.encoding} image"
    if height == 0 or width == 0:
        raise ImageError(f"{size} is empty: check the camera driver")
    if step < row_bytes:
        raise ImageError(
            f"{size} has step {step}, expected at least {row_bytes} bytes a row: check the camera"
            " driver"
        )
    if len(message.data) < step * height:
        raise ImageError(
            f"{size} holds {len(message.data)} bytes of data, expected step * height = {step} *"
            f" {height} = {step * height}: the message was cut short on its way or by its publisher"
        )

    stored = dtype.newbyteorder(">" if message.is_bigendian else "<")
    shape = (height, width) if channels == 1 else (height, width, channels)
    strides = (step, channels * dtype.itemsize, dtype.itemsize)[: len(shape)]
    pixels: np.ndarray = np.ndarray(shape, stored, buffer=message.data, strides=strides)
    return pixels.astype(dtype, copy=False)


def color_image(message: Image) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels: a view of an ``rgb8`` message, else a converted copy.

    Raises ImageError for an encoding without colour, and as ``image_to_array`` does.
    """
    pixels = image_to_array(message)
    if message.encoding in _TO_RGB:
        return cv2.cvtColor(pixels, _TO_RGB[message.encoding])
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise ImageError(
            f"encoding '{message.encoding}' is not a colour image: expected one of"
            f" {', '.join(_COLOR_ENCODINGS)}"
        )
    return pixels


def depth_image(message: Image) -> np.ndarray:
    """(H, W) float32 depth in metres, 0 where there is none.

    The encoding decides the unit (REP 118): 16UC1 millimetres, 32FC1 metres. Raises ImageError for
    every other encoding and for an image without a single valid pixel.
    """
    if message.encoding not in DEPTH_ENCODINGS:
        raise ImageError(
            f"depth encoding '{message.encoding}' has no known unit: expected 16UC1 (millimetres)"
            " or 32FC1 (metres); check that the depth topic is remapped to a depth image"
        )

    pixels = image_to_array(message)
    if message.encoding == "16UC1":
        depth = pixels * np.float32(0.001)
    else:
        depth = np.where(np.isfinite(pixels) & (pixels > 0), pixels, np.float32(0))

    if not depth.any():
        raise ImageError(
            f"{message.width}x{message.height} {message.encoding} depth image has no valid pixel"
            " (all are 0, negative or not finite)"
        )
    return depth


def check_same_size(color: Image, depth: Image) -> None:
    """Raises ImageError unless both images have the same width and height."""
    if (color.width, color.height) != (depth.width, depth.height):
        raise ImageError(
            f"depth image is {depth.width}x{depth.height}, colour image"
            f" {color.width}x{color.height}: use the depth topic that the driver aligns to the"
            " colour image"
        )


class ImageWarning(NamedTuple):
    """Why poses may be wrong: ``kind``, a stable name of the reason, and the text for the user."""

    kind: str
    text: str


def image_warnings(color: Image, depth: Image, info: CameraInfo) -> list[ImageWarning]:
    """Why poses from these messages may be wrong.

    Depth may be of another frame than colour, or a lens distortion may stay uncorrected.
    """
    found = []

    if depth.header.frame_id != color.header.frame_id:
        text = (
            f"depth is of frame '{depth.header.frame_id}', colour of '{color.header.frame_id}': "
            "poses are wrong unless the driver registers depth to colour"
        )
        found.append(ImageWarning("frame-id", text))

    if any(info.d):
        coefficients = ", ".join(f"{value:.3g}" for value in info.d)
        text = (
            f"camera_info states a {info.distortion_model} lens distortion ({coefficients}),"
            " which is not corrected: give rectified images, whose camera_info has none"
        )
        found.append(ImageWarning("lens-distortion", text))

    return found


def intrinsics_from_camera_info(info: CameraInfo, image: Image) -> Intrinsics:
    """Pinhole intrinsics of the raw ``image`` (matrix K; lens distortion is not modelled).

    Raises ImageError where the camera information is of another image size or not calibrated
    (values that are not finite, fx or fy not positive).
    """
    if (info.width, info.height) != (image.width, image.height):
        raise ImageError(
            f"camera_info is for a {info.width}x{info.height} image, the colour image is"
            f" {image.width}x{image.height}: use the camera_info topic of the colour stream"
        )

    # K is row-major.
    fx, cx, fy, cy = (float(info.k[index]) for index in (0, 2, 4, 5))
    if not np.isfinite([fx, fy, cx, cy]).all():
        raise ImageError(
            f"camera_info has fx={fx}, fy={fy}, cx={cx}, cy={cy}, expected finite numbers:"
            " calibrate the camera"
        )
    try:
        return Intrinsics(fx, fy, cx, cy, info.width, info.height)
    except ValueError as error:
        raise ImageError(f"camera_info: {error}") from error


def array_to_image(pixels: np.ndarray, encoding: str, header: Any) -> Image:
    """``pixels`` (H, W) or (H, W, C) as a message with ``header``.

    Raises ImageError where array and encoding disagree.
    """
    scalar, channels = _LAYOUTS.get(encoding, (None, 0))
    shape_channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if scalar is None or pixels.dtype != scalar or shape_channels != channels:
        raise ImageError(
            f"cannot write a {pixels.dtype} array of shape {pixels.shape} as encoding '{encoding}'"
        )

    pixels = np.ascontiguousarray(pixels)
    message = Image(header=header, encoding=encoding, height=pixels.shape[0], width=pixels.shape[1])
    message.step = pixels.strides[0]
    message.is_bigendian = int(sys.byteorder == "big")

    # Any other buffer is checked element by element, which takes 80 ms for a 640x480 image.
    data = array("B")
    data.frombytes(pixels.data.cast("B"))
    message.data = data
    return message


def _array_from_cv_bridge(message: Image) -> np.ndarray:
    """RGB pixels of an encoding that only ``cv_bridge`` knows (Bayer, YUV, …)."""
    if CvBridge is None:
        raise ImageError(
            f"image encoding '{message.encoding}' is not one of {', '.join(_COLOR_ENCODINGS)} for"
            f" colour, {', '.join(DEPTH_ENCODINGS)} for depth: let the driver publish one of these,"
            " or install cv_bridge, which converts more"
        )
    try:
        return CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8")
    except Exception as error:  # cv_bridge raises its own and OpenCV's errors
        reason = f"cv_bridge cannot convert encoding '{message.encoding}': {error}"
        raise ImageError(reason) from error
