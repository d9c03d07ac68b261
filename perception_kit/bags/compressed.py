# SPDX-License-Identifier: Apache-2.0
"""Decompresses ``CompressedImage`` messages to the ``Image`` messages of the nodes.

Colour and 16-bit images are those of image_transport's ``compressed`` (JPEG or PNG), depth also
those of its ``compressedDepth``: a header of 12 bytes (an int32 and the float32 quantisation
parameters A and B) before a PNG or RVL, which holds millimetres (16UC1), or A / depth + B of metres
(32FC1), 0 where there is none. Those of its ``zstd`` are raw images deflated by zlib, whatever the
name says, behind height, width, is_bigendian, step and the encoding with its length.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np

from perception_kit.bags.bag import BagError, open_typestore
from perception_kit.bags.rvl import decode_rvl
from perception_kit.budgets import BudgetError, check_picture

COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
_IMAGE = "sensor_msgs/msg/Image"
_DEPTH_HEADER = struct.Struct("<iff")
_RVL_SIZE = struct.Struct("<ii")
_RAW_HEADER = struct.Struct("<IIBII")
_ANY_ZLIB_HEADER = zlib.MAX_WBITS | 32  # gzip's, too
_LARGEST_IMAGE = 2**30  # bytes
# Encodings of decoded pixels by type, dimensions and channels
_ENCODINGS = {
    ("uint8", 2, 1): "mono8",
    ("uint8", 3, 3): "bgr8",
    ("uint8", 3, 4): "bgra8",
    ("uint16", 2, 1): "16UC1",
}


_DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
VIDEO_FORMATS = ("h264", "h265", "hevc", "av1")
_PNG = b"\x89PNG"


def decompress_image(message: Any, topic: str) -> Any:
    """The ``sensor_msgs/Image`` (a ``rosbags`` object) in a ``CompressedImage``.

    Raises BagError for a format that is not read.
    """
    if message.format.strip() == "zstd":
        return _raw_image(message, topic)
    if "compressedDepth" in message.format:
        pixels, encoding = _depth(message, topic)
    else:
        pixels = _picture(message.data, message.format, topic)
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        layout = (str(pixels.dtype), pixels.ndim, channels)
        stored = message.format.partition(";")[0].strip()
        if stored in _DEPTH_ENCODINGS and pixels.dtype == np.uint8:
            raise BagError(
                f"'{topic}' holds depth ({stored}) that was compressed to pictures of 8 bits"
                f" ('{message.format}'), in which the distances are lost: record the topic of raw"
                " depth, or that of compressedDepth"
            )
        if layout not in _ENCODINGS:
            raise BagError(
                f"'{topic}' holds {pixels.dtype} images of shape {pixels.shape}"
                f" ('{message.format}'): expected 8-bit colour or depth"
            )
        encoding = _ENCODINGS[layout]

    return image_of_pixels(message.header, pixels, encoding)


def image_of_pixels(header: Any, pixels: np.ndarray, encoding: str) -> Any:
    """(H, W) or (H, W, C) ``pixels`` as a ``sensor_msgs/Image`` of ``rosbags``."""
    pixels = np.ascontiguousarray(pixels)
    return open_typestore().types[_IMAGE](
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=pixels.reshape(-1).view(np.uint8),
    )


def _raw_image(message: Any, topic: str) -> Any:
    """The ``Image`` in a message of the ``zstd`` transport."""
    data = bytes(message.data)
    try:
        height, width, is_bigendian, step, length = _RAW_HEADER.unpack_from(data)
        start, size = _RAW_HEADER.size + length, step * height
        encoding = data[_RAW_HEADER.size : start].decode("ascii")
        if not 0 < size <= _LARGEST_IMAGE:
            raise ValueError(f"{height} rows of {step} bytes")
        pixels = zlib.decompressobj(_ANY_ZLIB_HEADER).decompress(data[start:], size)
        if len(pixels) < size:
            raise ValueError(f"{len(pixels)} of {size} bytes")
    except (struct.error, zlib.error, ValueError) as error:
        raise BagError(
            f"'{topic}' holds {len(data)} bytes of format 'zstd' that are cut off or damaged"
            f" ({error}): they were so when they were published, or lost on the way"
        ) from error
    return open_typestore().types[_IMAGE](
        header=message.header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=is_bigendian,
        step=step,
        data=np.frombuffer(pixels, np.uint8),
    )


def _depth(message: Any, topic: str) -> tuple[np.ndarray, str]:
    """(H, W) uint16 millimetres or float32 metres, and their encoding."""
    encoding, _, coding = (word.strip() for word in message.format.partition(";"))
    encoding = {"mono16": "16UC1"}.get(encoding, encoding)
    if encoding not in ("16UC1", "32FC1"):
        raise BagError(
            f"'{topic}' has compressedDepth of format '{message.format}', expected 16UC1 or 32FC1:"
            " decompress it first ('ros2 run image_transport republish')"
        )

    # Some publishers leave out the header.
    data = bytes(message.data)
    content = data if data.startswith(_PNG) else data[_DEPTH_HEADER.size :]
    if "rvl" in coding.lower():
        pixels = _rvl_image(content, topic)
    else:
        pixels = _picture(np.frombuffer(content, np.uint8), message.format, topic)
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise BagError(
            f"'{topic}' has compressedDepth with {pixels.dtype} pixels of shape {pixels.shape},"
            " expected 16-bit depth"
        )
    if encoding == "16UC1":
        return pixels, encoding
    if content is data:
        raise BagError(
            f"'{topic}' has compressedDepth of 32FC1 without the header that says how the metres"
            " were quantised: record the raw depth, or compress it by image_transport"
        )

    # Metres are stored as quantised inverse depth: value = A / depth + B.
    _, depth_quant_a, depth_quant_b = _DEPTH_HEADER.unpack_from(data)
    with np.errstate(divide="ignore"):
        meters = np.float32(depth_quant_a) / (pixels.astype(np.float32) - np.float32(depth_quant_b))
    return np.where(pixels > 0, meters, np.float32(np.nan)).astype(np.float32), encoding


def _rvl_image(content: bytes, topic: str) -> np.ndarray:
    """(H, W) uint16 of RVL after its width and height."""
    try:
        width, height = _RVL_SIZE.unpack_from(content)
        return decode_rvl(content[_RVL_SIZE.size :], width * height).reshape(height, width)
    except (struct.error, ValueError) as error:
        raise BagError(f"'{topic}' holds RVL that is cut off or damaged: {error}") from error


def _picture(data: np.ndarray, form: str, topic: str) -> np.ndarray:
    """Pixels of a JPEG or PNG as OpenCV has them (blue first); ``form`` is only for the error."""
    if any(codec in form.lower() for codec in VIDEO_FORMATS):
        raise BagError(
            f"'{topic}' holds video ('{form}') as single pictures, which is not read: decode it"
            " where it was recorded, or publish it by ffmpeg_image_transport"
        )
    try:
        check_picture(data)
    except BudgetError as error:
        raise BagError(f"'{topic}': {error}") from error
    try:
        content = np.asarray(data, np.uint8)
        pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(data) else None
    except cv2.error:  # of a size that OpenCV refuses
        pixels = None
    if pixels is None:
        raise BagError(
            f"'{topic}' holds {len(data)} bytes of format '{form}' that are no whole JPEG or PNG"
            " image: it was cut short when it was published, or on the way"
        )
    return pixels
