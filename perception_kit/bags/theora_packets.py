# SPDX-License-Identifier: Apache-2.0
"""Decodes the video packets of ``theora_image_transport`` through PyAV.

Format: https://www.theora.org/doc/Theora.pdf. The first byte of a packet says whether it is one of
the three headers (bit 7), and whether it needs the pictures before it (bit 6). An empty packet
repeats the last picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

THEORA_PACKET = "theora_image_transport/msg/Packet"

_FIRST_HEADER, _HEADERS = 0x80, 3
_IS_HEADER, _NEEDS_OTHERS = 0x80, 0x40
_REMEDY = (
    "record from the start of the camera on, or decompress while playing: ros2 run image_transport"
    " republish theora raw"
)


def decode_theora(messages: Iterable[Any]) -> Iterator[tuple[int, np.ndarray | str]]:
    """Number of each packet that is a picture, with its (H, W, 3) uint8 RGB pixels or why it has
    none, in order.

    Nothing can be decoded without the headers, which are published once, before the first picture;
    after a packet that was lost nothing up to the next key frame.
    """
    headers: list[bytes] = []
    codec: av.VideoCodecContext | None = None
    picture: np.ndarray | None = None
    expected = 0

    for number, message in enumerate(messages):
        data = bytes(message.data)

        # A stream begins with its headers, also where the size of the images has changed.
        if data and data[0] & _IS_HEADER:
            if data[0] == _FIRST_HEADER:
                headers, codec, picture = [], None, None
            headers.append(data)
            expected = message.packetno + 1
            if len(headers) == _HEADERS:
                codec = _open_codec(headers)
            continue

        # What was lost is missed by all pictures up to the next that needs no other.
        if message.packetno != expected:
            picture = None
        expected = message.packetno + 1
        needs_others = not data or bool(data[0] & _NEEDS_OTHERS)
        if codec is None:
            yield number, f"the headers of the theora video were not recorded: {_REMEDY}"
        elif needs_others and picture is None:
            yield number, "packets before it were lost, and the next key frame has not come"
        else:
            try:
                picture = _pixels(codec, data) if data else picture
            except av.FFmpegError as error:
                picture = None
                yield number, f"the packet of {len(data)} bytes cannot be decoded ({error})"
                continue
            assert picture is not None  # an empty packet needs one
            yield number, picture


def _open_codec(headers: list[bytes]) -> av.VideoCodecContext:
    codec = av.CodecContext.create("theora", "r")
    assert isinstance(codec, av.VideoCodecContext)
    codec.extradata = b"".join(len(header).to_bytes(2, "big") + header for header in headers)
    codec.thread_count = 1  # threads would delay each picture by their number
    return codec


def _pixels(codec: av.VideoCodecContext, data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a packet. Raises FFmpegError."""
    (frame,) = codec.decode(av.Packet(data))
    # The transport converts colors as OpenCV does, with the full range of values.
    return frame.to_ndarray(format="rgb24", src_color_range=ColorRange.JPEG)
