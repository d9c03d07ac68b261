# SPDX-License-Identifier: Apache-2.0
"""Converts ``sensor_msgs/Image`` to arrays and back.

Encodings and depth units are known only here. The messages may be objects of ROS or of ``rosbags``:
nothing of ROS is imported to read them.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from sensor_msgs.msg import Image

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
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
}
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}
# Colors of 16 bits, of which the upper eight are kept
_DEEP = {"rgb16": "rgb8", "bgr16": "bgr8", "rgba16": "rgba8", "bgra16": "bgra8"}
# YUV: rows of bytes of an image of (height, width), and OpenCV's conversion
_YUV = {
    **dict.fromkeys(("uyvy", "yuv422"), (2, 1, cv2.COLOR_YUV2RGB_UYVY)),
    **dict.fromkeys(("yuyv", "yuv422_yuy2"), (2, 1, cv2.COLOR_YUV2RGB_YUY2)),
    "nv12": (1, 1.5, cv2.COLOR_YUV2RGB_NV12),
    "nv21": (1, 1.5, cv2.COLOR_YUV2RGB_NV21),
}
# Bayer, by the colors of the first two pixels of two rows; OpenCV names those of the second row
_BAYER = {
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}
# Encodings that say how many channels there are, but not which
UNNAMED_CHANNELS = {"8UC1": 1, "8UC3": 3, "8UC4": 4}

# Metres of a unit
DEPTH_UNITS = {"16UC1": 0.001, "mono16": 0.001, "32FC1": 1.0}
DEPTH_ENCODINGS = tuple(DEPTH_UNITS)
COLOR_ENCODINGS = ("rgb8", *_TO_RGB, *_DEEP, *_YUV, *(f"{name}8" for name in _BAYER), "bayer_…16")


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
    shape = (message.height, message.width)
    return _pixels(message, np.dtype(scalar), shape if channels == 1 else (*shape, channels))


def _pixels(message: Image, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """View of the message's rows as an array of ``shape``. Raises ImageError for too few bytes."""
    height, width, step = message.height, message.width, message.step
    row_bytes = int(np.prod(shape[1:])) * dtype.itemsize

    size = f"{width}x{height} {message.encoding} image"
    if height == 0 or width == 0:
        raise ImageError(f"{size} is empty: check the camera driver")
    if step < row_bytes:
        raise ImageError(
            f"{size} has step {step}, expected at least {row_bytes} bytes a row: check the camera"
            " driver"
        )
    if len(message.data) < step * shape[0]:
        raise ImageError(
            f"{size} holds {len(message.data)} bytes of data, expected step * height = {step} *"
            f" {shape[0]} = {step * shape[0]}: the message was cut short on its way or by its"
            " publisher"
        )

    stored = dtype.newbyteorder(">" if message.is_bigendian else "<")
    strides = (step, int(np.prod(shape[2:])) * dtype.itemsize, dtype.itemsize)[: len(shape)]
    pixels: np.ndarray = np.ndarray(shape, stored, buffer=message.data, strides=strides)
    return pixels.astype(dtype, copy=False)


