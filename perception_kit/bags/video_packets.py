# SPDX-License-Identifier: Apache-2.0
"""Decodes the video packets of ``ffmpeg_image_transport`` through PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np

VIDEO_PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"

# The encoder that a message may name instead of its codec: libx264, h264_nvenc, hevc_vaapi, …
CODECS = {"264": "h264", "265": "hevc", "hevc": "hevc", "av1": "av1", "vp9": "vp9", "vp8": "vp8"}
_REMEDY = "else decompress while playing: ros2 run image_transport republish ffmpeg raw"
_LONGEST_DELAY = 32  # packets after which a frame that did not come is lost


def decode_packets(messages: Iterable[Any]) -> Iterator[tuple[int, np.ndarray | str]]:
    """Number of each ``FFMPEGPacket`` with its (H, W, 3) uint8 RGB pixels, or why it has none, in
    order.

    A picture needs all packets since the last key frame: what comes before the first one cannot
    be decoded.
    """
    codec: av.VideoCodecContext | None = None
    waiting: list[int] = []

    for number, message in enumerate(messages):
        # The codec is that of the first packet.
        try:
            codec = codec or _open_codec(message.encoding)
        except (ValueError, av.FFmpegError) as error:
            yield number, str(error)
            continue

        # A decoder may give a picture some packets later; its pts says which packet it is of.
        waiting.append(number)
        packet = av.Packet(bytes(message.data))
        packet.pts = packet.dts = number
        try:
            frames = codec.decode(packet)
        except av.FFmpegError as error:
            waiting.remove(number)
            what = f"the packet of {len(message.data)} bytes cannot be decoded ({error})"
            yield number, f"{what}; {_REMEDY}"
            continue
        yield from _in_order(waiting, frames, number)

    # What the decoder still holds.
    frames = codec.decode(None) if codec is not None and waiting else []
    yield from _in_order(waiting, frames, max(waiting, default=0) + _LONGEST_DELAY)


def _open_codec(encoding: str) -> av.VideoCodecContext:
    """A decoder for the first word of ``encoding``. Raises ValueError for an unknown one."""
    encoder = encoding.partition(";")[0].strip().lower()
    name = next((codec for part, codec in CODECS.items() if part in encoder), None)
    if name is None:
        raise ValueError(
            f"video packets of encoding '{encoding}' are not read, expected one of"
            f" {', '.join(sorted(set(CODECS.values())))}; {_REMEDY}"
        )
    codec = av.CodecContext.create(name, "r")
    if not isinstance(codec, av.VideoCodecContext):
        raise ValueError(f"'{name}' is no codec of videos")
    codec.thread_count = 1  # threads would delay each picture by their number
    return codec


def _in_order(
    waiting: list[int], frames: Iterable[av.VideoFrame], newest: int
) -> Iterator[tuple[int, np.ndarray | str]]:
    """The packets of ``frames``, and those before them that gave none, out of ``waiting``."""
    lost = "the packet gave no picture: it is damaged, or from before the first key frame"
    for frame in frames:
        at = frame.pts or 0
        while waiting and waiting[0] < at:
            yield waiting.pop(0), lost
        if at in waiting:
            waiting.remove(at)
            yield at, frame.to_ndarray(format="rgb24")
    while waiting and waiting[0] <= newest - _LONGEST_DELAY:
        yield waiting.pop(0), lost
