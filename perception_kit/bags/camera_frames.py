# SPDX-License-Identifier: Apache-2.0
"""Camera frames of a bag: colour images with the depth and camera information of their moment."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from perception_kit.bags.bag import BagReader, RawMessage
from perception_kit.bags.camera_file import camera_info_message
from perception_kit.bags.camera_topics import CameraTopics
from perception_kit.bags.compressed import COMPRESSED_IMAGE, decompress_image
from perception_kit.stamps import stamp_to_ns

_LOOK_AHEAD = 30  # colour images that wait at most for their partners


@dataclass(frozen=True)
class StampedMessage:
    """A recorded message, decoded and as its CDR bytes, with its header's stamp in nanoseconds."""

    stamp_ns: int
    message: Any
    data: bytes


@dataclass(frozen=True)
class CameraFrame:
    """One colour image and its partners; None where the bag has none within the slop."""

    color: StampedMessage
    depth: StampedMessage | None
    camera_info: StampedMessage | None

    @property
    def stamp_ns(self) -> int:
        """Stamp of the colour image, which all results carry."""
        return self.color.stamp_ns


@dataclass
class _Partners:
    """Messages of one topic in the order of their stamps, as far as they may still be needed."""

    messages: list[StampedMessage] = field(default_factory=list)

    def add(self, message: StampedMessage) -> None:
        """Keep a message; the oldest one goes where no colour image has come for long."""
        self.messages.append(message)
        del self.messages[: -2 * _LOOK_AHEAD]

    def is_settled(self, stamp_ns: int) -> bool:
        """Whether no later message can be nearer to ``stamp_ns``."""
        return bool(self.messages) and self.messages[-1].stamp_ns >= stamp_ns

    def nearest(self, stamp_ns: int, slop_ns: int) -> StampedMessage | None:
        """The message nearest in time, if within ``slop_ns``; forgets those that are older."""
        after = bisect_left([message.stamp_ns for message in self.messages], stamp_ns)
        candidates = self.messages[max(0, after - 1) : after + 1]
        if not candidates:
            return None

        best = min(candidates, key=lambda message: abs(message.stamp_ns - stamp_ns))
        del self.messages[: max(0, after - 1)]
        return best if abs(best.stamp_ns - stamp_ns) <= slop_ns else None


def camera_frames(
    reader: BagReader,
    topics: CameraTopics,
    slop_s: float,
    camera_file: dict[str, Any] | None = None,
) -> Iterator[CameraFrame]:
    """Every colour image of the bag in order, with its partners within ``slop_s``.

    The bag is read lazily: only a few images are in memory at a time. Compressed images come as
    ``Image`` messages. Where ``topics`` has no camera information, every frame has that of
    ``camera_file`` (see ``read_camera_file``). Raises BagError; ValueError without either.
    """
    if topics.camera_info is None and camera_file is None:
        raise ValueError("neither a topic nor a file with camera information is given")
    slop_ns = round(slop_s * 1e9)
    depths, infos = _Partners(), _Partners()
    buffers = {topics.depth: depths}
    if topics.camera_info is not None:
        buffers[topics.camera_info] = infos
    waiting: deque[StampedMessage] = deque()

    def complete(color: StampedMessage) -> CameraFrame:
        depth = depths.nearest(color.stamp_ns, slop_ns)
        if topics.camera_info is None and camera_file is not None:
            message = camera_info_message(camera_file, color.message.header)
            return CameraFrame(color, depth, _encoded(reader, color.stamp_ns, message))
        return CameraFrame(color, depth, infos.nearest(color.stamp_ns, slop_ns))

    # A colour image waits until no partner of it can still come, or until too many wait.
    for raw in reader.raw_messages([topics.color, *buffers]):
        stamped = _stamped(reader, raw)
        if raw.topic == topics.color:
            waiting.append(stamped)
        else:
            buffers[raw.topic].add(stamped)

        while waiting and (
            len(waiting) > _LOOK_AHEAD
            or all(buffer.is_settled(waiting[0].stamp_ns) for buffer in buffers.values())
        ):
            yield complete(waiting.popleft())

    # The bag has ended: what still waits has all the partners that it will get.
    while waiting:
        yield complete(waiting.popleft())


def _stamped(reader: BagReader, raw: RawMessage) -> StampedMessage:
    """A recorded message decoded, and decompressed where it is a compressed image."""
    message = reader.decode(raw)
    stamp_ns = stamp_to_ns(message.header.stamp)
    if raw.type_name == COMPRESSED_IMAGE:
        return _encoded(reader, stamp_ns, decompress_image(message, raw.topic))
    return StampedMessage(stamp_ns, message, bytes(raw.data))


def _encoded(reader: BagReader, stamp_ns: int, message: Any) -> StampedMessage:
    data = bytes(reader.typestore.serialize_cdr(message, message.__msgtype__))
    return StampedMessage(stamp_ns, message, data)