def color_image(message: Image, unnamed_encoding: str = "") -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels: a view of an ``rgb8`` message, else a converted copy.

    ``unnamed_encoding`` is that of images which only say how many channels they have (8UC3).
    Raises ImageError for an encoding without colour, and as ``image_to_array`` does.
    """
    encoding = message.encoding
    if encoding in UNNAMED_CHANNELS:
        encoding = _named_encoding(encoding, unnamed_encoding)
        scalar, channels = _LAYOUTS[encoding]
        shape = (message.height, message.width)
        pixels = _pixels(message, np.dtype(scalar), shape if channels == 1 else (*shape, channels))
    elif encoding in _DEEP:
        encoding = _DEEP[encoding]
        shape = (message.height, message.width)
        deep = _pixels(message, np.dtype(np.uint16), (*shape, _LAYOUTS[encoding][1]))
        pixels = (deep // 256).astype(np.uint8)
    elif encoding in _YUV:
        return _rgb_of_yuv(message)
    elif encoding.startswith(tuple(_BAYER)):
        return _rgb_of_bayer(message)
    else:
        pixels = image_to_array(message)

    if encoding in _TO_RGB:
        return cv2.cvtColor(pixels, _TO_RGB[encoding])
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise ImageError(
            f"encoding '{encoding}' is not a colour image: expected one of"
            f" {', '.join(COLOR_ENCODINGS)}"
        )
    return pixels


def _named_encoding(encoding: str, unnamed_encoding: str) -> str:
    """``unnamed_encoding`` where it fits. Raises ImageError where it does not, or is not given."""
    channels = UNNAMED_CHANNELS[encoding]
    fitting = [name for name in ("rgb8", *_TO_RGB) if _LAYOUTS[name][1] == channels]
    if unnamed_encoding in fitting:
        return unnamed_encoding
    raise ImageError(
        f"encoding '{encoding}' says that there are {channels} channels, but not which:"
        f" set color_encoding to {' or '.join(fitting)}"
    )


def _rgb_of_yuv(message: Image) -> np.ndarray:
    """RGB pixels of YUV with half as many columns, or rows and columns, of color."""
    samples, rows, conversion = _YUV[message.encoding]
    if message.width % 2 or (rows > 1 and message.height % 2):
        raise ImageError(
            f"{message.width}x{message.height} {message.encoding} image: YUV has an even number of"
            " columns (and, in planes, of rows): check the camera driver"
        )
    shape: tuple[int, ...] = (round(message.height * rows), message.width)
    if samples > 1:
        shape = (*shape, samples)
    pixels = _pixels(message, np.dtype(np.uint8), shape)
    return cv2.cvtColor(np.ascontiguousarray(pixels), conversion)


def _rgb_of_bayer(message: Image) -> np.ndarray:
    """RGB pixels of a mosaic of 8 or 16 bits."""
    pattern, bits = message.encoding[:-1], message.encoding[-1:]
    if message.encoding.endswith("16"):
        pattern, bits = message.encoding[:-2], "16"
    if pattern not in _BAYER or bits not in ("8", "16"):
        raise ImageError(
            f"Bayer encoding '{message.encoding}' is not read, expected"
            f" {' or '.join(sorted(_BAYER))} with 8 or 16 bits"
        )
    if min(message.height, message.width) < 2:
        raise ImageError(f"{message.width}x{message.height} pixels are too few for a Bayer mosaic")

    dtype = np.dtype(np.uint8 if bits == "8" else np.uint16)
    mosaic = _pixels(message, dtype, (message.height, message.width))
    rgb = cv2.cvtColor(np.ascontiguousarray(mosaic), _BAYER[pattern])
    return rgb if bits == "8" else (rgb // 256).astype(np.uint8)


def depth_image(message: Image, scale: float = 0.0) -> np.ndarray:
    """(H, W) float32 depth in metres, 0 where there is none.

    ``scale`` is metres of a unit; with 0 the encoding decides (REP 118): 16UC1 (or mono16)
    millimetres, 32FC1 metres. Raises ImageError for every other encoding and for an image without a
    single valid pixel.
    """
    if message.encoding not in DEPTH_UNITS:
        raise ImageError(
            f"depth encoding '{message.encoding}' has no known unit: expected 16UC1 (millimetres)"
            " or 32FC1 (metres); check that the depth topic is remapped to a depth image"
        )

    pixels = image_to_array(message)
    unit = np.float32(scale or DEPTH_UNITS[message.encoding])
    if pixels.dtype == np.float32:
        pixels = np.where(np.isfinite(pixels) & (pixels > 0), pixels, np.float32(0))
    depth = pixels if unit == 1 else pixels * unit

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

    from sensor_msgs.msg import Image

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
            f"image encoding '{message.encoding}' is not one of {', '.join(COLOR_ENCODINGS)} for"
            f" colour, {', '.join(DEPTH_ENCODINGS)} for depth: let the driver publish one of these,"
            " or install cv_bridge, which converts more"
        )
    try:
        return CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8")
    except Exception as error:  # cv_bridge raises its own and OpenCV's errors
        reason = f"cv_bridge cannot convert encoding '{message.encoding}': {error}"
        raise ImageError(reason) from error
