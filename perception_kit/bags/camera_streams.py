# SPDX-License-Identifier: Apache-2.0
"""The images and camera information of a bag, whatever messages they are recorded in.

A message that cannot be read is a fault of its frame, not of the bag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from perception_kit.bags.bag import BagError, BagReader, BagTopic, RawMessage, open_typestore
from perception_kit.bags.compressed import COMPRESSED_IMAGE, decompress_image, image_of_pixels
from perception_kit.bags.theora_packets import THEORA_PACKET, decode_theora
from perception_kit.bags.video_packets import VIDEO_PACKET, decode_packets
from perception_kit.stamps import stamp_to_ns

IMAGE = "sensor_msgs/msg/Image"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
# Messages that hold images, and the image transports that publish them
IMAGE_MESSAGES = {
    IMAGE: ("raw",),
    COMPRESSED_IMAGE: ("compressed", "compressedDepth", "zstd"),
    VIDEO_PACKET: ("ffmpeg",),
    THEORA_PACKET: ("theora",),
}
_VIDEO = {VIDEO_PACKET: decode_packets, THEORA_PACKET: decode_theora}

# The fields of the RGBD messages of RealSense and Orbbec, each of which is a stream ``TOPIC/FIELD``
RGBD_SUFFIX = "/msg/RGBD"
RGBD_FIELDS = {
    "rgb": IMAGE,
    "depth": IMAGE,
    "rgb_camera_info": CAMERA_INFO,
    "depth_camera_info": CAMERA_INFO,
}


@dataclass(frozen=True)
class StampedMessage:
    """A recorded message, decoded and as its CDR bytes, with its header's stamp in nanoseconds.

    ``recorded_ns`` is the bag's stamp. A ``fault`` says why it cannot be read; there is no message
    then, and where even the header is unknown the stamp is the bag's.
    """

    stamp_ns: int
    message: Any
    data: bytes
    recorded_ns: int = 0
    fault: str = ""


def camera_streams(topics: Mapping[str, BagTopic]) -> dict[str, BagTopic]:
    """The recorded ``topics``, those of RGBD messages replaced by the streams that they hold."""
    streams: dict[str, BagTopic] = {}
    for name, topic in topics.items():
        if topic.type_name.endswith(RGBD_SUFFIX):
            for field, type_name in RGBD_FIELDS.items():
                streams[f"{name}/{field}"] = BagTopic(type_name, topic.count)
        else:
            streams[name] = topic
    return streams


def played_type(type_name: str) -> str:
    """The type in which a replay plays a topic: it decodes images."""
    return IMAGE if type_name in IMAGE_MESSAGES else type_name


def read_stream(reader: BagReader, name: str) -> Iterator[StampedMessage]:
    """The messages of one of ``camera_streams`` in the order of the bag, as a replay plays them.

    Raises BagError where the bag itself is damaged.
    """
    topics = reader.topics
    topic, _, field = name.rpartition("/")
    if name in topics or topic not in topics:
        topic, field = name, ""

    if topic in topics and topics[topic].type_name in _VIDEO:
        yield from _video(reader, topic)
        return
    for raw in reader.independent_messages(topic):
        yield _read(reader, raw, field)


def stream_encoding(reader: BagReader, name: str) -> str | None:
    """Encoding of the first image of a stream; None where it cannot be read."""
    first = next(read_stream(reader, name), None)
    return getattr(first.message, "encoding", None) if first is not None else None


def to_stamped(message: Any, recorded_ns: int) -> StampedMessage:
    """A ``rosbags`` message, as it is played."""
    data = bytes(open_typestore().serialize_cdr(message, message.__msgtype__))
    return StampedMessage(stamp_to_ns(message.header.stamp), message, data, recorded_ns)


def _read(reader: BagReader, raw: RawMessage, field: str) -> StampedMessage:
    """A recorded message decoded, and decompressed where it is a compressed image."""
    stamp_ns = raw.stamp_ns
    try:
        message = reader.decode(raw)
        stamp_ns = stamp_to_ns(message.header.stamp)
        if field:
            return to_stamped(getattr(message, field), raw.stamp_ns)
        if raw.type_name == COMPRESSED_IMAGE:
            return to_stamped(decompress_image(message, raw.topic), raw.stamp_ns)
    except BagError as error:
        return StampedMessage(stamp_ns, None, b"", raw.stamp_ns, str(error))
    return StampedMessage(stamp_ns, message, bytes(raw.data), raw.stamp_ns)


def _video(reader: BagReader, topic: str) -> Iterator[StampedMessage]:
    """Video packets decoded one after the other, as each needs those before it."""
    headers: list[Any] = []
    recorded: list[int] = []

    def packets() -> Iterator[Any]:
        for raw in reader.independent_messages(topic):
            try:
                message = reader.decode(raw)
            except BagError:
                continue  # the pictures up to the next key frame are damaged, and named so
            headers.append(message.header)
            recorded.append(raw.stamp_ns)
            yield message

    decode = _VIDEO[reader.topics[topic].type_name]
    for number, pixels in decode(packets()):
        header, recorded_ns = headers[number], recorded[number]
        if isinstance(pixels, np.ndarray):
            yield to_stamped(image_of_pixels(header, pixels, "rgb8"), recorded_ns)
        else:
            fault = f"'{topic}': {pixels}"
            yield StampedMessage(stamp_to_ns(header.stamp), None, b"", recorded_ns, fault)
